"""The type of pictures that `encode` takes and `decode` returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Picture:
    """A picture as arrays; the autoencoder sees ``rgb`` only.

    Attributes:
        rgb: (H, W, 3) uint8; three equal planes for a grey picture.
        alpha: (H, W) uint8, or None.
        mode: the mode stored in the file: L, LA, RGB or RGBA.
    """

    rgb: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None
    mode: str
