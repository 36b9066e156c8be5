"""The context coder (index coding 2): lossless, small, the same bytes on every platform; it refuses hostile bytes."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_codings import read_indices

from pillow_sdz.errors import SdzFormatError, SdzLimitError
from pillow_sdz.payloads.palette import context_index_coder, context_tables

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Palette = NDArray[np.uint8]
    Indices = NDArray[np.uint16]


def palette_of(entries: int, channels: int = 4, seed: int = 0) -> Palette:
    rng = np.random.default_rng(seed)
    return np.clip(np.rint(rng.normal(128, 40, (entries, channels))), 0, 255).astype(np.uint8)


def photo_like(height: int, width: int, palette: Palette, seed: int = 0) -> Indices:
    """Indices of the entries nearest to smooth noise."""
    rng = np.random.default_rng(seed)
    field = rng.normal(0, 1, (height + 8, width + 8, palette.shape[1]))
    for axis in (0, 1):
        field = np.sum([np.roll(field, step, axis) for step in range(-2, 3)], axis=0)
    field = 128 + 40 * field[4 : 4 + height, 4 : 4 + width] / field.std()
    distances = ((field[:, :, None] - palette.astype(float)) ** 2).sum(-1)
    nearest: Indices = distances.argmin(-1).astype(np.uint16)
    return nearest


def check(indices: Indices, palette: Palette) -> bytes:
    """Round trip; returns the coded bytes."""
    data = context_index_coder.encode(indices, palette)
    decoded = context_index_coder.decode(data, indices.shape, palette)
    assert decoded.dtype == np.uint16
    assert (decoded == indices).all()
    return data


SHAPES = [(1, 1), (1, 2), (2, 1), (1, 9), (9, 1), (2, 2), (2, 3), (3, 2), (7, 5), (5, 31), (33, 17), (64, 64)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("entries", [2, 3, 40])
def test_shapes(shape: tuple[int, int], entries: int) -> None:
    palette = palette_of(entries)
    check(photo_like(*shape, palette), palette)
    check(np.random.default_rng(1).integers(0, entries, shape).astype(np.uint16), palette)
    check(np.full(shape, entries - 1, np.uint16), palette)


@pytest.mark.parametrize("entries", [1024, 1025, 4095, 4096])
def test_large_palettes(entries: int) -> None:
    palette = palette_of(entries)
    indices = np.random.default_rng(2).integers(0, entries, (5, 40)).astype(np.uint16)
    indices[2, :2] = entries - 1, 0
    check(indices, palette)


@pytest.mark.parametrize("channels", [1, 16, 64])
def test_channels(channels: int) -> None:
    palette = palette_of(30, channels)
    check(photo_like(12, 20, palette), palette)


def test_palettes_of_equal_and_of_extreme_entries() -> None:
    indices = np.random.default_rng(3).integers(0, 40, (20, 20)).astype(np.uint16)
    check(indices, np.full((40, 4), 9, np.uint8))
    check(indices, np.repeat(np.array([[0], [255]], np.uint8), 20, axis=0).repeat(64, axis=1))


@pytest.mark.slow
def test_waves_longer_than_one_part() -> None:
    palette = palette_of(1024)
    check(photo_like(70, 140, palette), palette)


def test_smaller_than_deflate_on_smooth_planes() -> None:
    palette = palette_of(64)
    indices = photo_like(64, 64, palette)
    assert len(check(indices, palette)) < 0.8 * len(zlib.compress(indices.astype(np.uint8).tobytes(), 9))


def test_runs_of_zeros_cost_almost_nothing() -> None:
    palette = palette_of(64)
    palette[0] = 128
    assert len(check(np.zeros((64, 64), np.uint16), palette)) <= 8
    indices = np.zeros((64, 64), np.uint16)
    indices[20:24, 30:34] = np.random.default_rng(4).integers(1, 64, (4, 4))
    assert len(check(indices, palette)) < 16 * 6 / 8 + 30


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_any_plane_and_palette(data: st.DataObject) -> None:
    entries = data.draw(st.integers(2, 70))
    height, width = data.draw(st.tuples(st.integers(1, 12), st.integers(1, 12)))
    seed = data.draw(st.integers(0, 10**6))
    rng = np.random.default_rng(seed)
    palette = rng.integers(0, 256, (entries, data.draw(st.integers(1, 5)))).astype(np.uint8)
    used = data.draw(st.integers(1, entries))
    check(rng.integers(0, used, (height, width)).astype(np.uint16), palette)


def small_case() -> tuple[Palette, Indices]:
    """A palette and a plane, computed in whole numbers, so that they are the same on every platform."""
    steps = np.arange(40)
    palette = np.stack([steps * 37 % 256, steps * steps * 5 % 256, 255 - steps * 6], 1).astype(np.uint8)
    rows, columns = np.mgrid[:9, :13]
    return palette, ((rows * columns // 3 + rows * rows + columns // 4) % 40).astype(np.uint16)


GOLDEN = (
    "0000cefce715d47aeeec45e8227da80ac3f8bc6b6c3023fa3e152ace5bcdcbaed3e946bf8fc5d53aed5c8ab79af9ae792d3c"
    "f2426ba20794bd084c240b3c9e2364817674"
)


def test_golden_bytes() -> None:
    palette, indices = small_case()
    assert context_index_coder.encode(indices, palette).hex() == GOLDEN
    assert (context_index_coder.decode(bytes.fromhex(GOLDEN), (9, 13), palette) == indices).all()


GOLDEN_CRC = (0x9461945A, 0x32FCCBBF)


def test_golden_checksum_of_a_long_plane() -> None:
    """Every part of the model has adapted by the end, in both kinds of layer."""
    palette, _ = small_case()
    rows, columns = np.mgrid[:90, :60]
    indices = ((rows * rows // 7 + columns * columns // 5 + (rows * columns) // 64 % 3) % 40).astype(np.uint16)
    zeroed = palette.copy()
    zeroed[0] = 128
    found = tuple(zlib.crc32(check(indices, which)) for which in (palette, zeroed))
    assert found == GOLDEN_CRC


@pytest.mark.parametrize(
    ("shape", "entries", "channels", "residual"),
    [
        ((9, 13), 40, 3, False),
        ((13, 9), 40, 3, True),
        ((1, 30), 5, 1, False),
        ((6, 7), 2, 4, True),
        ((40, 9), 33, 2, False),
        ((37, 36), 6, 2, False),
    ],
)
def test_equals_the_reference_decoder(shape: tuple[int, int], entries: int, channels: int, *, residual: bool) -> None:
    palette = palette_of(entries, channels)
    if residual:
        palette[0] = 128
    indices = photo_like(*shape, palette)
    start = context_tables.FOR_RESIDUALS if residual else context_tables.FOR_CODES
    data = context_index_coder.encode(indices, palette)
    assert read_indices(data, *shape, palette.tolist(), start.tolist()) == indices.tolist()


@pytest.mark.parametrize(
    ("mark", "start"), [("CODES", context_tables.FOR_CODES), ("RESIDUALS", context_tables.FOR_RESIDUALS)]
)
def test_start_weights_are_those_of_the_specification(mark: str, start: NDArray[np.int64]) -> None:
    text = (Path(__file__).parents[2] / "spec" / "sdz.md").read_text(encoding="utf-8")
    lines = text.split(f"<!-- values: START_{mark} -->\n", 1)[1].splitlines()[2:13]
    rows = [[int(cell) for cell in line.strip("| ").split("|")] for line in lines]
    assert [row[0] for row in rows] == list(range(11))
    assert [row[1:] for row in rows] == start.tolist()


@pytest.mark.slow
def test_equals_the_reference_decoder_with_large_palettes() -> None:
    palette = palette_of(1027, 2)
    indices = np.array([[1026, 0, 5], [700, 1025, 1024]], np.uint16)
    data = context_index_coder.encode(indices, palette)
    assert read_indices(data, 2, 3, palette.tolist(), context_tables.FOR_CODES.tolist()) == indices.tolist()


def test_determinism() -> None:
    palette = palette_of(50)
    indices = photo_like(20, 30, palette)
    first = context_index_coder.encode(indices, palette)
    context_index_coder.encode(indices[::-1], palette)
    assert context_index_coder.encode(np.asfortranarray(indices), palette) == first


def refused(data: bytes, shape: tuple[int, int], palette: Palette) -> bool:
    """Whether the bytes are refused; if they are not, they give a plane within bounds."""
    try:
        indices = context_index_coder.decode(data, shape, palette)
    except SdzFormatError as error:
        return error.field == "indices"
    assert indices.shape == shape
    assert int(indices.max()) < len(palette)
    return False


def test_cuts_and_additions_are_refused() -> None:
    palette, indices = small_case()
    data = context_index_coder.encode(indices, palette)
    cuts = [refused(data[:length], indices.shape, palette) for length in range(len(data))]
    assert sum(cuts) >= 0.95 * len(cuts)
    assert refused(data + b"\0", indices.shape, palette)
    assert refused(data + bytes(1000), indices.shape, palette)
    assert refused(data + b"\1" * 9, indices.shape, palette)


@pytest.mark.slow
def test_nearly_every_flipped_bit_is_refused() -> None:
    palette, indices = small_case()
    data = context_index_coder.encode(indices, palette)
    results = []
    for bit in range(0, 8 * len(data), 3):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        results.append(refused(bytes(damaged), indices.shape, palette))
    assert sum(results) >= 0.95 * len(results)


@given(st.binary(max_size=120), st.integers(2, 40), st.integers(1, 9), st.integers(1, 9))
@settings(max_examples=80, deadline=None)
def test_random_bytes(data: bytes, entries: int, height: int, width: int) -> None:
    refused(data, (height, width), palette_of(entries))


@pytest.mark.parametrize("entries", [1025, 2500])
def test_random_bytes_with_large_palettes(entries: int) -> None:
    for seed in range(3):
        refused(np.random.default_rng(seed).bytes(60), (3, 9), palette_of(entries))


def test_planes_beyond_the_limit_are_refused_before_any_work() -> None:
    for shape, entries in (((1 << 12, 1 << 11), 2), ((1 << 11, 1 << 11), 513)):
        with pytest.raises(SdzLimitError, match="layer 3, indices: the plane is too large"):
            context_index_coder.decode(b"", shape, palette_of(entries), field="layer 3, indices")
