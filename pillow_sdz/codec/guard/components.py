"""Connected components of marked cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def components(mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Number the connected components of a mask; cells that touch at a corner are connected.

    Runs of marked cells in a row are joined with those that they touch in the row above (union-find).

    Args:
        mask: (h, w).

    Returns:
        (h, w), from 1 in the order of their first cells; 0 where nothing is marked.

    >>> components(np.array([[1, 0, 1], [1, 0, 0], [0, 0, 1]], bool)).tolist()
    [[1, 0, 2], [1, 0, 0], [0, 0, 3]]
    """
    height, width = mask.shape
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    ends = np.nonzero(edges == -1)[1]
    parents = list(range(len(starts)))

    def root(run: int) -> int:
        while parents[run] != run:
            parents[run] = parents[parents[run]]
            run = parents[run]
        return run

    first = np.searchsorted(rows, np.arange(height + 1))
    for row in range(1, height):
        above, last_above = int(first[row - 1]), int(first[row])
        for run in range(int(first[row]), int(first[row + 1])):
            while above < last_above and ends[above] < starts[run]:
                above += 1
            each = above
            while each < last_above and starts[each] <= ends[run]:
                one, other = root(each), root(run)
                parents[max(one, other)] = min(one, other)
                each += 1
    numbers = np.unique([root(run) for run in range(len(parents))], return_inverse=True)[1] + 1
    labels = np.zeros((height, width), np.intp)
    labels[mask] = np.repeat(numbers, ends - starts)
    return labels
