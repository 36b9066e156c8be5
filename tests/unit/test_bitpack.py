"""Packing indices into bits."""

import numpy as np
import pytest

from pillow_sdz.coding import bitpack
from pillow_sdz.coding.bitpack import bits_for, pack, packed_size, unpack


def plain(indices: list[int], bits: int) -> bytes:
    """The definition of packing, with strings of binary digits."""
    digits = "".join(f"{index:0{bits}b}" for index in indices)
    digits += "0" * (-len(digits) % 8)
    return bytes(int(digits[i : i + 8], 2) for i in range(0, len(digits), 8))


@pytest.mark.parametrize("bits", range(1, 13))
@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 64, 1001])
def test_matches_the_definition(bits: int, count: int) -> None:
    indices = np.random.default_rng(bits * 1000 + count).integers(0, 1 << bits, count).astype(np.uint16)
    packed = pack(indices, bits)
    assert packed == plain(indices.tolist(), bits)
    assert len(packed) == packed_size(count, bits)
    unpacked = unpack(packed, count, bits)
    assert unpacked.dtype == np.uint16
    assert unpacked.tolist() == indices.tolist()


@pytest.mark.parametrize("bits", [1, 3, 8, 11])
def test_packing_in_chunks_gives_the_same_bytes(bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    indices = np.random.default_rng(bits).integers(0, 1 << bits, 123).astype(np.uint16)
    whole = pack(indices, bits)
    monkeypatch.setattr(bitpack, "_CHUNK", 16)
    assert pack(indices, bits) == whole
    assert (unpack(whole, 123, bits) == indices).all()


def test_planes_are_packed_row_by_row() -> None:
    plane = np.arange(12, dtype=np.uint16).reshape(3, 4)
    assert pack(plane, 4) == bytes.fromhex("0123456789ab")
    assert pack(plane.T, 4) == bytes.fromhex("04815926a37b")


def test_bits_for_all_palette_sizes() -> None:
    for entries in range(2, 4097):
        bits = bits_for(entries)
        assert 1 << (bits - 1) < entries <= 1 << bits


@pytest.mark.parametrize(("size", "count", "bits"), [(0, 1, 1), (2, 1, 1), (1, 3, 3), (3, 3, 3), (7, 8, 8)])
def test_wrong_number_of_bytes(size: int, count: int, bits: int) -> None:
    with pytest.raises(ValueError, match="bytes instead of"):
        unpack(bytes(size), count, bits)


@pytest.mark.parametrize("bit", range(7))
def test_bits_after_the_last_index_must_be_zero(bit: int) -> None:
    packed = bytes([0xFF, 0x80 | 1 << bit])  # three indices of three bits leave seven
    assert unpack(b"\xff\x80", 3, 3).tolist() == [7, 7, 7]
    with pytest.raises(ValueError, match="not zero"):
        unpack(packed, 3, 3)
