"""Files of models with preview networks: no preview section, previews of four sizes, and what they are made from."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import toy_scalar
from in_memory import assert_pixels, opened, saved
from PIL import Image
from preview_samples import preview_file, preview_slowly

from pillow_sdz.codec import preview as preview_module
from pillow_sdz.codec.file import read
from pillow_sdz.codec.preview import decode_preview
from pillow_sdz.container.sections import build, parse
from pillow_sdz.errors import SdzModelError
from pillow_sdz.models import model_data, registry

if TYPE_CHECKING:
    from pathlib import Path

    from PIL import ImageFile

STRIDES = (1, 2, 4, 8)


@pytest.fixture(autouse=True)
def model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    toy_scalar.install_model(monkeypatch, tmp_path, preview=True)
    monkeypatch.setattr(model_data, "_preview_networks", {})


@pytest.fixture
def photo(astronaut: Image.Image) -> Image.Image:
    return astronaut.crop((150, 0, 350, 149))


def file_of(photo: Image.Image, **options: Any) -> bytes:
    return saved(photo, "SDZ", model="toy", **options)


def expected(codes: np.ndarray[Any, Any], grid: int) -> list[list[list[int]]]:
    return preview_slowly(codes[::grid, ::grid], preview_file(), grid)


def test_scalar_payloads_need_no_preview_section(photo: Image.Image) -> None:
    assert parse(file_of(photo)).preview is None
    assert parse(file_of(photo, colors=16)).preview is not None
    assert parse(file_of(photo, quality=100)).preview is not None


@pytest.mark.parametrize("stride", STRIDES)
def test_large_latents_are_decoded_to_the_grid_of_the_preview(
    photo: Image.Image, stride: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview_module, "FAST_VALUES", 0)
    file = read(file_of(photo))
    picture = decode_preview(file, stride)
    assert picture.rgb.tolist() == expected(file.codes(), stride)


@pytest.mark.parametrize(("values", "grid"), [(10**6, 1), (25 * 19 * 3, 1), (25 * 19 * 3 - 1, 2), (100, 4)])
def test_previews_come_from_the_finest_grid_that_is_fast(
    photo: Image.Image, values: int, grid: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview_module, "FAST_VALUES", values)
    file = read(file_of(photo))
    fine = Image.fromarray(np.array(expected(file.codes(), grid), np.uint8))
    assert_pixels(Image.fromarray(decode_preview(file, 4).rgb), fine.reduce(4 // grid) if grid < 4 else fine)


def test_a_coarse_grid_needs_the_first_layers_only(photo: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview_module, "FAST_VALUES", 0)
    data = file_of(photo.resize((640, 480)), step=4)
    layers = parse(data).layers
    assert len(layers) == 4
    damaged = data.replace(layers[3], bytes(len(layers[3])))
    whole, cut = (decode_preview(read(_with_checksums(each)), 2).rgb for each in (data, damaged))
    assert np.array_equal(whole, cut)


def _with_checksums(data: bytes) -> bytes:
    """The file with the layers that it has, and right checksums."""
    parsed = parse(data, allow_truncated=True)
    missing = parsed.truncation
    if missing is None:
        return data
    parsed.layers.append(missing.part)
    parsed.truncation = None
    return build(parsed)


def test_networks_are_better_than_a_matrix_in_the_file(photo: Image.Image) -> None:
    data = file_of(photo, quality=100)
    file = read(data)
    assert decode_preview(file, 1).rgb.tolist() == expected(file.codes(), 1)


def test_without_the_model_the_matrix_gives_the_preview(
    photo: Image.Image, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data, scalar = file_of(photo, quality=100), file_of(photo)
    monkeypatch.setenv(registry.MODELS_VARIABLE, str(tmp_path))
    image = opened(data)
    image.thumbnail((25, 18))
    assert np.abs(np.asarray(image, float) - np.asarray(photo.resize(image.size, Image.Resampling.BOX))).mean() < 12
    assert opened(scalar).draft(None, (4, 4)) is None
    with pytest.raises(SdzModelError, match="not installed"):
        opened(scalar).thumbnail((4, 4))


def thumbnail(data: bytes, box: tuple[int, int]) -> ImageFile.ImageFile:
    image = opened(data)
    image.thumbnail(box)
    return image


def test_thumbnails_of_all_sizes_need_no_weights(photo: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    alpha = photo.copy()
    alpha.putalpha(photo.convert("L"))
    files = [(image.mode, file_of(image)) for image in (photo, photo.convert("L"), alpha)]
    monkeypatch.setattr(registry, "load", None)
    for mode, data in files:
        for side in (25, 20, 13, 8, 5, 2, 1):
            small = thumbnail(data, (side, side))
            assert (small.mode, max(small.size)) == (mode, side)
            small.save(io.BytesIO(), "PNG")
