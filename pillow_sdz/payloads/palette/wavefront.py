"""Wavefront traversal of a plane: positions with equal column + 2 x row are independent, and are coded together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

_MARGIN: Final = 2


class WavePlane:
    """A plane of indices, not higher than wide, with margins in the place of neighbours outside.

    When a wavefront is reached, the rows above are complete up to one column to the right of each of its positions, and
    its own row up to the left neighbour.

    Args:
        height: rows.
        width: columns, at least as many.
        fill: what the margins hold at first.
        neighbours: (row, column) offsets, at most two rows up and two columns to the side.
    """

    def __init__(self, height: int, width: int, fill: int, neighbours: Sequence[tuple[int, int]]) -> None:
        self._height, self._width = height, width
        self._stride = width + 2 * _MARGIN
        self._padded = np.full((height + _MARGIN, self._stride), fill, np.intp)
        self._flat = self._padded.reshape(-1)
        self._offsets = np.array([row * self._stride + column for row, column in neighbours])

    @property
    def values(self) -> NDArray[np.intp]:
        """(height, width) the plane without its margins."""
        return self._padded[_MARGIN:, _MARGIN:-_MARGIN]

    def waves(self, most: int) -> Iterator[tuple[slice, NDArray[np.intp]]]:
        """Traverse the plane; call `store` for each batch before requesting the next.

        Yields:
            Where in the plane up to `most` positions are, from top to bottom, for `store` and `part`; and the values of
            their neighbours, (M, number of neighbours).
        """
        step = self._stride - 2
        origin = _MARGIN * self._stride + _MARGIN
        starts = origin + np.arange(self._height) * step
        for wave in range(self._width + 2 * (self._height - 1)):
            first = max(0, (wave - self._width + 2) // 2)
            last = min(self._height - 1, wave // 2)
            for start in range(first, last + 1, most):
                stop = min(start + most, last + 1)
                where = slice(origin + wave + start * step, origin + wave + (stop - 1) * step + 1, step)
                yield where, self._flat[(starts[start:stop] + wave)[:, None] + self._offsets]
            self._spread(first, wave - 2 * first)
            if last != first:
                self._spread(last, wave - 2 * last)

    def store(self, where: slice, values: NDArray[np.intp]) -> None:
        """Set the values of positions."""
        self._flat[where] = values

    def part(self, where: slice) -> NDArray[np.intp]:
        """The values of positions."""
        return self._flat[where]

    def _spread(self, row: int, column: int) -> None:
        """Copy the value of a position at the border into the margin that will stand beside or above later ones."""
        value = self._padded[row + _MARGIN, column + _MARGIN]
        if row == 0:
            self._padded[:_MARGIN, column + _MARGIN + 1 : column + _MARGIN + 3] = value
        if column == 0 and row + 1 < self._height:
            self._padded[row + _MARGIN + 1, :_MARGIN] = value
        if column == self._width - 1:
            self._padded[row + _MARGIN, column + _MARGIN + 1 :] = value
