"""Covering marked cells of a picture with few rectangles, by cuts from edge to edge (guillotine cuts)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pillow_sdz.container.patches import Rectangle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

RECTANGLE_COST: Final = 4.0
"""What one more rectangle costs, in cells: its four numbers, and edges at which prediction starts anew."""

SMALLEST_GAIN: Final = 0.05
"""A cut must save this share of the rectangle's cells besides, or `MOST_GAIN` if that is less."""

MOST_GAIN: Final = 8.0
"""See `SMALLEST_GAIN`; in cells."""

SPARSE: Final = 0.5
"""A rectangle of more than `LARGE` cells that is covered to a smaller share is halved, even if no cut saves anything:
each half may have cuts that do."""

LARGE: Final = 1024
"""See `SPARSE`; in cells."""


def cover(mask: NDArray[np.bool_]) -> list[Rectangle]:
    """Cover all marked cells with rectangles that do not overlap.

    A rectangle may hold unmarked cells, too, where cutting them off would cost more than keeping them. It is cut in two
    at the row or column that leaves the smallest bounding boxes of the marked cells on both sides.

    Args:
        mask: (h, w), the cells to cover.

    Returns:
        Rectangles in cells, the tallest first, which wastes the least of a sheet of patches.

    >>> cover(np.array([[1, 1, 0], [0, 0, 0], [0, 0, 0], [0, 0, 1]], bool))
    [Rectangle(x=0, y=0, width=2, height=1), Rectangle(x=2, y=3, width=1, height=1)]
    """
    found = [Rectangle(left, top, right - left, bottom - top) for top, bottom, left, right in _parts(mask)]
    return sorted(found, key=lambda each: (-each.height, -each.width, each.y, each.x))


def _parts(mask: NDArray[np.bool_]) -> Iterator[tuple[int, int, int, int]]:
    """Top, bottom, left and right of each rectangle. Not recursive: a hostile picture could have very deep cuts."""
    pending = [(0, 0, mask)]
    while pending:
        top, left, part = pending.pop()
        rows, columns = np.flatnonzero(part.any(1)), np.flatnonzero(part.any(0))
        if not len(rows):
            continue
        y0, y1, x0, x1 = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
        part, top, left = part[y0:y1, x0:x1], top + int(y0), left + int(x0)
        (saved_rows, row), (saved_columns, column) = _best_cut(part), _best_cut(part.T)
        height, width = part.shape
        if max(saved_rows, saved_columns) <= RECTANGLE_COST + min(SMALLEST_GAIN * part.size, MOST_GAIN):
            if part.size <= LARGE or part.mean() >= SPARSE:
                yield top, top + height, left, left + width
                continue
            row, column = height // 2, width // 2
            saved_rows, saved_columns = height, width
        if saved_rows >= saved_columns:
            pending += [(top, left, part[:row]), (top + row, left, part[row:])]
        else:
            pending += [(top, left, part[:, :column]), (top, left + column, part[:, column:])]


def _best_cut(part: NDArray[np.bool_]) -> tuple[int, int]:
    """How many cells the best cut between two rows saves, and the row below it; (0, 0) if there is no cut."""
    height, width = part.shape
    if height < 2:
        return 0, 0
    above, below = _areas(part)[:-1], _areas(part[::-1])[::-1][1:]
    saved = height * width - above - below
    best = int(saved.argmax())
    return int(saved[best]), best + 1


def _areas(part: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The area of the bounding box of the marked cells in the first 1, 2, .. rows of a mask, (h,)."""
    height, width = part.shape
    seen = np.logical_or.accumulate(part, axis=0)
    places = np.arange(width)
    right = np.where(seen, places + 1, 0).max(1)
    left = np.where(seen, places, width).min(1)
    marked = part.any(1)
    rows = np.arange(height)
    last = np.maximum.accumulate(np.where(marked, rows + 1, 0))
    first = np.where(marked.any(), marked.argmax(), 0)
    areas: NDArray[np.int64] = np.where(right > 0, (right - left) * (last - first), 0)
    return areas
