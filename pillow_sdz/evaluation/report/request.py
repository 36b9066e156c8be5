"""What a report is asked for; importing this needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pillow_sdz.evaluation.codecs import Format
    from pillow_sdz.evaluation.metrics import Metric
    from pillow_sdz.options import SaveOptions


@dataclass(frozen=True)
class Request:
    """What is to be compared.

    Attributes:
        options: how the .sdz is saved.
        strength: of the img2img stage, 0 to 1 (excluded).
        metrics: distances from the original.
        formats: codecs to set beside the .sdz.
    """

    options: SaveOptions
    strength: float
    metrics: Sequence[Metric]
    formats: Sequence[Format]
