"""Where a decoded picture fails in a way that matters: wrong lettering, small faces, regular structure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from pillow_sdz.codec.guard.components import components
from pillow_sdz.codec.guard.detector import FACE, LATTICE, TEXT
from pillow_sdz.codec.guard.failure import contrast, structural_error
from pillow_sdz.codec.guard.rectangles import cover
from pillow_sdz.container.patches import Rectangle

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

MARKED: Final = {TEXT: 0.85, FACE: 0.5, LATTICE: 0.6}
"""Probability from which on a cell is marked, by class of the detector. Hardly any lettering has no cell of 0.85, and
most of what is taken for lettering has none."""

CERTAIN: Final = {TEXT: 0.99, FACE: 0.9}
"""Probability in one cell from which on a region is what it was marked as. Of lettering rendered on held-out photos,
93 % of the regions have such a cell; of what the detector takes for lettering in those photos, 7 %. Of what it takes
for faces in photos without any, 13 % have one."""

BESIDE: Final = 0.2
"""Probability from which on a cell near a marked one is marked, too: the ends of words, the edges of faces."""

GROWTH: Final = 4
"""How many cells away from a marked one."""

TOLERANCES: Final = {TEXT: 0.06, FACE: 0.08, LATTICE: 0.25}
"""Structural error, in the mean over the active cells of a connected region, up to which each class is left as it is.
Lattices may be out of step by a little without anybody's noticing."""

LARGEST_FACE: Final = 6
"""Side in cells of the largest square in a face that is patched. The model paints larger ones better than a few bytes
can."""

ACTIVE: Final = 4.0
"""Contrast in levels from which on a cell counts: noise and blank paper have less."""

WORTH_IT: Final = 0.75
"""A patch must bring the structural error down to this share."""

MOST_IN_DOUBT: Final = 24
"""How many doubtful regions are asked about; others, which do less harm, are left as they are."""

WORTH_IT_IN_DOUBT: Final = 0.9
"""A patch of a doubtful region must bring the distance of features down to this share, too. Foliage, water and other
texture that was taken for lettering or a lattice gets worse by it when it is blurred."""


