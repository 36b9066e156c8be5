"""The detector of lettering, faces and lattices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from pillow_sdz.codec.guard import detector
from pillow_sdz.codec.guard.detector import CELL, FACE, LATTICE, TEXT, detect
from pillow_sdz.errors import SdzModelError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FONT_SIZE = 18


def background(height: int, width: int) -> NDArray[np.uint8]:
    """A smooth picture with a little noise: neither letters nor a face nor a lattice."""
    rng = np.random.default_rng(3)
    ramp = np.linspace(70, 170, width)[None, :, None] + np.linspace(-20, 20, height)[:, None, None]
    rgb: NDArray[np.uint8] = (ramp + np.array([10, 0, -15]) + rng.normal(0, 2, (height, width, 3))).astype(np.uint8)
    return rgb


def sign() -> tuple[NDArray[np.uint8], tuple[slice, slice]]:
    """A picture with a line of text on it, and the cells that are all lettering."""
    image = Image.fromarray(background(160, 240))
    font = ImageFont.load_default(FONT_SIZE)
    ImageDraw.Draw(image).text((32, 64), "Bakery 1425 open", fill=(250, 250, 240), font=font)
    return np.asarray(image), (slice(9, 10), slice(5, 19))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (8, 8), (9, 7), (1, 300), (133, 260)])
def test_there_is_a_probability_for_each_cell(height: int, width: int) -> None:
    found = detect(background(height, width))
    assert found.shape == (-(-height // CELL), -(-width // CELL), 3)
    assert found.dtype == np.float32
    assert found.min() >= 0
    assert found.max() <= 1


def test_the_same_picture_gives_the_same() -> None:
    rgb, _ = sign()
    np.testing.assert_array_equal(detect(rgb), detect(rgb.copy()))


def test_tiles_give_what_the_whole_picture_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (333, 500, 3), np.uint8)
    whole = detect(rgb)
    monkeypatch.setattr(detector, "WHOLE_CELLS", 8)
    monkeypatch.setattr(detector, "CORE_CELLS", 8)
    np.testing.assert_allclose(detect(rgb), whole, atol=1e-4)
    assert whole.max() > 2e-4  # or the comparison says nothing


def test_lettering_is_found_where_it_is() -> None:
    rgb, cells = sign()
    found = detect(rgb)
    assert (found[cells][..., TEXT] > 0.5).mean() > 0.9
    assert found[..., FACE].max() < 0.5
    far = np.concatenate([found[:6, :, TEXT].ravel(), found[13:, :, TEXT].ravel()])
    assert (far > 0.5).mean() < 0.02


def test_pickets_are_a_lattice() -> None:
    rgb = background(240, 240)
    rgb[60:180, 40:200][:, np.arange(160) % 14 < 6] = (225, 225, 215)
    found = detect(rgb)
    assert (found[10:20, 8:22, LATTICE] > 0.5).mean() > 0.9


@pytest.mark.parametrize("deviation", [3, 25])
def test_noise_is_nothing(deviation: float) -> None:
    noise = np.random.default_rng(1).normal(128, deviation, (256, 256, 3))
    found = detect(np.clip(noise, 0, 255).astype(np.uint8))
    assert (found > 0.5).mean() < 0.01


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_damaged_weights_are_refused(damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "detector.safetensors"
    if damage == "changed":
        data = bytearray(detector.WEIGHTS_PATH.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
    monkeypatch.setattr(detector, "WEIGHTS_PATH", path)
    detector._network.cache_clear()
    try:
        with pytest.raises(SdzModelError, match="install"):
            detect(background(8, 8))
    finally:
        detector._network.cache_clear()


def test_the_weights_are_few() -> None:
    assert detector.WEIGHTS_PATH.stat().st_size < 150_000
