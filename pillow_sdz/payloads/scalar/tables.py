"""Frequencies of symbols for the scalar payload: logistic distributions of many widths, in whole numbers.

A symbol stands for a level: the whole steps from the prior's mean to a value. Table k is for a logistic distribution
around that mean whose scale is 2**(k / 4 - 4) steps. Symbol 0 is the escape, symbol i the level i - 1 - R, where the
reach R depends on k. The frequencies of a table sum to 4096.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from pillow_sdz.coding.fixed_point import POWERS, powers
from pillow_sdz.coding.rans import PRECISION, SYMBOLS, FrequencyTables

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCALES: Final = 36
"""Widths: from 2**-4 to 2**4.75 steps, four an octave."""

EVEN: Final = SCALES
"""Number of the table whose 64 symbols are equally likely, for the digits of escaped values."""

ESCAPE: Final = 0

_WIDEST: Final = 31
_NARROW: Final = 2560
"""Distances whose tail has less than 2**-10 of the probability are not worth a symbol of their own."""

_LOG2_E: Final = 24204406
"""256 * log2(e), in 65536ths."""


@dataclass(frozen=True)
class Tables(FrequencyTables):
    """All 37 tables.

    Attributes:
        reach: (36,), R of each table but the even one.
    """

    reach: NDArray[np.int64]


def _exponent(halves: NDArray[np.int64], scale: int) -> NDArray[np.int64]:
    """256 * log2(e) * |halves| / 2 over the scale of table ``scale`` in steps."""
    inverse = int(powers()[64 * scale])
    result: NDArray[np.int64] = (np.abs(halves) * (_LOG2_E * inverse >> 20)) >> 13
    return result


def _below(halves: NDArray[np.int64], scale: int) -> NDArray[np.int64]:
    """The logistic distribution function at ``halves`` half steps from the mean, in 2**-24ths."""
    exponent = _exponent(halves, scale)
    power = np.where(exponent < POWERS, powers()[np.minimum(exponent, POWERS - 1)], 0).astype(np.int64)
    tail = (power << 24) // ((1 << 20) + power)
    return np.where(halves < 0, tail, (1 << 24) - tail)


@cache
def tables() -> Tables:
    """Build the tables, in some milliseconds; later calls return the same object."""
    frequency = np.zeros((EVEN + 1, SYMBOLS), np.int64)
    frequency[EVEN] = (1 << PRECISION) // SYMBOLS
    reach = np.zeros(SCALES, np.int64)
    halves = 2 * np.arange(_WIDEST + 1, dtype=np.int64) + 1
    for scale in range(SCALES):
        inside = np.flatnonzero(_exponent(halves, scale) >= _NARROW)
        reach[scale] = r = min(_WIDEST, 1 + int(inside[0])) if len(inside) else _WIDEST
        mass = np.diff(_below(2 * np.arange(-r, r + 2, dtype=np.int64) - 1, scale))
        mass = np.concatenate([[(1 << 24) - int(mass.sum())], mass])
        counts = 1 + (mass * ((1 << PRECISION) - len(mass)) >> 24)
        counts[r + 1] += (1 << PRECISION) - int(counts.sum())
        frequency[scale, : len(mass)] = counts
    start = np.cumsum(frequency, 1) - frequency
    symbols = np.tile(np.arange(SYMBOLS, dtype=np.uint8), EVEN + 1)
    return Tables(frequency.ravel(), start.ravel(), np.repeat(symbols, frequency.ravel()).tobytes(), reach)
