"""Matrix products of whole numbers in floating point: exact, and without the threads of numpy's BLAS.

Whole numbers below 2**24 are exact in float32, and those below 2**53 in float64. Where no sum can be larger, a product
is the same in whatever order a BLAS adds, and on every computer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNTHREADED: Final = 1 << 17
"""Most multiplications of one product; OpenBLAS starts threads above 2**18."""

EXACT_IN_FLOAT32: Final = 1 << 24
"""Whole numbers up to this one are exact in float32."""


def product(rows: NDArray[Any], weights: NDArray[Any]) -> NDArray[Any]:
    """``rows`` (n, k) @ ``weights`` (k, m), float32 or float64, in blocks that OpenBLAS computes without threads.

    A thread of OpenBLAS goes on to occupy its core for some 25 ms, waiting for more work: torch or another process then
    has one core less. In blocks of this size, OpenBLAS does not copy the matrices before it multiplies them, and is
    faster than with all rows at once.
    """
    block = max(1, UNTHREADED // weights.size)
    whole = len(rows) // block * block  # rows in whole blocks
    result: NDArray[Any] = np.empty((len(rows), weights.shape[1]), rows.dtype)
    np.matmul(
        rows[:whole].reshape(-1, block, rows.shape[1]),
        weights,
        out=result[:whole].reshape(-1, block, weights.shape[1]),
    )
    np.matmul(rows[whole:], weights, out=result[whole:])
    return result
