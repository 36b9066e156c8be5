"""The range coder alone: any intervals, carries, and the number of bits."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pillow_sdz.coding.range_coder import RangeDecoder, RangeEncoder

POSITIVE = st.integers(1, 2**31 - 1)


@given(st.lists(st.tuples(st.integers(0, 2**31 - 2), POSITIVE, POSITIVE), max_size=60))
@settings(max_examples=100, deadline=None)
def test_any_intervals(raw: list[tuple[int, int, int]]) -> None:
    symbols = []
    for low, more, room in raw:
        high = min(low + more, 2**31 - 1)
        symbols.append((low, high, min(high + room - 1, 2**31 - 1)))
    coder = RangeEncoder()
    for low, high, total in symbols:
        coder.put([low], [high], [total])
    data = coder.finish()
    assert not data.endswith(b"\0")
    reader = RangeDecoder(data, field="x")
    for low, high, total in symbols:
        ends = [low, high, total]
        assert reader.get(ends, 1, 3) == [1]
    reader.finish()
    spent = sum(np.log2(total / (high - low)) for low, high, total in symbols)
    assert 8 * len(data) <= spent + 8 + 17


def test_carries_go_through_full_words() -> None:
    coder = RangeEncoder()
    symbols = [(0, 2**31 - 2, 2**31 - 1)] * 3 + [(2**31 - 2, 2**31 - 1, 2**31 - 1)] * 6 + [(1, 2, 3)] * 40
    for low, high, total in symbols:
        coder.put([low], [high], [total])
    reader = RangeDecoder(coder.finish(), field="x")
    for low, high, total in symbols:
        assert reader.get([low, high, total], 1, 3) == [1]
    reader.finish()
