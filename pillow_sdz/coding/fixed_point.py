"""Logarithms and powers of two in whole numbers, for the coders that must agree on every machine."""

from __future__ import annotations

from functools import cache
from math import isqrt
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

POWER_BITS: Final = 20
POWERS: Final = 5120
"""`powers` has this many entries: 20 octaves."""

_DOUBLINGS: Final = 1 << np.arange(13, 31, dtype=np.int32)


@cache
def logarithms() -> NDArray[np.int32]:
    """The largest n with 2**(n / 256) <= x, for x = 0 .. 8191 (0 for x = 0), found bit by bit by squaring.

    >>> [int(logarithms()[x]) for x in (1, 2, 3, 4096)]
    [0, 256, 405, 3072]
    """
    result = np.zeros(8192, np.int64)
    mantissa = np.arange(8192, dtype=np.int64)
    mantissa[0] = 1 << 30
    for bits in range(13):
        result[1 << bits : 2 << bits] = bits
        mantissa[1 << bits : 2 << bits] <<= 30 - bits
    for _ in range(8):
        mantissa = mantissa * mantissa >> 30
        carry = mantissa >> 31
        mantissa >>= carry
        result = 2 * result + carry
    return _constant(result)


@cache
def powers() -> NDArray[np.int32]:
    """2**(20 - d / 256), rounded down, for d = 0 .. 5119.

    >>> [int(powers()[d]) for d in (0, 128, 256, 5119)]
    [1048576, 741455, 524288, 1]
    """
    # 2**(5120 - d) under 256-th roots; eight square roots of a number with 200 more bits keep every bit of the result
    root = 1 << 200
    step = isqrt(1 << 399)  # 2**(-1/2) in 2**200ths
    for _ in range(7):
        step = isqrt(step << 200)
    fractions = [root]
    for _ in range(255):
        fractions.append(fractions[-1] * step >> 200)
    return _constant(np.array([fractions[d % 256] >> (200 - POWER_BITS + d // 256) for d in range(POWERS)], np.int64))


def logarithm(numbers: NDArray[np.int32]) -> NDArray[np.int32]:
    """256 * log2 of numbers from 1 to 2**31 - 1: `logarithms` of the number or of its 13 leading bits.

    >>> logarithm(np.array([1, 8191, 8192, 1 << 30], np.int32)).tolist()
    [0, 3327, 3328, 7680]
    """
    shift = _DOUBLINGS.searchsorted(numbers, side="right")
    result: NDArray[Any] = logarithms().take(numbers >> shift) + (shift << 8)
    return result.astype(np.int32)


def _constant(values: NDArray[np.int64]) -> NDArray[np.int32]:
    result = values.astype(np.int32)
    result.setflags(write=False)
    return result
