"""Binary logarithms and powers of two in integer arithmetic, where all encoders and decoders must agree to the bit.

In ``spec/sdz.md`` they are lb(x) and power(d) (Logarithms and powers). A logarithm is in 256ths: 256 is one octave.
"""

from __future__ import annotations

from functools import cache
from math import isqrt
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

POWER_BITS: Final = 20
"""`powers` starts at 2**20."""

POWERS: Final = 5120
"""Entries of `powers`: 20 octaves of 256."""

_BEYOND_TABLE: Final = 1 << np.arange(13, 31, dtype=np.int32)
"""2**13 .. 2**30: a number is shifted right once for each of these that does not exceed it, to fit `logarithms`."""


@cache
def logarithms() -> NDArray[np.int32]:
    """Table of 256 * log2(x), rounded down, for x = 0 .. 8191 (0 for x = 0).

    The eight fraction bits come from squaring the mantissa eight times: it doubles the fraction of the logarithm, and a
    mantissa of 2 or more says that the next bit is 1.

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
        bit = mantissa >> 31
        mantissa >>= bit
        result = 2 * result + bit
    return _read_only(result)


@cache
def powers() -> NDArray[np.int32]:
    """Table of 2**(20 - d / 256), rounded down, for d = 0 .. 5119.

    >>> [int(powers()[d]) for d in (0, 128, 256, 5119)]
    [1048576, 741455, 524288, 1]
    """
    # 200 fraction bits are enough that rounding in between never changes a whole number of the result.
    ratio = isqrt(1 << 399)  # 2**(-1/2)
    for _ in range(7):
        ratio = isqrt(ratio << 200)  # after eight square roots in all: 2**(-1/256)
    fractions = [1 << 200]
    for _ in range(255):
        fractions.append(fractions[-1] * ratio >> 200)
    return _read_only(np.array([fractions[d % 256] >> (200 - POWER_BITS + d // 256) for d in range(POWERS)], np.int64))


def logarithm(numbers: NDArray[np.int32]) -> NDArray[np.int32]:
    """256 * log2 of numbers from 1 to 2**31 - 1, from the 13 leading bits of each: exact, rounded down, below 2**13.

    >>> logarithm(np.array([1, 8191, 8192, 1 << 30], np.int32)).tolist()
    [0, 3327, 3328, 7680]
    """
    shift = _BEYOND_TABLE.searchsorted(numbers, side="right")
    result: NDArray[Any] = logarithms().take(numbers >> shift) + (shift << 8)
    return result.astype(np.int32)


def _read_only(values: NDArray[np.int64]) -> NDArray[np.int32]:
    """A table as int32; read-only, because callers share the cached array."""
    result = values.astype(np.int32)
    result.setflags(write=False)
    return result
