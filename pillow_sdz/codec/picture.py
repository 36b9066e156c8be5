"""A picture as the codec takes and gives it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Picture:
    """Pixels in the form that the autoencoder sees.

    Attributes:
        rgb: (H, W, 3) uint8; three equal planes for a grey picture.
        alpha: (H, W) uint8, or None.
        mode: the mode stored in the file: L, LA, RGB or RGBA.
    """

    rgb: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None
    mode: str
