"""Windows cover the grid exactly once, and networks give the same result tile by tile as on the whole picture."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pillow_sdz.models import model as module
from pillow_sdz.models import registry
from pillow_sdz.models.diffusion.denoise import Noise
from pillow_sdz.models.model import CORES, MAX_OVERLAP_RADII, Cores
from pillow_sdz.models.tiling import fading_windows, paste, windows

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    from pillow_sdz.models.manifest import Manifest
    from pillow_sdz.models.model import Model

    Load = Callable[[Manifest], Model]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 20), st.integers(0, 9))
def test_cores_cover_every_position_once(height: int, width: int, core: int, overlap: int) -> None:
    count = np.zeros((height, width), int)
    for window in windows(height, width, core, overlap):
        top, bottom, left, right = window.core
        count[top:bottom, left:right] += 1
        y0, y1, x0, x1 = window.outer
        assert y0 % 2 == 0
        assert x0 % 2 == 0
        for low, high, outer_low, outer_high, side in ((top, bottom, y0, y1, height), (left, right, x0, x1, width)):
            assert 0 <= outer_low <= max(0, low - overlap)
            assert min(side, high + overlap) <= outer_high <= side
    assert (count == 1).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 9))
def test_fading_windows_cover_the_grid_in_order(height: int, width: int, overlap: int) -> None:
    side = 2 * overlap + 3
    written = np.zeros((height, width), bool)
    for window in fading_windows(height, width, side, overlap):
        top, bottom, left, right = window.core
        assert (bottom - top, right - left) == (min(side, height), min(side, width))
        place = written[top:bottom, left:right]
        down, across = window.fade
        assert place[:down].all(), "a window is blended with values that are written already"
        assert place[:, :across].all()
        place[...] = True
    assert written.all()


def test_windows_of_a_constant_fade_without_a_seam() -> None:
    target = np.full((40, 50, 3), np.nan, np.float32)
    ones = np.ones((11, 11, 3), np.float32)
    for window in fading_windows(40, 50, 11, 4):
        paste(target, window, ones, 1)
    np.testing.assert_allclose(target, 1)


@pytest.fixture(scope="module")
def picture() -> NDArray[np.uint8]:
    from skimage.data import rocket

    return np.ascontiguousarray(rocket()[:413, :531])


@pytest.mark.parametrize("tile", [*(pytest.param(each, marks=pytest.mark.slow) for each in (64, 104)), 256])
def test_tiled_equals_untiled(picture: NDArray[np.uint8], tile: int) -> None:
    model = registry.load(registry.find("tiny"), "cpu")
    whole = model.encode(picture, tile=4096)
    tiled = model.encode(picture, tile=tile)
    step = model.manifest.codes.step
    assert np.abs(whole - tiled).max() < step / 2

    height, width = picture.shape[:2]
    decoders: tuple[Model, ...] = (model, registry.load_onnx(model.manifest))
    expected = model.decode(whole, height, width, tile=4096)
    assert expected.shape == picture.shape
    for decoder in decoders:
        decoded = decoder.decode(whole, height, width, tile=4096)
        pieces = decoder.decode(whole, height, width, tile=tile)
        assert np.abs(decoded.astype(int) - pieces).max() <= 1
        assert np.abs(decoded.astype(int) - expected).max() <= 1


@pytest.mark.slow
def test_unet_in_windows_equals_whole(picture: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch, load: Load) -> None:
    latents = registry.load(registry.find("tiny"), "cpu").encode(picture)
    model = load(registry.find("tiny"))
    whole = model.denoise(latents, 0.2, 2)
    monkeypatch.setattr(module, "CORES", {4: Cores(704, 16)})
    assert np.abs(model.denoise(latents, 0.2, 2) - whole).max() < 1e-4
    assert np.abs(whole - latents).max() > 1e-3, "a U-Net that does nothing would pass this test for nothing"


def test_the_overlap_is_capped_for_many_steps() -> None:
    model = registry.load(registry.find("tiny"), "cpu")
    context, widths = model.manifest.context.unet, []

    def no_noise(sample: Tensor, _: int) -> Noise:
        widths.append(sample.shape[3])
        return Noise(torch.zeros_like(sample))

    model = dataclasses.replace(model, unet=no_noise)
    latents = np.zeros((1, 2 * CORES[4].unet, model.manifest.codes.channels), np.float32)
    overlaps = []
    for noise, denoise_steps in ((0.2, 1), (0.2, 3), (0.2, 255), (0.0, 255)):
        widths.clear()
        model.denoise(latents, noise, denoise_steps)
        overlaps.append(widths[0] - CORES[4].unet)
    assert overlaps == [context, 3 * context, MAX_OVERLAP_RADII * context, context]


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (8, 8), (17, 33)])
def test_any_size_is_padded_by_its_edge(size: tuple[int, int]) -> None:
    model = registry.load(registry.find("tiny"), "cpu")
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    latents = model.encode(picture)
    assert latents.shape == (-(-size[0] // 8), -(-size[1] // 8), model.manifest.codes.channels)
    missing = [(-side) % 8 for side in size]
    padded = np.pad(picture, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")
    np.testing.assert_allclose(model.encode(padded), latents, atol=1e-4)
    assert model.decode(latents, *size).shape == picture.shape
