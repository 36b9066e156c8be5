"""Nearest palette entry, exactly and fast.

Distances come from a floating-point matrix product (the fastest thing a machine does) of whole numbers small enough
that every intermediate result is exact. So the answer depends neither on the order of summation nor on threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = 1 << 18
"""Multiplications of one matrix product, at most. The distances stay in the cache; and OpenBLAS, which numpy brings,
starts no threads for so little: where all cores are busy, waiting for them took twenty times the work itself."""


def nearest(points: NDArray[Any], entries: NDArray[Any]) -> NDArray[np.uint16]:
    """Return for each point the index of the nearest entry in squared error; of several, the lowest index.

    Args:
        points: (n, C), whole numbers of any integer type.
        entries: (N, C), whole numbers of any type, 1 <= N <= 65536.

    Returns:
        (n,) indices.

    >>> nearest(np.array([[0], [5], [9]], np.uint8), np.array([[1], [9]])).tolist()
    [0, 0, 1]
    """
    count, channels = points.shape
    kind = _exact_kind(points, entries)
    # |x - p|^2 = |x|^2 + (x, 1) . (-2p, |p|^2), and the first term is the same for every entry.
    table: NDArray[Any] = entries.astype(kind)
    table = np.concatenate([-2 * table, np.sum(table * table, axis=1, keepdims=True)], axis=1).T
    indices = np.empty(count, np.uint16)
    rows = max(1, BLOCK // table.size)
    block = np.ones((min(rows, count), channels + 1), kind)
    distances = np.empty((len(block), len(entries)), kind)
    for start in range(0, count, rows):
        size = min(rows, count - start)
        block[:size, :channels] = points[start : start + size]
        np.matmul(block[:size], table, out=distances[:size])
        indices[start : start + size] = distances[:size].argmin(axis=1)
    return indices


def _exact_kind(points: NDArray[Any], entries: NDArray[Any]) -> type[np.float32] | type[np.float64]:
    """The smallest floating-point type that holds every partial sum of the distances exactly."""
    point, entry = (max(abs(int(a.min())), abs(int(a.max()))) if a.size else 0 for a in (points, entries))
    return np.float32 if points.shape[1] * entry * (2 * point + entry) < 1 << 24 else np.float64
