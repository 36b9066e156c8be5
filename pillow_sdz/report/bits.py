"""What each position of a scalar payload costs: the prior's own estimate, summed over the channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pillow_sdz.prior_tables import PRECISION, SYMBOLS, tables
from pillow_sdz.scalar_coding import symbols

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
    bits = np.zeros((values.shape[0] * values.shape[1], values.shape[2]))
    frequency = tables().frequency
    for each in symbols(values, step, prior):
        cost = PRECISION - np.log2(frequency[SYMBOLS * each.table + each.symbol])
        bits[each.positions, each.channels] = cost + ESCAPED_BITS * each.escaped
    return bits.reshape(values.shape)
