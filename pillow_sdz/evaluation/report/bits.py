"""What a scalar payload stores for each value of the latent, and what that costs by the prior's own estimate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pillow_sdz.payloads.scalar.coder import symbols
from pillow_sdz.payloads.scalar.tables import PRECISION, SYMBOLS, tables

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pillow_sdz.payloads.scalar.prior import Prior

ESCAPED_BITS: Final = 18
"""Three digits of six bits follow an escape."""


def values_and_bits(
    targets: NDArray[np.float32], step: int, prior: Prior
) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """Steps from the prior's mean to each value, and their information content in bits: what the coder spends on them.

    Args:
        targets: codes less 128, not rounded, (h, w, C).
        step: in sixteenths of a code, 16 to 2048.
        prior: the model's.

    Returns:
        Whole numbers of steps and bits, (h, w, C) each.
    """
    values, bits = np.zeros(targets.shape, np.int16), np.zeros(targets.shape)
    flat_values, flat_bits = (array.reshape(-1, targets.shape[2]) for array in (values, bits))
    frequency = tables().frequency
    for each in symbols(targets, step, prior):
        cost = PRECISION - np.log2(frequency[SYMBOLS * each.table + each.symbol])
        flat_values[each.place] = each.value
        flat_bits[each.place] = cost + ESCAPED_BITS * each.escaped
    return values, bits
