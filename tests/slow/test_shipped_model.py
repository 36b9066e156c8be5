"""From a photo to a file and back with the model that is shipped: everything at once, few and small pictures."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from fresh import WITHOUT_TORCH
from in_memory import opened_sdz, psnr
from PIL import Image, ImageFile

import pillow_sdz
from pillow_sdz.errors import SdzModelError, SdzOptionError, SdzTruncatedError

if TYPE_CHECKING:
    from pathlib import Path

    from fresh import FreshPython


@pytest.fixture(scope="session")
def photo(chelsea: Image.Image) -> Image.Image:
    """192x160, the face of a cat."""
    return chelsea.crop((100, 20, 292, 180))


def saved(image: Image.Image, **keywords: Any) -> io.BytesIO:
    stream = io.BytesIO()
    image.save(stream, "SDZ", **keywords)
    return stream


def test_there_and_back(photo: Image.Image) -> None:
    stream = saved(photo)
    with Image.open(stream) as image:
        assert (image.size, image.mode) == (photo.size, "RGB")
        assert image.info["model"].startswith("tiny-")
        assert image.info["bpp"] == 8 * len(stream.getvalue()) / (192 * 160)
        assert image.info["bpp"] < 0.4
        assert psnr(image, photo) > 20


def test_the_same_bytes_again(photo: Image.Image) -> None:
    assert saved(photo).getvalue() == saved(photo).getvalue()


def test_quality_orders_sizes_and_errors(photo: Image.Image) -> None:
    for guard, qualities in ((True, (0, 50, 99)), (False, (0, 50, 100))):
        streams = [saved(photo, quality=quality, guard=guard) for quality in qualities]
        sizes = [len(stream.getvalue()) for stream in streams]
        errors = [psnr(Image.open(stream), photo) for stream in streams]
        assert sizes == sorted(sizes)
        assert sizes[0] < sizes[2]
        assert errors == sorted(errors)
    exact = saved(photo, quality=100)
    assert len(exact.getvalue()) > sizes[2]
    assert np.array_equal(np.array(Image.open(exact)), np.array(photo))


def test_direct_codes(photo: Image.Image) -> None:
    direct, palette = saved(photo, payload="direct"), saved(photo, colors=16)
    with Image.open(direct) as image:
        assert image.info["payload"] == "direct"
        assert psnr(image, photo) > psnr(Image.open(palette), photo)


def test_target_size(photo: Image.Image) -> None:
    free = len(saved(photo).getvalue())
    stream = saved(photo, target_size=free - 20)
    assert len(stream.getvalue()) <= free - 20
    Image.open(stream).load()
    with pytest.raises(SdzOptionError, match="target_size"):
        saved(photo, target_size=40)


def test_layers_arrive_one_by_one(photo: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = saved(photo, colors=(32, 32), guard=False)  # patches would be at the end
    data = stream.getvalue()
    whole = Image.open(stream)
    assert whole.info["colors"] == (32, 32)
    with pytest.raises(SdzTruncatedError):
        Image.open(io.BytesIO(data[:-30]))
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    cut = Image.open(io.BytesIO(data[:-30]))
    assert cut.info["layers"] == 1
    with pytest.warns(UserWarning, match="1 of 2 layers"):
        cut.load()
    assert psnr(whole, photo) > psnr(cut, photo) > 15


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "I;16", "CMYK"])
def test_modes(photo: Image.Image, mode: str) -> None:
    if mode == "I;16":
        image = Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) << 8)
    else:
        image = photo.convert(mode)
    if mode in ("LA", "RGBA"):
        image.putalpha(Image.linear_gradient("L").resize(photo.size))
    again: Image.Image = Image.open(saved(image))
    assert again.mode == {"P": "RGB", "CMYK": "RGB", "I;16": "L"}.get(mode, mode)
    if again.mode.endswith("A"):
        assert again.getchannel("A").tobytes() == image.getchannel("A").tobytes()
        again, image = again.convert(again.mode[:-1]), image.convert(image.mode[:-1])
    expected = photo.convert("L") if again.mode == "L" else image.convert("RGB")
    assert psnr(again, expected) > 20


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (65, 1)])
def test_sizes(photo: Image.Image, size: tuple[int, int]) -> None:
    image = photo.resize(size)
    again = Image.open(saved(image))
    again.load()
    assert again.size == size
    assert np.abs(np.asarray(again, float) - np.asarray(image)).mean() < 60


def test_preview_resembles_the_picture(photo: Image.Image) -> None:
    image = Image.open(saved(photo))
    image.thumbnail((24, 20))
    assert image.size == (24, 20)
    assert psnr(image, photo.resize((24, 20), Image.Resampling.BOX)) > 15


def test_steps_come_from_the_file_the_process_or_the_image(photo: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = saved(photo, colors=16, denoise_steps=1)

    def pixels(denoise_steps: int | None = None) -> bytes:
        image = opened_sdz(stream.getvalue())
        image.denoise_steps = denoise_steps
        return image.tobytes()

    plain, denoised = pixels(0), pixels()
    assert plain != denoised
    monkeypatch.setattr(pillow_sdz.options.decode, "denoise_steps", 0)
    assert pixels() == plain
    assert pixels(1) == denoised
    stream = saved(photo, colors=16, denoise_steps=0)
    monkeypatch.setattr(pillow_sdz.options.decode, "denoise_steps", None)
    assert pixels() == plain


def test_tiles_change_nothing(photo: Image.Image) -> None:
    stream = saved(photo)
    tiled, whole = opened_sdz(stream.getvalue()), Image.open(stream)
    tiled.tile_size = 64
    assert np.abs(np.asarray(tiled, int) - np.asarray(whole, int)).max() <= 1


def test_unknown_model(photo: Image.Image, tmp_path: Path) -> None:
    with pytest.raises(SdzModelError, match=r"a\.sdz: model: no such model \(found tinny"):
        photo.save(tmp_path / "a.sdz", model="tinny")
    assert not list(tmp_path.iterdir())


def test_unknown_device(photo: Image.Image) -> None:
    image = opened_sdz(saved(photo).getvalue())
    image.device = "cuda:99"
    with pytest.raises(SdzOptionError, match="device"):
        image.load()


def test_apps(photo: Image.Image, tmp_path: Path) -> None:
    import imageio.v3
    import matplotlib.image

    file = tmp_path / "cat.sdz"
    imageio.v3.imwrite(file, np.asarray(photo))
    assert psnr(imageio.v3.imread(file), photo) > 20
    assert np.array_equal(matplotlib.image.imread(file), imageio.v3.imread(file))


def test_without_torch_the_error_says_what_to_install(
    photo: Image.Image, tmp_path: Path, fresh_python: FreshPython
) -> None:
    file = tmp_path / "cat.sdz"
    photo.save(file)
    program = """
sys.modules["onnxruntime"] = None  # as if that were not installed, either
import pillow_sdz
from pillow_sdz.errors import SdzDependencyError
from PIL import Image

image = Image.open(sys.argv[1])
assert image.info["model"].startswith("tiny-")
for _ in range(2):
    try:
        image.load()
    except SdzDependencyError as error:
        assert "cat.sdz" in str(error) and "pip install torch" in str(error), error
    else:
        raise AssertionError("loaded")
image.thumbnail((24, 24))
assert image.size == (24, 20)
"""
    fresh_python(WITHOUT_TORCH + program, str(file))


@pytest.mark.parametrize("quality", [20, 50, 90])
def test_photos_are_the_same_with_both_runtimes(
    astronaut: Image.Image, chelsea: Image.Image, coffee: Image.Image, quality: int
) -> None:
    for picture in (astronaut, chelsea, coffee):
        data = saved(picture, quality=quality, effort=3).getvalue()
        found = []
        for runtime in ("torch", "onnx"):
            image = opened_sdz(data)
            image.runtime = runtime
            found.append(np.array(image).astype(int))
        assert np.abs(found[0] - found[1]).max() <= 1
        assert (found[0] != found[1]).mean() < 0.001
