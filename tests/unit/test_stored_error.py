"""Error and error map sections: round trips, reserved and hostile values."""

from __future__ import annotations

import dataclasses
import struct

import numpy as np
import pytest
import reference_error
from hypothesis import given
from hypothesis import strategies as st

from pillow_sdz.coding.planes import encode_planes
from pillow_sdz.container.stored_error import (
    ERROR,
    HIGHEST_LEVEL,
    MAP_CELLS,
    SMALLEST_CELL,
    StoredError,
    build_error,
    build_error_map,
    cell_side,
    level_of_square,
    map_shape,
    parse_error,
    parse_error_map,
    to_decibels,
)
from pillow_sdz.errors import SdzFormatError, SdzVersionError

FIGURES = StoredError(25.31, 0.9187, -3.5, synthesised=0.94, patched=0.06, whole=0.0)


def body_of(
    psnr: int = 2531, ms_ssim: int = 1090, ssimulacra2: int = -350, shares: tuple[int, int, int] = (94, 6, 0)
) -> bytes:
    return struct.pack("<HHh3B", psnr, ms_ssim, ssimulacra2, *shares)


def test_the_body_is_small() -> None:
    assert build_error(FIGURES) == body_of()
    assert ERROR.sizeof() == 9


@given(
    psnr=st.none() | st.floats(0, 99.99) | st.just(100.0),
    ms_ssim=st.none() | st.floats(0, 1),
    ssimulacra2=st.none() | st.floats(-300, 100),
    patched=st.floats(0, 1),
)
def test_round_trip(psnr: float | None, ms_ssim: float | None, ssimulacra2: float | None, patched: float) -> None:
    error = StoredError(psnr, ms_ssim, ssimulacra2, 1 - patched, patched, 0.0)
    body = build_error(error)
    found = parse_error(body)
    assert build_error(found) == body
    assert reference_error.same(reference_error.figures(body), dataclasses.asdict(found))
    for name in ("psnr", "ssimulacra2"):
        before, after = getattr(error, name), getattr(found, name)
        assert (before is None) == (after is None)
        assert before is None or after == pytest.approx(before, abs=0.0051)
    assert (found.ms_ssim is None) == (ms_ssim is None)
    if ms_ssim is not None and found.ms_ssim is not None:
        assert to_decibels(found.ms_ssim) == pytest.approx(to_decibels(ms_ssim), abs=0.0151)
    assert found.patched == pytest.approx(patched, abs=0.0101)
    assert (found.patched > 0, found.synthesised > 0) == (patched > 0, patched < 1)


def test_only_the_same_pixels_are_called_the_same() -> None:
    for psnr, ms_ssim in ((99.994, 1 - 1e-12), (137.1, 1 - 1e-16)):
        found = parse_error(build_error(StoredError(psnr, ms_ssim, None, 1.0, 0.0, 0.0)))
        assert found.psnr == 99.99
        assert found.ms_ssim is not None
        assert found.ms_ssim < 1
    found = parse_error(build_error(StoredError(100.0, 1.0, 100.0, 0.0, 0.0, 1.0)))
    assert (found.psnr, found.ms_ssim, found.ssimulacra2, found.whole) == (100.0, 1.0, 100.0, 1.0)


def test_ms_ssim_is_precise_near_one() -> None:
    for loss in (1e-1, 1e-3, 1e-5, 1e-7):
        found = parse_error(build_error(StoredError(None, 1 - loss, None, 1.0, 0.0, 0.0)))
        assert found.ms_ssim is not None
        assert 1 - found.ms_ssim == pytest.approx(loss, rel=0.002)


def test_scores_beyond_the_range_are_clipped() -> None:
    found = parse_error(build_error(StoredError(-3.0, -0.1, -1e9, 1.0, 0.0, 0.0)))
    assert (found.psnr, found.ms_ssim, found.ssimulacra2) == (0.0, 0.0, -327.67)


@pytest.mark.parametrize(
    ("body", "error", "text"),
    [
        (b"", SdzFormatError, "error: has the wrong length"),
        (body_of()[:-1], SdzFormatError, "error: has the wrong length"),
        (body_of() + b"\0", SdzFormatError, "error: has the wrong length"),
        (body_of(psnr=10001), SdzVersionError, "error psnr: the file needs a newer"),
        (body_of(psnr=65534), SdzVersionError, "error psnr: the file needs a newer"),
        (body_of(ms_ssim=10001), SdzVersionError, "error ms_ssim: the file needs a newer"),
        (body_of(ssimulacra2=10001), SdzVersionError, "error ssimulacra2: the file needs a newer"),
        (body_of(shares=(94, 6, 1)), SdzFormatError, "found 101 %"),
        (body_of(shares=(255, 255, 255)), SdzFormatError, "found 765 %"),
    ],
)
def test_hostile_figures(body: bytes, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        parse_error(body)


def test_every_body_is_finite_or_refused() -> None:
    rng = np.random.default_rng(0)
    for _ in range(500):
        body = rng.integers(0, 256, ERROR.sizeof(), np.uint8)
        body[6:] %= 40
        try:
            found = parse_error(body.tobytes())
        except (SdzFormatError, SdzVersionError):
            continue
        assert all(value is None or np.isfinite(value) for value in dataclasses.astuple(found))


@given(st.integers(1, 65535), st.integers(1, 65535))
def test_the_map_of_any_picture_is_small(width: int, height: int) -> None:
    side = cell_side(width, height)
    assert side == reference_error.side(width, height)
    rows, columns = map_shape(width, height)
    assert rows * columns <= MAP_CELLS
    assert (rows - 1) * side < height <= rows * side
    assert (columns - 1) * side < width <= columns * side
    if side > SMALLEST_CELL:
        assert -(-width * 2 // side) * -(-height * 2 // side) > MAP_CELLS


def test_levels() -> None:
    for level in range(1, HIGHEST_LEVEL):
        assert level_of_square(2 ** (level - 1)) == level_of_square(2**level - 1) == level
    assert level_of_square(0) == 0
    assert level_of_square(2**14) == level_of_square(255**2) == HIGHEST_LEVEL


@pytest.mark.parametrize("size", [(1, 1), (512, 512), (33, 70), (6000, 4000)])
def test_maps(size: tuple[int, int]) -> None:
    levels = np.random.default_rng(1).integers(0, HIGHEST_LEVEL + 1, map_shape(*size), np.uint8)
    assert (parse_error_map(build_error_map(levels), *size) == levels).all()


def test_a_map_of_one_level_takes_two_bytes() -> None:
    assert len(build_error_map(np.full(map_shape(6000, 4000), 7, np.uint8))) == 2


def test_hostile_maps() -> None:
    levels = np.zeros((16, 16), np.uint8)
    levels[3, 5] = HIGHEST_LEVEL + 1
    with pytest.raises(SdzVersionError, match="error map level"):
        parse_error_map(build_error_map(levels), 512, 512)
    levels[3, 5] = 1
    for width, height in ((513, 512), (512, 480), (65535, 4096)):
        with pytest.raises(SdzFormatError, match="error map: the deflated data has the wrong size"):
            parse_error_map(build_error_map(levels), width, height)
    with pytest.raises(SdzFormatError, match="error map"):
        parse_error_map(b"", 512, 512)
    with pytest.raises(SdzFormatError, match="error map: has the wrong length"):
        parse_error_map(encode_planes(np.zeros((2, 16, 16), np.uint8)), 512, 512)
    with pytest.raises(SdzVersionError, match="error map coding"):
        parse_error_map(b"\x07" + bytes(256), 512, 512)
