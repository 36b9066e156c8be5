"""The palette coder: it is lossless and smaller than raw palettes, and refuses hostile bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_codings import read_palette

from pillow_sdz.errors import SdzFormatError, SdzTruncatedError, SdzVersionError
from pillow_sdz.payloads.palette import palette_coder

if TYPE_CHECKING:
    from numpy.typing import NDArray


def photo_like(entries: int, channels: int = 4, seed: int = 0) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    palette = np.clip(np.rint(rng.normal(128, 40, (entries, channels))), 0, 255).astype(np.uint8)
    return palette_coder.canonical_order(palette, np.zeros((1, 1), np.uint16))[0]


def check(palette: NDArray[np.uint8]) -> int:
    """Round trip; returns the number of the coding."""
    coding, data = palette_coder.encode(palette)
    assert len(data) <= palette.size
    decoded = palette_coder.decode(coding, data, *palette.shape)
    assert decoded.dtype == np.uint8
    assert (decoded == palette).all()
    return coding


@pytest.mark.parametrize("entries", [2, 3, 16, 64, 256, 1000, 4096])
def test_photo_like_palettes(entries: int) -> None:
    assert check(photo_like(entries)) == palette_coder.COMPACT or entries < 16


@pytest.mark.parametrize("channels", [1, 3, 16, 64])
def test_channels(channels: int) -> None:
    check(photo_like(64, channels))


def test_the_order_of_the_entries_costs_nothing() -> None:
    # log2(256!) = 1684 bits = 210 bytes, and the bell curve gives some more
    assert len(palette_coder.encode(photo_like(256))[1]) < 1024 - 210


@pytest.mark.parametrize(("shift", "saved"), [(1, 110), (2, 220), (3, 330), (7, 690)])
def test_rounded_palettes_cost_fewer_bytes(shift: int, saved: int) -> None:
    palette = photo_like(256)
    rounded = ((palette >> shift << shift) + (1 << shift >> 1)).astype(np.uint8)
    check(rounded)
    assert len(palette_coder.encode(rounded)[1]) < len(palette_coder.encode(palette)[1]) - saved


def test_all_equal_entries() -> None:
    for value in (0, 77, 128, 255):
        assert check(np.full((300, 4), value, np.uint8)) == palette_coder.COMPACT


def test_first_entry_of_residuals_stays_first() -> None:
    rng = np.random.default_rng(1)
    palette = np.concatenate([np.full((1, 4), 128), rng.integers(90, 170, (63, 4))]).astype(np.uint8)
    indices = rng.integers(0, 64, (9, 7)).astype(np.uint16)
    ordered, moved = palette_coder.canonical_order(palette, indices, keep_first=True)
    assert (ordered[0] == 128).all()
    assert (ordered[moved] == palette[indices]).all()
    assert moved.dtype == np.uint16
    assert check(ordered) == palette_coder.COMPACT


def test_any_order_is_coded_even_if_only_raw() -> None:
    palette = photo_like(64)[::-1]
    assert check(palette) == palette_coder.RAW


@pytest.mark.slow
@given(
    st.integers(2, 40).flatmap(
        lambda entries: st.lists(
            st.lists(st.integers(0, 255), min_size=3, max_size=3), min_size=entries, max_size=entries
        )
    )
)
@settings(max_examples=100, deadline=None)
def test_any_palette(entries: list[list[int]]) -> None:
    palette = np.array(entries, np.uint8)
    indices = np.arange(len(palette), dtype=np.uint16)[None]
    check(palette)
    for keep in (False, True):
        ordered, moved = palette_coder.canonical_order(palette, indices, keep_first=keep)
        assert (ordered[moved] == palette[indices]).all()
        assert not keep or (ordered[0] == palette[0]).all()
        check(ordered)


@pytest.mark.parametrize(("entries", "channels", "shift"), [(2, 1, 0), (20, 3, 0), (60, 4, 2), (70, 2, 5), (9, 5, 7)])
def test_equals_the_reference_decoder(entries: int, channels: int, shift: int) -> None:
    palette = (photo_like(entries, channels) >> shift << shift | (1 << shift >> 1)).astype(np.uint8)
    for first in (palette, np.concatenate([np.full((1, channels), 128, np.uint8), palette])):
        coding, data = palette_coder.encode(first)
        if coding == palette_coder.COMPACT:
            assert read_palette(data, *first.shape) == first.tolist()
    assert entries < 20 or coding == palette_coder.COMPACT


GOLDEN = (
    "07a47a9a987701c22762aae7cd1a7a6dafb1861d59f5c639d863b5c02f8989965b1dfe14e432d03256e00b45234cb05afeb3"
    "a943879867ae039ae0"
)


def test_golden_bytes() -> None:
    steps = np.arange(20)
    palette = np.stack([steps * 13 % 256, steps * steps * 7 % 256, 255 - steps * 9], 1).astype(np.uint8)
    palette = palette_coder.canonical_order(palette, np.zeros((1, 1), np.uint16))[0]
    coding, data = palette_coder.encode(palette)
    assert (coding, data.hex()) == (1, GOLDEN)
    assert (palette_coder.decode(1, bytes.fromhex(GOLDEN), 20, 3) == palette).all()


def refused_or_valid(data: bytes, entries: int, channels: int) -> bool:
    """Whether the bytes are refused; if they are not, they give a palette of the right shape."""
    try:
        palette = palette_coder.decode(1, data, entries, channels)
    except SdzFormatError as error:
        return error.field == "palette"
    assert palette.shape == (entries, channels)
    assert palette.dtype == np.uint8
    return False


@pytest.mark.slow
def test_every_cut_is_refused() -> None:
    data = palette_coder.encode(photo_like(64))[1]
    refused = [refused_or_valid(data[:length], 64, 4) for length in range(len(data))]
    assert sum(refused) >= 0.98 * len(refused)


@pytest.mark.slow
def test_nearly_every_flipped_bit_is_refused() -> None:
    data = palette_coder.encode(photo_like(64))[1]
    refused = 0
    for bit in range(0, 8 * len(data), 7):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        refused += refused_or_valid(bytes(damaged), 64, 4)
    assert refused >= 0.95 * len(range(0, 8 * len(data), 7))


@given(st.binary(max_size=200), st.integers(2, 50), st.integers(1, 5))
@settings(max_examples=100, deadline=None)
def test_random_bytes(data: bytes, entries: int, channels: int) -> None:
    refused_or_valid(data, entries, channels)


def test_constant_bytes_do_not_loop_for_ever() -> None:
    for data in (b"", b"\0" * 50, b"\xff" * 50):
        refused_or_valid(data, 4096, 64)


def test_raw_lengths_are_checked() -> None:
    assert palette_coder.decode(0, b"\1\2\3\4", 2, 2).tolist() == [[1, 2], [3, 4]]
    with pytest.raises(SdzTruncatedError, match="found 3, expected 4 bytes"):
        palette_coder.decode(0, b"\1\2\3", 2, 2)
    with pytest.raises(SdzFormatError, match="found 5, expected 4 bytes"):
        palette_coder.decode(0, b"\1\2\3\4\5", 2, 2)


def test_unknown_coding() -> None:
    with pytest.raises(SdzVersionError, match="newer"):
        palette_coder.decode(2, b"", 2, 2)
