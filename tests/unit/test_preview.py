"""Previews from codes and a small matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pillow_sdz.errors import SdzFormatError
from pillow_sdz.payloads import preview_matrix as preview_module
from pillow_sdz.payloads.preview_matrix import binomial, fit_matrix, matrix_from_bytes, preview

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image


def by_hand(codes: NDArray[Any], matrix: NDArray[Any]) -> list[list[list[int]]]:
    """The formula of the specification in Python's own integers."""
    height, width, channels = codes.shape

    def product(y: int, x: int, k: int) -> int:
        y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
        return sum((int(codes[y, x, c]) - 128) * int(matrix[c, k]) for c in range(channels))

    def value(y: int, x: int, k: int) -> int:
        weights = (1, 2, 1)
        total = sum(weights[i] * weights[j] * product(y + i - 1, x + j - 1, k) for i in range(3) for j in range(3))
        return max(0, min(255, 128 + int(matrix[channels, k]) + ((512 + total) >> 10)))

    return [[[value(y, x, k) for k in range(3)] for x in range(width)] for y in range(height)]


@pytest.mark.parametrize("channels", [1, 4, 64])
def test_preview_is_the_formula(channels: int) -> None:
    generator = np.random.default_rng(channels)
    codes = generator.integers(0, 256, (5, 7, channels), np.uint8)
    for scale in (9, 128):
        matrix = generator.integers(-scale, scale, (channels + 1, 3)).astype(np.int8)
        picture = preview(codes, matrix)
        assert picture.dtype == np.uint8
        assert picture.tolist() == by_hand(codes, matrix)


def test_large_previews_are_made_in_bands_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    codes = generator.integers(0, 256, (11, 7, 4), np.uint8)
    matrix = generator.integers(-30, 30, (5, 3)).astype(np.int8)
    whole = preview(codes, matrix)
    for band in (1, 7, 21, 70):
        monkeypatch.setattr(preview_module, "BAND_POSITIONS", band)
        assert (preview(codes, matrix) == whole).all()


def test_preview_survives_the_extremes() -> None:
    codes = np.zeros((1, 2, 64), np.uint8)
    codes[0, 1] = 255
    matrix = np.full((65, 3), -128, np.int8)
    assert preview(codes, matrix).tolist() == [[[255] * 3, [0] * 3]]


def test_matrix_from_bytes() -> None:
    matrix = np.arange(-7, 8, dtype=np.int8).reshape(5, 3)
    np.testing.assert_array_equal(matrix_from_bytes(matrix.tobytes(), 4), matrix)


@pytest.mark.parametrize("length", [0, 14, 16])
def test_matrix_of_the_wrong_length(length: int) -> None:
    with pytest.raises(SdzFormatError, match=rf"^preview matrix: .*found {length} bytes, expected 15 bytes"):
        matrix_from_bytes(bytes(length), 4)


def test_fit_finds_the_matrix_that_made_the_colours() -> None:
    generator = np.random.default_rng(5)
    codes = generator.integers(60, 196, (500, 4))
    matrix = np.array([[20, 30, 40], [-15, 10, 0], [0, 5, -33], [7, -7, 7], [12, -9, 3]], np.int8)
    rgb = 128.0 + matrix[4] + (codes - 128) @ matrix[:4] / 64
    np.testing.assert_array_equal(fit_matrix(codes, rgb), matrix)


def test_fit_clips_to_eight_bits() -> None:
    codes = np.repeat(np.arange(120, 137)[:, None], 2, axis=1) + np.array([[0, 3]])
    matrix = fit_matrix(codes, np.repeat(codes[:, :1] * 5 - 300, 3, axis=1))
    assert matrix.dtype == np.int8
    assert matrix.min() >= -128
    assert matrix.max() <= 127


def test_fitted_preview_of_a_photo_looks_like_it(astronaut: Image.Image) -> None:
    small = np.asarray(astronaut.reduce(8)).astype(float)
    mixing = np.array([[0.3, 0.5, 0.2], [0.5, -0.5, 0.0], [-0.2, -0.3, 0.5], [0.4, 0.1, 0.3]])
    codes = np.clip(np.rint(128 + (small - 128) @ mixing.T), 0, 255).astype(np.uint8)
    matrix = fit_matrix(binomial(codes).reshape(-1, 4) / 16, binomial(small).reshape(-1, 3) / 16)
    smooth = binomial(np.asarray(astronaut.reduce(8))) / 16
    assert np.abs(preview(codes, matrix) - smooth).mean() < 6


def test_preview_takes_checkerboards_out(astronaut: Image.Image) -> None:
    small = np.asarray(astronaut.convert("L").reduce(8)).astype(int)
    board = np.indices(small.shape).sum(axis=0) % 2 * 80 - 40
    codes = np.clip(small + board, 0, 255).astype(np.uint8)[:, :, None]
    wanted = np.repeat(small.reshape(-1, 1), 3, axis=1)
    picture = preview(codes, fit_matrix(binomial(codes).reshape(-1, 1) / 16, wanted))
    assert np.abs(picture[:, :, 0] - small).mean() < np.abs(board).mean() / 2


def test_binomial_repeats_the_edges() -> None:
    values = np.random.default_rng(6).integers(-1000, 1000, (4, 5, 2))
    padded = np.pad(values, ((1, 1), (1, 1), (0, 0)), mode="edge")
    weights = [(1, 2, 1), (2, 4, 2), (1, 2, 1)]
    wanted = sum(weights[y][x] * padded[y : y + 4, x : x + 5] for y in range(3) for x in range(3))
    np.testing.assert_array_equal(binomial(values), wanted)
    np.testing.assert_array_equal(binomial(values[:1, :1]), 16 * values[:1, :1])
