"""What each position of a scalar payload costs: the prior's own estimate, summed over the channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pillow_sdz.prior_tables import ESCAPE, FRACTIONS, PRECISION, SYMBOLS, tables
from pillow_sdz.scalar_coding import Walk, centred

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pillow_sdz.prior import Prior

ESCAPED_BITS: Final = 18
"""Three digits of six bits follow an escape."""


def bits_of_values(values: NDArray[np.int16], step: int, prior: Prior) -> NDArray[np.float64]:
    """Information content of each value under the prior, in bits: what the coder spends, but for rounding.

    Args:
        values: multiples of the step, (h, w, C).
        step: in sixteenths of a code, 16 to 2048.
        prior: the model's.

    Returns:
        (h, w, C).
    """
    height, width, channels_in_all = values.shape
    walk = Walk((height, width, channels_in_all), step, prior)
    flat = values.reshape(-1, channels_in_all).astype(np.int64)
    walk.known[:-1] = centred(flat, step)
    bits = np.zeros(flat.shape)
    frequency, reach = tables().frequency, tables().reach
    for each, channels, base, table in walk.batches():
        bound = reach[table // FRACTIONS]
        distance = flat[each.positions, channels] - base
        escaped = np.abs(distance) > bound
        symbol = np.where(escaped, ESCAPE, distance + bound + 1)
        cost = PRECISION - np.log2(frequency[SYMBOLS * table + symbol])
        bits[each.positions, channels] = cost + ESCAPED_BITS * escaped
    return bits.reshape(values.shape)
