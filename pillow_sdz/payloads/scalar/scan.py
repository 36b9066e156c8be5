"""The scan of a scalar payload: the passes in which latent positions are coded, from a coarse grid to ever finer ones.

Each pass refines the grid: it codes the positions midway between those of earlier passes (the middles of squares first,
then the middles of edges), so that every position has decoded neighbours on all sides, and all positions of one pass
are independent of each other. The passes, by stride, at the corner of a latent (0 is every 16th position)::

    0 8 6 8 4 ...      even numbers: middles of edges    (neighbours: up, left, right, down)
    8 7 8 7 8          odd numbers: middles of squares   (neighbours: the four diagonal ones)
    6 8 5 8 6
    8 7 8 7 8
    4 8 6 8 3
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

COARSEST: Final = 16
"""Distance of the positions of pass 0, which has no neighbours to predict from."""

STRIDES: Final = (8, 4, 2, 1)

NEIGHBOURS: Final = 12

DIAGONAL: Final = (
    (-1, -1), (-1, 1), (1, -1), (1, 1), (-1, -3), (-1, 3), (1, -3), (1, 3), (-3, -1), (-3, 1), (3, -1), (3, 1),
)  # fmt: skip
"""Neighbours (row, column), in strides, of the middle of a square of the grid of double stride: nearest four first."""

STRAIGHT: Final = (
    (-1, 0), (0, -1), (0, 1), (1, 0), (-1, -2), (-1, 2), (1, -2), (1, 2), (-2, -1), (-2, 1), (2, -1), (2, 1),
)  # fmt: skip
"""Neighbours of the middle of an edge, once the middles of squares are decoded: nearest four first."""

NETWORKS: Final = 6
"""Networks of a prior: for stride 4 and more, stride 2 and stride 1, each for middles of squares and of edges."""


MAX_CACHED: Final = 1 << 16
"""Latents of more positions have their passes computed anew each time: they take 104 bytes a position, and less time
than the coding."""


@dataclass(frozen=True)
class Pass:
    """One pass.

    Attributes:
        network: which network of the prior predicts it, 0 to 5, or None in pass 0.
        positions: (n,), row * width + column, rising.
        neighbours: (n, 12), positions of decoded neighbours; one outside of the latent is replaced by the one opposite,
            and where that is outside too by height * width.
    """

    network: int | None
    positions: NDArray[np.intp]
    neighbours: NDArray[np.intp]


def scan(height: int, width: int) -> tuple[Pass, ...]:
    """The passes over a latent of ``height`` x ``width`` positions, without empty ones.

    >>> [len(each.positions) for each in scan(2, 3)]
    [1, 1, 1, 3]
    """
    return (_cached_passes if height * width <= MAX_CACHED else _passes)(height, width)


def _passes(height: int, width: int) -> tuple[Pass, ...]:
    rows, columns = np.divmod(np.arange(height * width), width)
    found = [_pass(None, (rows % COARSEST == 0) & (columns % COARSEST == 0), rows, columns, 0, (), height, width)]
    for stride in STRIDES:
        y, x = rows % (2 * stride), columns % (2 * stride)
        level = 2 * (stride == 2) + 4 * (stride == 1)
        straight = ((y == stride) & (x == 0)) | ((y == 0) & (x == stride))
        for kind, chosen, offsets in ((0, (y == stride) & (x == stride), DIAGONAL), (1, straight, STRAIGHT)):
            found.append(_pass(level + kind, chosen, rows, columns, stride, offsets, height, width))
    return tuple(each for each in found if len(each.positions))


_cached_passes = lru_cache(maxsize=8)(_passes)


def _pass(
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
