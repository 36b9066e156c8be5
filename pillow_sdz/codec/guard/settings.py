"""What the guard buys at each quality: how well patches and whole pictures are coded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

QUALITIES: Final = (0, 25, 50, 65, 79, 90, 99)
"""The qualities of the tables below. In between, values are interpolated."""

LETTERING: Final = (10, 14, 20, 30, 45, 60, 80)
"""AVIF quality of a sheet of lettering and regular structure. At 20, tesseract misreads as much as in the original."""

FACES: Final = (32, 45, 54, 57, 62, 70, 80)
"""AVIF quality of a sheet with faces. At 54, LPIPS of faces of 24 to 70 pixels is a third lower than without them."""

WHOLE: Final = (5, 12, 22, 36, 57, 72, 92)
"""AVIF quality of a whole picture, where it is pixels whatever they cost."""

WHOLE_AT_MOST: Final = (25, 36, 45, 52, 57, 72, 92)
"""AVIF quality above which a whole picture leaves bytes unused, where the model's file had more.
From `WITHOUT_MODEL` on it is the same as `WHOLE`, so that no quality is worse than a lower one."""

WITHOUT_MODEL: Final = 79
"""From this quality on the model is not asked: AVIF at as many bytes is closer to the original in every metric."""


@dataclass(frozen=True)
class GuardSettings:
    """What the guard buys.

    Attributes:
        lettering, faces: AVIF quality of a sheet of patches that holds no faces, or some.
        whole, whole_at_most: lowest and highest AVIF quality of a whole picture that is coded as pixels.
    """

    lettering: int
    faces: int
    whole: int
    whole_at_most: int


def settings_for(quality: float) -> GuardSettings:
    """The settings of a quality, 0 to 100.

    >>> settings_for(50)
    GuardSettings(lettering=20, faces=54, whole=22, whole_at_most=45)
    """

    def at(values: tuple[int, ...]) -> int:
        return round(float(np.interp(quality, QUALITIES, values)))

    return GuardSettings(at(LETTERING), at(FACES), at(WHOLE), at(WHOLE_AT_MOST))
