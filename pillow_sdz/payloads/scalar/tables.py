"""Frequency tables of the scalar payload: discretised logistic distributions of 36 scales, in integer arithmetic.

Table k is for levels (prediction residuals in steps) with a logistic distribution around 0 whose scale is
2**(k / 4 - 4) steps. Symbol 0 is the escape; symbol i stands for level i - 1 - R. The reach R, the largest level with a
symbol of its own, depends on k. The frequencies of a table add up to 4096. See `spec/sdz.md` (Frequency tables).
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
"""Number of scales: from 2**-4 to 2**4.75 steps, four an octave."""

UNIFORM: Final = SCALES
"""Number of the uniform table, whose 64 symbols are the digits of escape codes."""

ESCAPE: Final = 0
"""The escape symbol."""

_MAX_REACH: Final = 31
"""Largest reach: with the escape, 64 symbols in all."""

_TAIL: Final = 2560
"""10 octaves in 256ths. Levels beyond the distance at which a tail has 2**-10 of the probability have no symbol."""

_LOG2_E: Final = 24204406
"""256 * log2(e), in 65536ths."""


@dataclass(frozen=True)
class Tables(FrequencyTables):
    """All 37 tables.

    Attributes:
        reach: (36,), R of each table but the uniform one.
    """

    reach: NDArray[np.int64]


def _exponent(half_steps: NDArray[np.int64], scale: int) -> NDArray[np.int64]:
    """256 * log2(e) * |x| / s for x = ``half_steps`` / 2 and s = 2**(``scale`` / 4 - 4), both in steps."""
    inverse = int(powers()[64 * scale])
    result: NDArray[np.int64] = (np.abs(half_steps) * (_LOG2_E * inverse >> 20)) >> 13
    return result


def _cumulative(half_steps: NDArray[np.int64], scale: int) -> NDArray[np.int64]:
    """The cumulative distribution function, scaled to 2**24, at a distance from the mean in half steps."""
    exponent = _exponent(half_steps, scale)
    power = np.where(exponent < POWERS, powers()[np.minimum(exponent, POWERS - 1)], 0).astype(np.int64)
    tail = (power << 24) // ((1 << 20) + power)
    return np.where(half_steps < 0, tail, (1 << 24) - tail)


@cache
def tables() -> Tables:
    """The tables of the format; built by the first call, in some milliseconds."""
    frequency = np.zeros((UNIFORM + 1, SYMBOLS), np.int64)
    frequency[UNIFORM] = (1 << PRECISION) // SYMBOLS
    reach = np.zeros(SCALES, np.int64)
    half_steps = 2 * np.arange(_MAX_REACH + 1, dtype=np.int64) + 1
    for scale in range(SCALES):
        in_tail = np.flatnonzero(_exponent(half_steps, scale) >= _TAIL)
        reach[scale] = r = min(_MAX_REACH, 1 + int(in_tail[0])) if len(in_tail) else _MAX_REACH
        mass = np.diff(_cumulative(2 * np.arange(-r, r + 2, dtype=np.int64) - 1, scale))
        mass = np.concatenate([[(1 << 24) - int(mass.sum())], mass])
        counts = 1 + (mass * ((1 << PRECISION) - len(mass)) >> 24)
        counts[r + 1] += (1 << PRECISION) - int(counts.sum())
        frequency[scale, : len(mass)] = counts
    start = np.cumsum(frequency, 1) - frequency
    symbols = np.tile(np.arange(SYMBOLS, dtype=np.uint8), UNIFORM + 1)
    return Tables(frequency.ravel(), start.ravel(), np.repeat(symbols, frequency.ravel()).tobytes(), reach)
