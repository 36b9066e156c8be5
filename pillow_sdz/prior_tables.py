"""Frequencies of symbols for the scalar payload: logistic distributions of many widths, in whole numbers.

A symbol is the distance of a quantised value from the whole number below the prior's mean. Table ``8 * k + f`` is for a
distribution whose mean lies f eighths above that number and whose scale is 2**(k / 4 - 4) steps. Symbol 0 is the
escape, symbol i stands for the distance i - 1 - R, where R depends on k. All frequencies of a table sum to 4096.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from pillow_sdz.fixed_point import POWERS, powers

if TYPE_CHECKING:
    from numpy.typing import NDArray

PRECISION: Final = 12
"""Frequencies sum to 2**12."""

SCALES: Final = 36
"""Widths: from 2**-4 to 2**4.75 steps, four an octave."""

FRACTIONS: Final = 8
"""Places of the mean between two whole numbers."""

SYMBOLS: Final = 64
"""Most symbols of a table."""

EVEN: Final = SCALES * FRACTIONS
"""Number of the table whose 64 symbols are equally likely, for the digits of escaped values."""

ESCAPE: Final = 0

_WIDEST: Final = 31
_NARROW: Final = 2560
"""Distances whose tail has less than 2**-10 of the probability are not worth a symbol of their own."""

_LOG2_E: Final = 24204406
"""256 * log2(e), in 65536ths."""


@dataclass(frozen=True)
class Tables:
    """All tables, row by row.

    Attributes:
        frequency, start: (289 * 64,) int64, of symbol s of table t at 64 * t + s.
        slots: 289 * 4096 bytes, the symbol at each place of the cumulative frequencies.
        reach: (36,), R for each width.
    """

    frequency: NDArray[np.int64]
    start: NDArray[np.int64]
    slots: bytes
    reach: NDArray[np.int64]


def _exponent(eighths: NDArray[np.int64], scale: int) -> NDArray[np.int64]:
    """256 * log2 of e to the power |eighths| / 8 / scale."""
    inverse = int(powers()[64 * scale])
    result: NDArray[np.int64] = (np.abs(eighths) * (_LOG2_E * inverse >> 20)) >> 15
    return result


def _below(eighths: NDArray[np.int64], scale: int) -> NDArray[np.int64]:
    """The logistic distribution function at ``eighths`` eighths of a step, in 2**-24ths."""
    exponent = _exponent(eighths, scale)
    power = np.where(exponent < POWERS, powers()[np.minimum(exponent, POWERS - 1)], 0).astype(np.int64)
    tail = (power << 24) // ((1 << 20) + power)
    return np.where(eighths < 0, tail, (1 << 24) - tail)


@cache
def tables() -> Tables:
    """Build the tables, in some milliseconds; later calls return the same object."""
    frequency = np.zeros((EVEN + 1, SYMBOLS), np.int64)
    frequency[EVEN] = (1 << PRECISION) // SYMBOLS
    reach = np.zeros(SCALES, np.int64)
    halves = 8 * np.arange(_WIDEST + 1, dtype=np.int64) + 4
    for scale in range(SCALES):
        inside = np.flatnonzero(_exponent(halves, scale) >= _NARROW)
        reach[scale] = r = min(_WIDEST, 1 + int(inside[0])) if len(inside) else _WIDEST
        edges = 8 * np.arange(-r, r + 2, dtype=np.int64) - 4
        for fraction in range(FRACTIONS):
            mass = np.diff(_below(edges - fraction, scale))
            mass = np.concatenate([[(1 << 24) - int(mass.sum())], mass])
            counts = 1 + (mass * ((1 << PRECISION) - len(mass)) >> 24)
            counts[counts.argmax()] += (1 << PRECISION) - int(counts.sum())
            frequency[FRACTIONS * scale + fraction, : len(mass)] = counts
    start = np.cumsum(frequency, 1) - frequency
    symbols = np.tile(np.arange(SYMBOLS, dtype=np.uint8), EVEN + 1)
    return Tables(frequency.ravel(), start.ravel(), np.repeat(symbols, frequency.ravel()).tobytes(), reach)
