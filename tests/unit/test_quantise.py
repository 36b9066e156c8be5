"""Palettes for codes and for residuals, layers, and the noise that remains."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from latents import latent_like, nearest_by_definition, squared_error

from pillow_sdz.errors import SdzDependencyError, SdzOptionError
from pillow_sdz.payloads.palette import quantise as quantise_module
from pillow_sdz.payloads.palette.kmeans import refine
from pillow_sdz.payloads.palette.layers import codes_from_layers
from pillow_sdz.payloads.palette.libimagequant import initial_palette
from pillow_sdz.payloads.palette.palette_coder import canonical_order
from pillow_sdz.payloads.palette.palette_coder import encode as encode_palette
from pillow_sdz.payloads.palette.quantise import make_layers, palettise, palettise_residual, rms_noise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pillow_sdz.payloads.palette.kmeans import EntryConstraints


def assert_canonical(palette: NDArray[Any]) -> None:
    rows = [tuple(row) for row in palette.tolist()]
    assert rows == sorted(set(rows))


@pytest.mark.parametrize(("channels", "colors"), [(4, 2), (4, 64), (4, 256), (4, 300), (1, 7), (3, 33), (16, 40)])
def test_palette_is_canonical_and_indices_are_nearest(channels: int, colors: int) -> None:
    codes = latent_like(40, 37, channels)
    palette, indices = palettise(codes, colors, 4)
    assert palette.dtype == np.uint8
    assert indices.dtype == np.uint16
    assert indices.shape == (40, 37)
    assert 2 <= len(palette) <= colors
    assert len(palette) > 0.9 * colors
    assert_canonical(palette)
    np.testing.assert_array_equal(indices.reshape(-1), nearest_by_definition(codes.reshape(-1, channels), palette))
    assert len(np.unique(indices)) == len(palette)


@pytest.mark.parametrize(("channels", "colors", "effort"), [(4, 100, 4), (4, 100, 9), (3, 40, 4)])
def test_same_input_gives_same_output(channels: int, colors: int, effort: int) -> None:
    codes = latent_like(32, 32, channels)
    once, again = palettise(codes, colors, effort), palettise(codes.copy(order="F"), colors, effort)
    for a, b in zip(once, again, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("colors", [64, 256])
def test_refinement_beats_libimagequant_alone(colors: int) -> None:
    import imagequant

    codes = latent_like(64, 64)
    data, raw = imagequant.quantize_raw_rgba_bytes(codes.tobytes(), 64, 64, 0.0, colors)
    theirs = np.array(raw, np.uint8).reshape(-1, 4)[:colors]
    indices = np.frombuffer(data, np.uint8).reshape(64, 64)
    assert squared_error(codes, *palettise(codes, colors, 4)) < 0.8 * squared_error(codes, theirs, indices)


def test_more_effort_gives_less_error() -> None:
    codes = latent_like(64, 64)
    errors = [squared_error(codes, *palettise(codes, 128, effort)) for effort in (0, 4, 9)]
    assert errors[0] > 1.02 * errors[1]
    assert errors[1] > errors[2]


def test_more_colors_give_less_error() -> None:
    codes = latent_like(32, 32)
    errors = [squared_error(codes, *palettise(codes, colors, 4)) for colors in (2, 4, 16, 64, 248, 512)]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] < float(codes.astype(float).var(axis=(0, 1)).mean())


@pytest.mark.parametrize("channels", [1, 4, 7])
def test_few_different_codes_are_kept_exactly(channels: int) -> None:
    generator = np.random.default_rng(3)
    few = np.unique(generator.integers(0, 256, (20, channels), np.uint8), axis=0)
    codes = few[generator.integers(0, len(few), (30, 30))]
    palette, indices = palettise(codes, 20, 0)
    np.testing.assert_array_equal(palette, few)
    np.testing.assert_array_equal(palette[indices], codes)


@pytest.mark.parametrize("value", [0, 100, 255])
def test_a_constant_plane_has_two_entries(value: int) -> None:
    codes = np.full((1, 3, 4), value, np.uint8)
    palette, indices = palettise(codes, 2, 4)
    assert len(palette) == 2
    assert_canonical(palette)
    np.testing.assert_array_equal(palette[indices], codes)


@pytest.mark.parametrize("channels", [4, 5])
def test_palettes_of_large_planes_are_found_on_a_sample(channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = latent_like(60, 61, channels)
    whole = squared_error(codes, *palettise(codes, 32, 4))
    seen = []

    def spy(points: NDArray[Any], *rest: Any) -> NDArray[np.int16]:
        seen.append(len(points))
        return refine(points, *rest)

    monkeypatch.setattr(quantise_module, "refine", spy)
    monkeypatch.setattr(quantise_module, "SAMPLE", 600)
    palette, indices = palettise(codes, 32, 4)
    assert seen == [600]
    np.testing.assert_array_equal(indices.reshape(-1), nearest_by_definition(codes.reshape(-1, channels), palette))
    assert squared_error(codes, palette, indices) < 1.1 * whole


def test_rounds_are_limited_for_very_large_palettes(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = latent_like(40, 40)
    asked = []

    def spy(
        points: NDArray[Any], entries: NDArray[np.int16], rounds: int, rules: EntryConstraints
    ) -> NDArray[np.int16]:
        asked.append(rounds)
        return refine(points, entries, rounds, rules)

    monkeypatch.setattr(quantise_module, "refine", spy)
    monkeypatch.setattr(quantise_module, "MAX_DISTANCES", 3 * 1600 * 64 * 2)
    palettise(codes, 64, 9)
    assert asked == [2]


def test_missing_imagequant_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imagequant", None)
    with pytest.raises(SdzDependencyError, match=r"imagequant.*pip install"):
        palettise(latent_like(16, 16), 16, 4)
    palettise(latent_like(16, 16, channels=3), 16, 4)  # libimagequant is for four channels only


@pytest.mark.parametrize(
    ("colors", "effort", "field"), [(1, 4, "colors"), (4097, 4, "colors"), (16, -1, "effort"), (16, 10, "effort")]
)
def test_options_beyond_their_range(colors: int, effort: int, field: str) -> None:
    with pytest.raises(SdzOptionError, match=f"^{field}: out of range"):
        palettise(latent_like(8, 8), colors, effort)
    with pytest.raises(SdzOptionError, match=f"^{field}: out of range"):
        palettise_residual(latent_like(8, 8).astype(np.int16), colors, effort)


def test_libimagequant_start_does_not_neglect_low_alpha() -> None:
    # Two clusters differ in the first channel only. The fourth channel is low, which the library takes for transparent.
    codes = np.full((200, 4), 4, np.uint8)
    codes[:100, 0], codes[100:, 0] = 60, 200
    assert sorted(initial_palette(codes, 2)[:, 0].tolist()) == [60, 200]


@pytest.mark.parametrize("colors", [2, 3, 16, 200])
def test_residual_palette_begins_with_zero(colors: int) -> None:
    residual = latent_like(30, 30).astype(np.int16) - 128
    palette, indices = palettise_residual(residual, colors, 4)
    assert palette.dtype == np.int16
    assert 2 <= len(palette) <= colors
    assert (palette[0] == 0).all()
    assert palette.min() >= -128
    assert palette.max() <= 127
    assert_canonical(palette[1:])
    assert (palette[1:] != 0).any(axis=1).all()
    np.testing.assert_array_equal(indices.reshape(-1), nearest_by_definition(residual.reshape(-1, 4), palette))
    assert squared_error(residual, palette, indices) < float(np.mean(residual.astype(float) ** 2))


def test_residual_of_nothing_and_of_few_vectors() -> None:
    nothing = np.zeros((3, 3, 4), np.int16)
    palette, indices = palettise_residual(nothing, 2, 4)
    assert len(palette) == 2
    assert (palette[0] == 0).all()
    assert (indices == 0).all()
    few = nothing.copy()
    few[1, 1], few[2, 2] = (1, -2, 3, -4), (-128, 127, 0, 0)
    palette, indices = palettise_residual(few, 3, 4)
    np.testing.assert_array_equal(palette[indices], few)


def test_residuals_beyond_eight_bits_get_the_nearest_that_fits() -> None:
    residual = np.array([[[-255, 255, 3, 0]], [[0, 0, 0, 0]]], np.int16)
    palette, indices = palettise_residual(residual, 4, 4)
    assert palette[indices].tolist() == [[[-128, 127, 3, 0]], [[0, 0, 0, 0]]]


def test_layers_reconstruct_ever_better() -> None:
    codes = latent_like(32, 32)
    layers = make_layers(codes, [32, 16, 200], 4)
    noise = [rms_noise(codes, codes_from_layers(layers[: count + 1])) for count in range(3)]
    assert noise[0] > 1.2 * noise[1] > 1.2 * 1.2 * noise[2]
    for layer in layers[1:]:
        assert (layer.palette[0] == 128).all()


def test_first_palettes_are_rounded_if_the_error_hardly_grows() -> None:
    codes = latent_like(48, 48)
    palette, indices = palettise(codes, 24, 4)
    exact = rms_noise(codes, palette[indices]) ** 2
    (layer,) = make_layers(codes, [24], 4)
    assert np.unique(layer.palette & 7).tolist() == [4], "the latent is noisy enough for multiples of 8"
    rounded = rms_noise(codes, layer.palette[layer.indices]) ** 2
    assert exact < rounded < 1.06 * exact
    assert len(encode_palette(layer.palette)[1]) < len(encode_palette(canonical_order(palette, indices)[0])[1])


def test_exact_palettes_are_not_rounded() -> None:
    codes = np.random.default_rng(3).integers(0, 256, (6, 1, 4), np.uint8).repeat(5, axis=1)
    (layer,) = make_layers(codes, [24], 4)
    np.testing.assert_array_equal(layer.palette[layer.indices], codes)


@pytest.mark.parametrize("colors", [(), (4,) * 9])
def test_layer_counts_beyond_their_range(colors: tuple[int, ...]) -> None:
    with pytest.raises(SdzOptionError, match=r"colors: .*1 to 8"):
        make_layers(latent_like(4, 4), colors, 4)


def test_rms_noise() -> None:
    one = np.zeros((2, 3, 4), np.uint8)
    other = one.copy()
    other[0, 0, 0], other[1, 2, 3] = 255, 3
    assert rms_noise(one, one) == 0
    assert rms_noise(one, other) == pytest.approx(((255**2 + 3**2) / 24) ** 0.5)
