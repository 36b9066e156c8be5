"""Wavefront traversal of a plane: positions with equal column + 2 * row are independent, and are coded together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

_MARGIN: Final = 2
"""Rows above the plane, and columns on either side of it."""


class WavePlane:
    """A plane of indices, not higher than wide, with margins that hold the values of neighbours outside the plane.

    Before a wave is coded, each of its positions (y, x) has known values in row y up to column x - 1, and in the rows
    above up to column x + 1 or further.

    Args:
        height: rows.
        width: columns, at least as many.
        fill: value of the margins at first; later they repeat values from the border of the plane.
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
        """The plane without its margins, (height, width), a view."""
        return self._padded[_MARGIN:, _MARGIN:-_MARGIN]

    def waves(self, max_positions: int) -> Iterator[tuple[slice, NDArray[np.intp]]]:
        """Traverse the plane; call `store` for each batch before requesting the next.

        Yields:
            For M <= ``max_positions`` positions of one wave, from top to bottom: a slice that stands for them in
            `store` and `get`, and the values of their neighbours, (M, number of neighbours).
        """
        step = self._stride - 2
        origin = _MARGIN * self._stride + _MARGIN
        starts = origin + np.arange(self._height) * step
        for wave in range(self._width + 2 * (self._height - 1)):
            first = max(0, (wave - self._width + 2) // 2)
            last = min(self._height - 1, wave // 2)
            for start in range(first, last + 1, max_positions):
                stop = min(start + max_positions, last + 1)
                positions = slice(origin + wave + start * step, origin + wave + (stop - 1) * step + 1, step)
                yield positions, self._flat[(starts[start:stop] + wave)[:, None] + self._offsets]
            self._extend_margins(first, wave - 2 * first)
            if last != first:
                self._extend_margins(last, wave - 2 * last)

    def store(self, positions: slice, values: NDArray[np.intp]) -> None:
        """Set the values at positions that `waves` gave."""
        self._flat[positions] = values

    def get(self, positions: slice) -> NDArray[np.intp]:
        """The values at positions that `waves` gave."""
        return self._flat[positions]

    def _extend_margins(self, row: int, column: int) -> None:
        """Copy a value at the border of the plane into the margin that is next to it, for positions of later waves."""
        value = self._padded[row + _MARGIN, column + _MARGIN]
        if row == 0:
            self._padded[:_MARGIN, column + _MARGIN + 1 : column + _MARGIN + 3] = value
        if column == 0 and row + 1 < self._height:
            self._padded[row + _MARGIN + 1, :_MARGIN] = value
        if column == self._width - 1:
            self._padded[row + _MARGIN, column + _MARGIN + 1 :] = value
