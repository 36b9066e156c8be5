"""Rate-distortion optimised quantisation for the scalar payload: values that the prior expects are worth a small error.

An encoder's choice: decoders read any values. Floats are allowed here.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from pillow_sdz.prior_tables import ESCAPE, FRACTIONS, PRECISION, SYMBOLS, tables
from pillow_sdz.scalar_coding import LARGEST_VALUE, Walk, centred

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pillow_sdz.prior import Prior

ESCAPED_BITS = 18
"""Bits of the three digits of an escaped value."""


@cache
def _costs() -> NDArray[np.float32]:
    """Bits of symbol s of table t at 64 * t + s."""
    costs: NDArray[Any] = PRECISION - np.log2(np.maximum(tables().frequency, 1))
    costs[ESCAPE::SYMBOLS] += ESCAPED_BITS
    return costs.astype(np.float32)


def search(targets: NDArray[np.float32], step: int, prior: Prior, weight: float) -> NDArray[np.int16]:
    """Quantise to the nearest multiple of the step or to the one next to it on the side of the prior's mean.

    Position after position in coding order, whichever has the smaller squared error (in steps) plus ``weight`` times
    its bits.

    Args:
        targets: (h, w, C), codes less 128.
        step: in sixteenths of a code.
        prior: the model's.
        weight: squared steps a bit is worth. A fine uniform quantiser's own trade is ln(4) / 12 = 0.116.

    Returns:
        Multiples of the step, (h, w, C).
    """
    walk = Walk(targets.shape, step, prior)  # type: ignore[arg-type]
    scaled = (targets * np.float32(16 / step)).reshape(-1, targets.shape[2])
    result = np.empty(scaled.shape, np.int64)
    for each, channels, base, table in walk.batches():
        exact = scaled[each.positions, channels]
        nearest = np.rint(exact).astype(np.int64)
        other = nearest - np.sign(nearest - base)
        costs = [
            np.square(exact - value) + np.float32(weight) * _bits(value - base, table) for value in (nearest, other)
        ]
        chosen = np.clip(np.where(costs[1] < costs[0], other, nearest), 1 - LARGEST_VALUE, LARGEST_VALUE - 1)
        result[each.positions, channels] = chosen
        walk.known[each.positions, channels] = centred(chosen, step)
    return result.reshape(targets.shape).astype(np.int16)


def _bits(distance: NDArray[np.int64], table: NDArray[np.int64]) -> NDArray[np.float32]:
    reach = tables().reach[table // FRACTIONS]
    symbol = np.where(np.abs(distance) > reach, ESCAPE, distance + reach + 1)
    result: NDArray[np.float32] = _costs()[table * SYMBOLS + symbol]
    return result
