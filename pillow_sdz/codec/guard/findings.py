"""Where a decoded picture fails in a way that matters: wrong lettering, small faces, regular structure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pillow_sdz.codec.guard.detector import FACE, TEXT
from pillow_sdz.codec.guard.failure import contrast, structural_error
from pillow_sdz.codec.guard.rectangles import cover

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pillow_sdz.container.patches import Rectangle

MARKED: Final = {TEXT: 0.6, FACE: 0.5}
"""Probability from which on a cell is marked, by class of the detector."""

BESIDE: Final = 0.3
"""Probability from which on a cell near a marked one is marked, too: the ends of words, the edges of faces."""

GROWTH: Final = 2
"""How many cells away from a marked one."""

TOLERANCES: Final = {TEXT: 0.1, FACE: 0.1}
"""Structural error, in the mean over the cells of a rectangle, up to which each class is left as it is."""

REGULAR_TOLERANCE: Final = 0.25
"""The same for regular structure, which may be out of step without anybody's noticing."""

LARGEST_FACE: Final = 9
"""Longest side in cells of a face that is patched. The model paints larger ones better than a few bytes can."""

ACTIVE: Final = 4.0
"""Contrast in levels from which on a cell counts: noise and blank paper have less."""

WORTH_IT: Final = 0.55
"""A patch must bring the structural error down to this share."""


@dataclass(frozen=True)
class Findings:
    """What the guard found.

    Attributes:
        rectangles: to buy, the most harmful per cell first.
        faces: share of the cells of the rectangles that are faces, 0 to 1.
        marked: share of the active cells that came out wrong and are lettering or small faces, 0 to 1.
        regular: share of the active cells that are of regular structure, wrong or not, 0 to 1.
        flat: share of all cells that are exactly flat, 0 to 1: photos have hardly any, drawings have many.
        error: structural error of each cell, (ceil(H / 8), ceil(W / 8)); 0 where it does not matter.
    """

    rectangles: tuple[Rectangle, ...]
    faces: float
    marked: float
    regular: float
    flat: float
    error: NDArray[np.float32]

    def worth_it(self, original: NDArray[np.uint8], patched: NDArray[np.uint8]) -> tuple[Rectangle, ...]:
        """The rectangles that patches brought much closer to the original.

        Args:
            original, patched: (H, W, 3).
        """
        after = structural_error(original, patched)
        parts = [(each, _slices(each)) for each in self.rectangles]
        return tuple(
            each
            for each, part in parts
            if _mean(after[part], self.error[part] > 0) <= WORTH_IT * _mean(self.error[part], self.error[part] > 0)
        )


def find(
    original: NDArray[np.uint8],
    decoded: NDArray[np.uint8],
    probabilities: NDArray[np.float32],
    regular: NDArray[np.bool_],
) -> Findings:
    """Find what to buy.

    Args:
        original, decoded: (H, W, 3).
        probabilities: (ceil(H / 8), ceil(W / 8), classes), from `detector.detect`.
        regular: (ceil(H / 8), ceil(W / 8)), from `periodicity.regular`.
    """
    error, local = structural_error(original, decoded), contrast(original)
    active = local >= ACTIVE
    wrong = {
        each: _wrong(_grown(probabilities[:, :, each], MARKED[each]), error, active, TOLERANCES[each], limit)
        for each, limit in ((TEXT, None), (FACE, LARGEST_FACE))
    }
    uneven = _wrong(regular, error, active, REGULAR_TOLERANCE)
    marked = wrong[TEXT] | wrong[FACE]
    harm = np.where(active, error * local, 0)
    found = cover(marked | uneven)
    found.sort(key=lambda each: -float(harm[_slices(each)].mean()))
    cells = max(1, int(active.sum()))
    return Findings(
        tuple(found),
        float(wrong[FACE].sum() / max(1, (marked | uneven).sum())),
        float((marked & active).sum() / cells),
        float((regular & active).sum() / cells),
        float((local == 0).mean()),
        np.where((marked | uneven) & active, error, 0),
    )


def _wrong(
    marked: NDArray[np.bool_],
    error: NDArray[np.float32],
    active: NDArray[np.bool_],
    tolerance: float,
    longest: int | None = None,
) -> NDArray[np.bool_]:
    """The marked cells in rectangles that came out wrong; of rectangles with a longer side than a limit, none."""
    wrong = np.zeros(marked.shape, bool)
    for each in cover(marked):
        part = _slices(each)
        small = longest is None or max(each.width, each.height) <= longest
        if small and _mean(error[part], marked[part] & active[part]) > tolerance:
            wrong[part] = marked[part]
    return wrong


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
