"""The order in which a scalar payload codes latent positions: from a coarse grid to ever finer ones.

Each pass fills positions in the middle of others that are known already, so that every position has known neighbours
on all sides, and all positions of one pass can be worked on at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

COARSEST: Final = 16
"""Distance of the positions of pass 0, which knows no neighbours."""

STRIDES: Final = (8, 4, 2, 1)

NEIGHBOURS: Final = 12

DIAGONAL: Final = (
    (-1, -1), (-1, 1), (1, -1), (1, 1), (-1, -3), (-1, 3), (1, -3), (1, 3), (-3, -1), (-3, 1), (3, -1), (3, 1),
)  # fmt: skip
"""Known neighbours (row, column), in strides, of a position in the middle of four of the grid of double stride."""

STRAIGHT: Final = (
    (-1, 0), (0, -1), (0, 1), (1, 0), (-1, -2), (-1, 2), (1, -2), (1, 2), (-2, -1), (-2, 1), (2, -1), (2, 1),
)  # fmt: skip
"""Known neighbours of the positions that are left once the middles are known."""

NETWORKS: Final = 6
"""Networks of a prior: stride 4 and more, stride 2 and stride 1, each for middles and for the rest."""


MOST_KEPT: Final = 1 << 16
"""Passes of larger latents are made anew each time: they take 104 bytes a position, and less time than the coding."""


@dataclass(frozen=True)
class Pass:
    """One pass.

    Attributes:
        network: which network of the prior predicts it, 0 to 5, or None in pass 0.
        positions: (n,), row * width + column, rising.
        neighbours: (n, 12), positions of known neighbours; a neighbour outside the picture is replaced by the one on
            the opposite side, and where that is outside too by height * width.
    """

    network: int | None
    positions: NDArray[np.intp]
    neighbours: NDArray[np.intp]


def passes(height: int, width: int) -> tuple[Pass, ...]:
    """The passes over a latent of ``height`` x ``width`` positions, empty ones left out.

    >>> [len(each.positions) for each in passes(2, 3)]
    [1, 1, 1, 3]
    """
    return (_kept if height * width <= MOST_KEPT else _made)(height, width)


def _made(height: int, width: int) -> tuple[Pass, ...]:
    rows, columns = np.divmod(np.arange(height * width), width)
    found = [_make(None, (rows % COARSEST == 0) & (columns % COARSEST == 0), rows, columns, 0, (), height, width)]
    for stride in STRIDES:
        y, x = rows % (2 * stride), columns % (2 * stride)
        level = 2 * (stride == 2) + 4 * (stride == 1)
        straight = ((y == stride) & (x == 0)) | ((y == 0) & (x == stride))
        for kind, chosen, offsets in ((0, (y == stride) & (x == stride), DIAGONAL), (1, straight, STRAIGHT)):
            found.append(_make(level + kind, chosen, rows, columns, stride, offsets, height, width))
    return tuple(each for each in found if len(each.positions))


_kept = lru_cache(maxsize=8)(_made)


def _make(
    network: int | None, chosen: NDArray[np.bool_], rows: NDArray[np.intp], columns: NDArray[np.intp], stride: int,
    offsets: tuple[tuple[int, int], ...], height: int, width: int,
) -> Pass:  # fmt: skip
    positions = np.flatnonzero(chosen)
    row, column = rows[positions, None], columns[positions, None]
    step = stride * np.array(offsets, np.intp).reshape(-1, 2)
    near, far = ((row + sign * step[:, 0], column + sign * step[:, 1]) for sign in (1, -1))
    at_near, at_far = (
        np.where((y >= 0) & (y < height) & (x >= 0) & (x < width), y * width + x, height * width)
        for y, x in (near, far)
    )
    return Pass(network, positions, np.where(at_near == height * width, at_far, at_near))