@dataclass(frozen=True)
class Findings:
    """What the guard found.

    Attributes:
        regions: (ceil(H / 8), ceil(W / 8)), numbers of connected regions to buy; 0 where there is nothing to buy.
        order: the numbers of the regions that are left, the most harmful per cell first.
        doubtful: the numbers of the regions that may be something else than what they were marked as.
        error: structural error of each cell, (ceil(H / 8), ceil(W / 8)); 0 where there is nothing to see.
        face_cells: (ceil(H / 8), ceil(W / 8)), which cells are small faces that came out wrong.
        wrong: share of the active cells that came out wrong and are lettering or small faces, 0 to 1.
        regular: share of the active cells whose spectrum is that of regular structure, wrong or not, 0 to 1.
        lattices: share of those among them that the detector takes for lattices, too.
        flat: share of all cells that are exactly flat, 0 to 1: photos have hardly any, drawings have many.
    """

    regions: NDArray[np.intp]
    order: tuple[int, ...]
    doubtful: frozenset[int]
    error: NDArray[np.float32]
    face_cells: NDArray[np.bool_]
    wrong: float
    regular: float
    lattices: float
    flat: float

    @cached_property
    def faces(self) -> float:
        """Share of the cells of the regions that are left that are faces, 0 to 1."""
        left = np.isin(self.regions, self.order)
        return float((self.face_cells & left).sum() / max(1, left.sum()))

    @cached_property
    def rectangles(self) -> list[Rectangle]:
        """Rectangles that cover the regions that are left."""
        return cover(np.isin(self.regions, self.order))

    def without_the_last_third(self) -> Findings:
        """The same with fewer regions: those that do the least harm are left out."""
        return replace(self, order=self.order[: len(self.order) * 2 // 3])

    def worth_it(self, original: NDArray[np.uint8], patched: NDArray[np.uint8]) -> Findings:
        """The same with those regions alone that patches brought much closer to the original.

        Args:
            original, patched: (H, W, 3).
        """
        shown = np.where(self.error > 0, self.regions, 0).ravel()
        before = np.bincount(shown, self.error.ravel(), self.regions.max() + 1)
        after = np.bincount(shown, structural_error(original, patched).ravel(), self.regions.max() + 1)
        return replace(self, order=tuple(each for each in self.order if after[each] <= WORTH_IT * before[each]))

    def in_doubt(self) -> Findings:
        """The same with the doubtful regions alone."""
        return replace(self, order=tuple(each for each in self.order if each in self.doubtful))

    def looking_closer(self, features: Callable[[Rectangle], float]) -> Findings:
        """The same with those regions alone that patches brought closer to the original by features, too.

        Args:
            features: gives the distance of features from the original with patches, in multiples of that without them,
                in a rectangle of cells. It is asked about `MOST_IN_DOUBT` regions at most.
        """
        asked = self.order[:MOST_IN_DOUBT]
        return replace(self, order=tuple(each for each in asked if features(self._around(each)) <= WORTH_IT_IN_DOUBT))

    def settled(self, accepted: Findings | None = None) -> Findings:
        """The same with nothing in doubt: of the doubtful regions those are left that are in ``accepted``."""
        kept = set() if accepted is None else set(accepted.order)
        order = tuple(each for each in self.order if each not in self.doubtful or each in kept)
        return replace(self, order=order, doubtful=frozenset())

    def _around(self, region: int) -> Rectangle:
        """The smallest rectangle around a region."""
        rows, columns = np.nonzero(self.regions == region)
        top, left = int(rows.min()), int(columns.min())
        return Rectangle(left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top)


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
        regular: (ceil(H / 8), ceil(W / 8)), from `periodicity.regular`. What the detector and the spectrum both find is
            a lattice; what only one of them finds is doubtful: the detector takes waves for lattices, the spectrum some
            forests.
    """
    error, local = structural_error(original, decoded), contrast(original)
    active = local >= ACTIVE
    marked = {each: _grown(probabilities[:, :, each], MARKED[each]) for each in TOLERANCES}
    lattices = marked[LATTICE] & regular
    marked[LATTICE] |= regular
    wrong = {each: _wrong(marked[each], error, active, tolerance) for each, tolerance in TOLERANCES.items()}
    wrong[FACE] = _small(wrong[FACE])
    wrong[TEXT] = _widened(wrong[TEXT])
    certain = wrong[LATTICE] & lattices
    for each, least in CERTAIN.items():
        certain |= _with_a_cell_of(wrong[each], probabilities[:, :, each] >= least)
    regions = components(certain)
    doubtful = components(np.logical_or.reduce(list(wrong.values())) & ~certain)
    first = int(regions.max()) + 1
    regions = np.where(doubtful > 0, doubtful + (first - 1), regions)
    harms = np.bincount(regions.ravel(), np.where(active, error * local, 0).ravel())
    harm = harms / np.maximum(1, np.bincount(regions.ravel()))  # there may be no region 0: all is to be bought
    cells = max(1, int(active.sum()))
    return Findings(
        regions,
        tuple(sorted(range(1, len(harm)), key=lambda each: -float(harm[each]))),
        frozenset(range(first, len(harm))),
        np.where(active, error, 0),
        wrong[FACE],
        float(((wrong[TEXT] | wrong[FACE]) & active).sum() / cells),
        float((regular & active).sum() / cells),
        float((lattices & active).sum() / cells),
        float((local == 0).mean()),
    )


def flat_share(original: NDArray[np.uint8]) -> float:
    """`Findings.flat` of a picture (H, W, 3)."""
    return float((contrast(original) == 0).mean())


def _wrong(
    marked: NDArray[np.bool_], error: NDArray[np.float32], active: NDArray[np.bool_], tolerance: float
) -> NDArray[np.bool_]:
    """The marked cells of connected regions whose active cells have a larger mean error than is tolerated."""
    regions = components(marked)
    shown = np.where(active, regions, 0).ravel()
    count = np.bincount(shown, minlength=regions.max() + 1)
    bad = np.bincount(shown, error.ravel(), regions.max() + 1) > tolerance * count
    bad[0] = False
    return bad[regions]


def _with_a_cell_of(marked: NDArray[np.bool_], cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The marked cells of connected regions that hold one of some cells."""
    regions = components(marked)
    return marked & np.isin(regions, np.unique(regions[cells & marked]))


def _small(marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The marked cells that are in no square of more than `LARGEST_FACE` cells a side (an opening): small faces remain,
    also those of a crowd that touch each other.
    """
    radius = LARGEST_FACE // 2
    middles = ~marked
    for _ in range(radius):
        middles = _widened(np.pad(middles, 1, constant_values=True))[1:-1, 1:-1]
    large = ~middles
    for _ in range(radius):
        large = _widened(large)
    return marked & ~large


def _grown(probabilities: NDArray[np.float32], threshold: float) -> NDArray[np.bool_]:
    """The cells of at least the threshold, and those near them of at least `BESIDE`."""
    marked, beside = probabilities >= threshold, probabilities >= BESIDE
    for _ in range(GROWTH):
        marked = _widened(marked) & beside
    return marked


def _widened(marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The marked cells and their neighbours."""
    wide = np.pad(marked, 1)
    wide = wide[:-2] | wide[1:-1] | wide[2:]
    return wide[:, :-2] | wide[:, 1:-1] | wide[:, 2:]
