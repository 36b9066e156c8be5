"""Windows cover the grid exactly once, and a network seen through them gives what it gives on the whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pillow_sdz.models import registry
from pillow_sdz.models.tiling import windows


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


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    from skimage.data import rocket

    return np.ascontiguousarray(rocket()[:413, :531])


@pytest.mark.parametrize("tile", [64, 104, 256])
def test_tiled_equals_untiled(picture: np.ndarray, tile: int) -> None:
    model = registry.load(registry.find("tiny"), "cpu")
    whole = model.encode(picture, tile=4096)
    tiled = model.encode(picture, tile=tile)
    step = model.manifest.codes.step
    assert np.abs(whole - tiled).max() < step / 2

    decoded = model.decode(whole, *picture.shape[:2], tile=4096)
    pieces = model.decode(whole, *picture.shape[:2], tile=tile)
    assert decoded.shape == picture.shape
    assert np.abs(decoded.astype(int) - pieces).max() <= 1


def test_unet_in_windows_equals_whole(picture: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    from pillow_sdz.models import model as module

    model = registry.load(registry.find("tiny"), "cpu")
    latents = model.encode(picture)
    whole = model.denoise(latents, 0.2, 2)
    monkeypatch.setattr(module, "UNET_CORE", 16)
    assert np.abs(model.denoise(latents, 0.2, 2) - whole).max() < 1e-4
    assert np.abs(whole - latents).max() > 1e-3, "a U-Net that does nothing would pass this test for nothing"


def test_windows_do_not_grow_with_any_number_of_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    from pillow_sdz.models import model as module
    from pillow_sdz.models.diffusion import denoise

    model = registry.load(registry.find("tiny"), "cpu")
    context, overlaps = model.manifest.context.unet, []
    monkeypatch.setattr(denoise, "denoise", lambda unet, scheduler, sample, noise, steps: sample)
    monkeypatch.setattr(
        module, "windows", lambda h, w, core, overlap: overlaps.append(overlap) or windows(h, w, core, 0)
    )
    for noise, steps in ((0.2, 1), (0.2, 3), (0.2, 255), (0.0, 255)):
        model.denoise(np.zeros((2, 2, model.manifest.codes.channels), np.float32), noise, steps)
    assert overlaps == [context, 3 * context, module.STEPS_SEEN * context, context]


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
