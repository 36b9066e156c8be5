"""Measuring pictures: against definitions written out, and against the packages of these metrics."""

from __future__ import annotations

import io
import tracemalloc
from typing import TYPE_CHECKING

import numpy as np
import pytest
import reference_error
from PIL import Image

from pillow_sdz.codec import measure as measuring
from pillow_sdz.codec.measure import Measures, Shares, error_sections, measure
from pillow_sdz.codec.ms_ssim import SMALLEST_SIDE, ms_ssim
from pillow_sdz.container.stored_error import parse_error, parse_error_map
from pillow_sdz.errors import SdzDependencyError

if TYPE_CHECKING:
    from fresh import FreshPython
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]


def picture(width: int, height: int, seed: int = 0) -> Pixels:
    """Smooth colours with edges and some grain."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (-(-height // 24), -(-width // 24), 3), np.uint8)
    smooth = np.array(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    smooth[height // 3 : height // 2, width // 4 : width // 2] ^= 0xFF
    return (smooth.astype(int) + rng.integers(-6, 7, smooth.shape)).clip(0, 255).astype(np.uint8)


def jpeg(pixels: Pixels, quality: int) -> Pixels:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality)
    return np.array(Image.open(stream).convert("RGB"))


def packages_ms_ssim(original: Pixels, decoded: Pixels) -> float:
    module = pytest.importorskip("pytorch_msssim")
    import torch

    one, other = (torch.from_numpy(each.copy()).permute(2, 0, 1)[None].double() / 255 for each in (original, decoded))
    return float(module.ms_ssim(one, other, data_range=1))


@pytest.mark.parametrize("size", [(161, 161), (162, 161), (512, 400), (389, 201), (1100, 170), (170, 1100)])
@pytest.mark.parametrize("quality", [1, 30, 95])
def test_ms_ssim_is_that_of_pytorch_msssim(size: tuple[int, int], quality: int) -> None:
    original = picture(*size)
    decoded = jpeg(original, quality)
    expected = packages_ms_ssim(original, decoded)
    found = ms_ssim(original, decoded)
    assert found is not None
    assert found == pytest.approx(expected, abs=1e-5)
    assert 1 - found == pytest.approx(1 - expected, rel=0.002)


def test_ms_ssim_of_nearly_the_same_pictures() -> None:
    """Where float32 sums of pixels would lose the difference."""
    original = picture(200, 180)
    decoded = original.copy()
    decoded[::7, ::5, 1] ^= 1
    loss = 1 - (ms_ssim(original, decoded) or 0)
    assert 0 < loss < 1e-3
    assert loss == pytest.approx(1 - packages_ms_ssim(original, decoded), rel=0.01)


def test_ms_ssim_of_extremes() -> None:
    original = picture(200, 180)
    assert ms_ssim(original, original) == 1
    assert ms_ssim(original, 255 - original) == 0
    assert ms_ssim(original[:, : SMALLEST_SIDE - 1], original[:, : SMALLEST_SIDE - 1]) is None
    assert ms_ssim(original[: SMALLEST_SIDE - 1], original[: SMALLEST_SIDE - 1]) is None


@pytest.mark.parametrize("size", [(1, 1), (31, 33), (64, 32), (97, 70)])
def test_psnr_and_levels_are_as_the_specification_says(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(2)
    original = rng.integers(0, 256, (size[1], size[0], 3), np.uint8)
    strength = np.linspace(1, 255, size[0])[None, :, None]
    decoded = (original + rng.normal(0, strength, original.shape)).clip(0, 255).astype(np.uint8)
    found = measure(original, decoded)
    lists = original.tolist(), decoded.tolist()
    assert found.levels.tolist() == reference_error.levels(*lists)
    assert found.psnr == pytest.approx(reference_error.psnr(*lists))
    assert found.ms_ssim is None
    assert found.ssimulacra2 is None


def test_the_same_pixels() -> None:
    original = picture(170, 170)
    found = measure(original, original.copy())
    assert (found.psnr, found.ms_ssim) == (100.0, 1.0)
    assert not found.levels.any()
    one = original.copy()
    one[0, 0, 0] ^= 1
    assert measure(original, one).psnr < 100


def test_large_pictures_have_large_cells_and_exact_sums() -> None:
    original = np.zeros((2100, 2100, 3), np.uint8)
    decoded = np.full_like(original, 255)
    decoded[:64, :64] = 0
    found = measure(original, decoded)
    assert found.levels.shape == (33, 33)
    assert found.levels[0, 0] == 0
    assert (found.levels.ravel()[1:] == 15).all()
    assert found.psnr == pytest.approx(10 * np.log10(2100**2 / (2100**2 - 64**2)))


def test_grey_is_measured_in_grey() -> None:
    original = picture(170, 165)
    decoded = jpeg(original, 20)
    found = measure(original, decoded, grey=True)
    one, other = (np.array(Image.fromarray(each).convert("L").convert("RGB")) for each in (original, decoded))
    expected = measure(one, other)
    assert found.psnr == expected.psnr
    assert found.ms_ssim == pytest.approx(expected.ms_ssim)
    assert (found.levels == expected.levels).all()
    assert found.psnr != measure(original, decoded).psnr


def test_ssimulacra2_is_measured_when_asked_for() -> None:
    module = pytest.importorskip("ssimulacra2")
    original = picture(80, 64)
    decoded = jpeg(original, 30)
    streams = [io.BytesIO(), io.BytesIO()]
    for stream, pixels in zip(streams, (original, decoded), strict=True):
        Image.fromarray(pixels).save(stream, "PNG")
        stream.seek(0)
    expected = module.compute_ssimulacra2(*streams)
    assert measure(original, decoded, ssimulacra2=True).ssimulacra2 == pytest.approx(expected)
    grey = measure(original, decoded, grey=True, ssimulacra2=True).ssimulacra2
    assert grey is not None
    assert grey != pytest.approx(expected)
    assert measure(original[:7], decoded[:7], ssimulacra2=True).ssimulacra2 is None


def test_ssimulacra2_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "PACKAGE", {"no_such_module": "ssimulacra2"})
    original = picture(16, 16)
    with pytest.raises(SdzDependencyError, match=r"needs ssimulacra2.*pip install ssimulacra2"):
        measure(original, original, ssimulacra2=True)
    assert measure(original, original).psnr == 100


def test_shapes_must_be_the_same() -> None:
    with pytest.raises(ValueError, match="one shape"):
        measure(picture(16, 16), picture(16, 17))


def test_memory_is_a_few_bytes_for_each_pixel() -> None:
    original = np.zeros((1500, 2000, 3), np.uint8)
    decoded = np.ones_like(original)
    tracemalloc.start()
    try:
        measure(original, decoded)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5 * 1500 * 2000 + 8_000_000


def test_sections() -> None:
    levels = np.array([[0, 3], [15, 7]], np.uint8)
    measures = Measures(25.314, 0.91874, None, levels)
    body, error_map = error_sections(measures, Shares(synthesised=0.996, patched=0.004), error_map=True)
    assert len(body) <= 24
    found = parse_error(body)
    assert (found.psnr, found.ssimulacra2) == (25.31, None)
    assert (found.synthesised, found.patched, found.whole) == (0.99, 0.01, 0.0)
    assert error_map is not None
    assert (parse_error_map(error_map, 64, 64) == levels).all()
    assert error_sections(measures, Shares(whole=1.0), error_map=False)[1] is None


def test_measuring_needs_no_torch(fresh_python: FreshPython) -> None:
    fresh_python("""
        import sys
        import numpy as np
        from pillow_sdz.codec.measure import measure
        pixels = np.random.default_rng(0).integers(0, 256, (170, 170, 3), np.uint8)
        assert measure(pixels, pixels // 2).ms_ssim < 1
        assert not {"torch", "ssimulacra2", "scipy"} & set(sys.modules)
    """)
