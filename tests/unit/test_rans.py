"""The rANS coder, with one lane and with several."""

from __future__ import annotations

import numpy as np
import pytest

from pillow_sdz.coding.rans import SYMBOLS, AnsDecoder, AnsEncoder
from pillow_sdz.payloads.scalar.tables import UNIFORM, tables


@pytest.mark.parametrize("lanes", [1, 2, 16])
def test_lanes_read_back_any_symbols(lanes: int) -> None:
    rng = np.random.default_rng(lanes)
    batches = []
    encoder = AnsEncoder(lanes, tables())
    for count in (0, 1, 5, 16, 200):
        table = rng.integers(0, UNIFORM + 1, count)
        weights = tables().frequency.reshape(-1, SYMBOLS)[table] / 4096
        symbol = np.array([rng.choice(SYMBOLS, p=row) for row in weights], np.int64)
        encoder.put(table, symbol)
        batches.append((table, symbol))
    data = encoder.finish()
    decoder = AnsDecoder(data, lanes, 222, tables(), field="x")
    for table, symbol in batches:
        np.testing.assert_array_equal(decoder.get(table), symbol)
    decoder.finish()
