"""The frequency tables of scalar payloads."""

from __future__ import annotations

import numpy as np
import pytest

from pillow_sdz.coding.rans import PRECISION, SYMBOLS
from pillow_sdz.payloads.scalar.tables import UNIFORM, tables


def test_tables_sum_and_peak_in_the_middle() -> None:
    frequency = tables().frequency.reshape(-1, SYMBOLS)
    assert (frequency.sum(1) == 1 << PRECISION).all()
    assert len(tables().slots) == (UNIFORM + 1) << PRECISION
    for scale, reach in enumerate(tables().reach):
        used = frequency[scale, : 2 * reach + 2]
        assert (used > 0).all()
        assert not frequency[scale, 2 * reach + 2 :].any()
        if scale < 20:  # above, neighbouring frequencies are equal after rounding
            assert used[1:].argmax() == reach
            assert np.abs(used[1:] - used[:0:-1]).max() <= 1


@pytest.mark.parametrize("scale", [0, 8, 16, 24, 30])
def test_tables_are_logistic(scale: int) -> None:
    reach = int(tables().reach[scale])
    found = tables().frequency.reshape(-1, SYMBOLS)[scale, 1 : 2 * reach + 2] / 4096
    edges = (np.arange(-reach, reach + 2) - 0.5) / 2 ** (scale / 4 - 4)
    expected = np.diff(1 / (1 + np.exp(-edges)))
    np.testing.assert_allclose(found, expected, atol=0.012)
