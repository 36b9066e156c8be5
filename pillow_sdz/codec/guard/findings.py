"""Where a decoded picture fails in a way that matters: wrong lettering, small faces, regular structure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pillow_sdz.codec.guard.detector import FACE, LATTICE, TEXT
from pillow_sdz.codec.guard.failure import contrast, structural_error
from pillow_sdz.codec.guard.rectangles import cover

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pillow_sdz.codec.guard.settings import GuardSettings
    from pillow_sdz.container.patches import Rectangle

THRESHOLDS: Final = {TEXT: 0.5, FACE: 0.5, LATTICE: 0.5}
"""Probability from which on a cell is marked, by class of the detector."""

BESIDE: Final = 0.2
"""Probability from which on a cell near a marked one is marked, too: the ends of words, the edges of faces."""

GROWTH: Final = 2
"""How many cells away from a marked one."""

TOLERANCES: Final = {TEXT: 1.0, FACE: 1.0, LATTICE: 2.0}
"""Structural error that each class may have, in tolerances of the settings."""

LARGEST_FACE: Final = 9
"""Longest side in cells of a face that is patched. The model paints larger ones better than a few bytes can."""

ACTIVE: Final = 4.0
"""Contrast in levels from which on a cell counts: noise and blank paper have less."""


@dataclass(frozen=True)
class Findings:
    """What the guard found.

    Attributes:
        rectangles: to buy, the most harmful per cell first.
        faces: whether one of them holds a face.
        marked: share of the active cells that are marked as one of the classes and came out wrong, 0 to 1.
        flat: share of all cells that are exactly flat, 0 to 1: photos have hardly any, drawings have many.
    """

    rectangles: tuple[Rectangle, ...]
    faces: bool
    marked: float
    flat: float


def find(
    original: NDArray[np.uint8],
    decoded: NDArray[np.uint8],
    probabilities: NDArray[np.float32],
    settings: GuardSettings,
) -> Findings:
    """Find what to buy.

    Args:
        original, decoded: (H, W, 3).
        probabilities: (ceil(H / 8), ceil(W / 8), classes), from the detector.
        settings: what counts as a failure.
    """
    error, local = structural_error(original, decoded), contrast(original)
    active = local >= ACTIVE
    wrong = np.zeros(error.shape, bool)
    faces = False
    for each, threshold in THRESHOLDS.items():
        marked = _grown(probabilities[:, :, each], threshold)
        for rectangle in cover(marked):
            if each == FACE and max(rectangle.width, rectangle.height) > LARGEST_FACE:
                continue
            part = _slices(rectangle)
            if _mean(error[part], marked[part] & active[part]) > TOLERANCES[each] * settings.tolerance:
                wrong[part] |= marked[part]
                faces |= each == FACE
    found = cover(wrong)
    harm = error * local
    found.sort(key=lambda each: -float(harm[_slices(each)].mean()))
    share = float((wrong & active).sum() / max(1, active.sum()))
    return Findings(tuple(found), faces, share, float((local == 0).mean()))


def _grown(probabilities: NDArray[np.float32], threshold: float) -> NDArray[np.bool_]:
    """The cells of at least the threshold, and those near them of at least `BESIDE`."""
    marked, beside = probabilities >= threshold, probabilities >= BESIDE
    for _ in range(GROWTH):
        wide = np.pad(marked, 1)
        wide = wide[:-2] | wide[1:-1] | wide[2:]
        marked = (wide[:, :-2] | wide[:, 1:-1] | wide[:, 2:]) & beside
    return marked


def _slices(rectangle: Rectangle) -> tuple[slice, slice]:
    return (
        slice(rectangle.y, rectangle.y + rectangle.height),
        slice(rectangle.x, rectangle.x + rectangle.width),
    )


def _mean(values: NDArray[np.float32], where: NDArray[np.bool_]) -> float:
    """The mean of some values; 0 of none."""
    return float(values[where].mean()) if where.any() else 0.0
