"""The scan of a scalar payload: the passes in which latent positions are coded, from a coarse grid to ever finer ones.

Pass 0 codes every 16th position along each axis. Then each stride (8, 4, 2, 1) has two passes, which code the positions
midway between known ones: a diagonal pass the centres of squares, then a straight pass the middles of edges. So every
position has decoded neighbours on all sides, and the positions of one pass do not depend on each other. The pass of
each position at the upper left corner of a latent::

    0 8 6 8 4 ...      odd: diagonal pass    (nearest neighbours: the four diagonal ones)
    8 7 8 7 8          even: straight pass   (nearest neighbours: above, left, right, below)
    6 8 5 8 6
    8 7 8 7 8
    4 8 6 8 3
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

COARSEST: Final = 16
"""Distance of the positions of pass 0, whose predictions use no neighbours."""

STRIDES: Final = (8, 4, 2, 1)
"""Strides of the passes after pass 0: half the distance of the grid that a stride refines."""

NEIGHBOUR_COUNT: Final = 12
"""Neighbours that a prediction uses."""

DIAGONAL: Final = (
    (-1, -1), (-1, 1), (1, -1), (1, 1), (-1, -3), (-1, 3), (1, -3), (1, 3), (-3, -1), (-3, 1), (3, -1), (3, 1),
)  # fmt: skip
"""(row, column) offsets, in strides, of the neighbours in a diagonal pass; the nearest four first."""

STRAIGHT: Final = (
    (-1, 0), (0, -1), (0, 1), (1, 0), (-1, -2), (-1, 2), (1, -2), (1, 2), (-2, -1), (-2, 1), (2, -1), (2, 1),
)  # fmt: skip
"""(row, column) offsets, in strides, of the neighbours in a straight pass; the nearest four first."""

NETWORKS: Final = 6
"""Networks of a prior: a diagonal and a straight one for strides 8 and 4, for stride 2, and for stride 1."""

MAX_CACHED: Final = 1 << 16
"""Most positions of a latent whose passes are cached: they take 104 bytes a position. For larger latents they are
computed again each time, which takes less time than coding."""

LAST_PASSES: Final = (4, 6, 7, 8)
"""The last pass of each layer. After layer 1 all positions of stride 4 are known, after layer 2 those of stride 2."""


@dataclass(frozen=True)
class Pass:
    """One pass of the scan.

    Attributes:
        number: 0 to 8.
        network: number of the prior's network that predicts it, 0 to 5; None in pass 0.
        positions: (n,), row * width + column, in raster order.
        neighbours: (n, 12), positions of the neighbours, all decoded. A neighbour outside the latent is replaced by the
            one on the opposite side, and if that is outside too, by height * width.
    """

    number: int
    network: int | None
    positions: NDArray[np.intp]
    neighbours: NDArray[np.intp]


def scan(height: int, width: int, finest: int = 1) -> Iterable[Pass]:
    """The passes over a latent, without empty ones, or over a coarse grid of it.

    A grid has the positions whose row and column are multiples of ``finest``. The passes up to that stride code just
    these, and their neighbours are among them, so the grid is scanned like a latent of its size.

    Args:
        height: rows of the latent or grid.
        width: its columns.
        finest: stride of the last passes, 1, 2, 4 or 8; 1 for the whole latent.

    >>> [len(scan_pass.positions) for scan_pass in scan(2, 3)]
    [1, 1, 1, 3]
    """
    return _cached_passes(height, width, finest) if height * width <= MAX_CACHED else _passes(height, width, finest)


def by_layer(passes: Iterable[Pass], count: int) -> Iterator[tuple[int, Iterator[Pass]]]:
    """Group passes by the layer that holds them: number of the layer, from 0, and its passes.

    Args:
        passes: of a scan.
        count: layers of the file, 1 to 4; the last one holds all passes that are left.
    """
    return groupby(passes, lambda each: min(bisect_left(LAST_PASSES, each.number), count - 1))


def _passes(height: int, width: int, finest: int) -> Iterator[Pass]:
    rows, columns = np.divmod(np.arange(height * width), width)
    coarsest = COARSEST // finest
    members = (rows % coarsest == 0) & (columns % coarsest == 0)
    yield _pass(0, None, members, rows, columns, 0, (), height, width)
    for number, stride in enumerate(STRIDES):
        if stride < finest:
            break
        own = stride // finest  # in positions of the grid
        y, x = rows % (2 * own), columns % (2 * own)
        first_network = 2 * (stride == 2) + 4 * (stride == 1)
        diagonal = (y == own) & (x == own)
        straight = ((y == own) & (x == 0)) | ((y == 0) & (x == own))
        for kind, members, offsets in ((0, diagonal, DIAGONAL), (1, straight, STRAIGHT)):
            if members.any():
                yield _pass(
                    2 * number + 1 + kind, first_network + kind, members, rows, columns, own, offsets, height, width
                )


@lru_cache(maxsize=8)
def _cached_passes(height: int, width: int, finest: int) -> tuple[Pass, ...]:
    return tuple(_passes(height, width, finest))


def _pass(
    number: int, network: int | None, members: NDArray[np.bool_], rows: NDArray[np.intp], columns: NDArray[np.intp],
    stride: int, offsets: tuple[tuple[int, int], ...], height: int, width: int,
) -> Pass:  # fmt: skip
    """The pass over the positions where ``members`` (h * w,) is true."""
    positions = np.flatnonzero(members)
    shift = stride * np.array(offsets, np.intp).reshape(-1, 2)
    neighbours = positions[:, None] + (shift[:, 0] * width + shift[:, 1])
    # only near the edges of the latent can a neighbour be outside
    row, column, reach = rows[positions], columns[positions], int(np.abs(shift).max(initial=0))
    edge = np.flatnonzero((row < reach) | (row >= height - reach) | (column < reach) | (column >= width - reach))
    row, column = row[edge, None], column[edge, None]
    at_offset, opposite = ((row + sign * shift[:, 0], column + sign * shift[:, 1]) for sign in (1, -1))
    found, replacements = (
        np.where((y >= 0) & (y < height) & (x >= 0) & (x < width), y * width + x, height * width)
        for y, x in (at_offset, opposite)
    )
    neighbours[edge] = np.where(found == height * width, replacements, found)
    return Pass(number, network, positions, neighbours)
