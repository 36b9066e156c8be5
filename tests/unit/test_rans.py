"""The rANS coder, with one lane and with several."""

from __future__ import annotations

import numpy as np
import pytest

from pillow_sdz.coding.rans import SYMBOLS, AnsDecoder, AnsEncoder
from pillow_sdz.errors import SdzFormatError
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
    (data,) = encoder.finish()
    decoder = AnsDecoder(data, lanes, tables(), field="x")
    for table, symbol in batches:
        np.testing.assert_array_equal(decoder.get(table), symbol)
    decoder.finish()


@pytest.mark.parametrize("lanes", [1, 4])
def test_pieces(lanes: int) -> None:
    """A stream in pieces has the bytes of the whole; a cut one gives the symbols that arrived."""
    rng = np.random.default_rng(lanes)
    batches = [(rng.integers(0, UNIFORM, count), rng.integers(1, 4, count)) for count in (40, 30, 20)]
    whole, divided = AnsEncoder(lanes, tables()), AnsEncoder(lanes, tables())
    for number, (table, symbol) in enumerate(batches):
        whole.put(table, symbol)
        if number:
            divided.start_piece()
        divided.put(table, symbol)
    first, second, third = divided.finish()
    assert [first + second + third] == whole.finish()

    decoder = AnsDecoder(first, lanes, tables(), field="x")
    np.testing.assert_array_equal(decoder.get(batches[0][0]), batches[0][1])
    decoder.start_piece(second[:-3], field="y", cut=True)
    arrived = decoder.get(batches[1][0])
    assert 0 < len(arrived) < 30
    np.testing.assert_array_equal(arrived, batches[1][1][: len(arrived)])
    assert len(decoder.get(batches[1][0])) == 0

    decoder = AnsDecoder(first + second, lanes, tables(), field="x")
    decoder.get(batches[0][0])
    with pytest.raises(SdzFormatError, match="x: does not end where its last symbol ends"):
        decoder.start_piece(third, field="y")
    decoder = AnsDecoder(first, lanes, tables(), field="x")
    decoder.get(batches[0][0])
    with pytest.raises(SdzFormatError, match="y: has a length that no encoder gives"):
        decoder.start_piece(second[:-1], field="y")
    with pytest.raises(SdzFormatError, match="ends too early"):
        AnsDecoder(first[: 4 * lanes - 1], lanes, tables(), field="x")
