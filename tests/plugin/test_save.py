"""Saving through Pillow: modes, options on their way to the encoder, frames, profiles, and failures."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
import toy_model
from in_memory import saved, through
from PIL import Image

from pillow_sdz.errors import SdzDependencyError, SdzError, SdzModelError, SdzOptionError

if TYPE_CHECKING:
    from pathlib import Path

    from toy_model import Toy

pytestmark = pytest.mark.usefixtures("toy")


@pytest.fixture
def image() -> Image.Image:
    return Image.fromarray(toy_model.blocks(40, 20))


@pytest.mark.parametrize(
    ("mode", "stored"),
    [
        *[(mode, "L") for mode in ("1", "L", "I", "F", "I;16", "I;16B", "I;16L", "I;16N")],
        *[(mode, "LA") for mode in ("LA", "La")],
        *[(mode, "RGB") for mode in ("RGB", "RGBX", "P", "CMYK", "YCbCr", "LAB", "HSV")],
        *[(mode, "RGBA") for mode in ("RGBA", "RGBa", "PA")],
    ],
)
def test_modes(mode: str, stored: str) -> None:
    again = through(Image.new(mode, (9, 5)))
    assert (again.mode, again.size) == (stored, (9, 5))
    again.load()


@pytest.mark.parametrize("size", [(0, 0), (0, 5), (5, 0)])
def test_no_pixels(size: tuple[int, int], tmp_path: Path) -> None:
    with pytest.raises(SdzOptionError, match="no pixels") as caught:
        Image.new("RGB", size).save(tmp_path / "a.sdz")
    assert isinstance(caught.value, ValueError)
    assert not list(tmp_path.iterdir())


def test_options_reach_the_encoder(image: Image.Image, toy: Toy) -> None:
    info = through(image, model="other-2", denoise_steps=2).info
    assert (info["model"], info["denoise_steps"]) == ("other-2", 2)
    assert toy.loaded[0].model == "other-2"
    few, many = (through(image, payload="palette", quality=quality).info["colors"] for quality in (0, 50))
    assert few < many
    assert through(image, payload="direct").info["payload"] == "direct"
    assert through(image, denoise_steps=0).info["denoise_steps"] == 0
    large = Image.linear_gradient("L").convert("RGB").resize((512, 512))
    assert len(saved(large, effort=9)) < len(saved(large, effort=0))


def test_encoder_errors_name_the_file_and_leave_nothing(image: Image.Image, tmp_path: Path, toy: Toy) -> None:
    toy.failure = SdzModelError("no such model", field="model", found="tinny")
    file = tmp_path / "a.sdz"
    with pytest.raises(SdzModelError, match=r"a\.sdz: model: no such model") as caught:
        image.save(file)
    assert caught.value.file == str(file)
    assert not file.exists()
    stream = io.BytesIO()
    with pytest.raises(SdzModelError):
        image.save(stream, "SDZ")
    assert stream.getvalue() == b""


def test_option_errors_name_the_file(image: Image.Image, tmp_path: Path) -> None:
    with pytest.raises(SdzOptionError, match=r"a\.sdz: quality: is out of range \(found 101, "):
        image.save(tmp_path / "a.sdz", quality=101)


@pytest.mark.parametrize("package", ["torch", "safetensors", "imagequant"])
def test_missing_packages(image: Image.Image, toy: Toy, package: str) -> None:
    toy.failure = ModuleNotFoundError(f"No module named '{package}.nn'", name=f"{package}.nn")
    with pytest.raises(SdzDependencyError, match=f"pip install {package}"):
        saved(image)
    toy.failure = None
    again = through(image)
    toy.failure = ModuleNotFoundError("No module named 'torch'", name="torch")
    with pytest.raises(SdzDependencyError, match="pip install torch"):
        again.load()


def test_other_failed_imports_are_not_disguised(image: Image.Image, toy: Toy) -> None:
    toy.failure = ModuleNotFoundError("No module named 'foo'", name="foo")
    with pytest.raises(ModuleNotFoundError, match="foo"):
        saved(image)


def test_one_frame_only(image: Image.Image, tmp_path: Path) -> None:
    stream = io.BytesIO()
    image.save(stream, "GIF", save_all=True, append_images=[image.rotate(180)])
    animation = Image.open(stream)
    with pytest.raises(SdzOptionError, match="2 frames"):
        animation.save(tmp_path / "a.sdz", save_all=True)
    animation.seek(1)
    animation.save(tmp_path / "a.sdz")  # the current frame
    with Image.open(tmp_path / "a.sdz") as again:
        assert np.array_equal(
            np.asarray(again), toy_model.grow(toy_model.codes_of(np.asarray(animation.convert("RGB"))), 40, 20)
        )
    for keywords in ({"append_images": [image]}, {"append_images": iter([image]), "save_all": True}):
        with pytest.raises(SdzOptionError, match="append_images"):
            image.save(tmp_path / "b.sdz", **keywords)
    assert not (tmp_path / "b.sdz").exists()
    image.save(tmp_path / "c.sdz", save_all=True, append_images=[])
    image.save(tmp_path / "d.sdz", save_all=False)


def test_warnings_point_at_the_callers_line(image: Image.Image) -> None:
    with pytest.warns(UserWarning, match="optimize") as caught:
        image.save(io.BytesIO(), "SDZ", optimize=True)
    assert [warning.filename for warning in caught] == [__file__]


def test_profile_of_another_colour_space(toy: Toy) -> None:
    header = bytes(16)
    cmyk, rgb, grey = (header + space + bytes(100) for space in (b"CMYK", b"RGB ", b"GRAY"))
    image = Image.new("CMYK", (8, 8))
    image.info["icc_profile"] = cmyk
    with pytest.warns(UserWarning, match="ICC profile was dropped"):
        assert "icc_profile" not in through(image).info
    assert through(image, icc_profile=cmyk).info["icc_profile"] == cmyk  # asked for
    for mode, profile in (("RGB", rgb), ("L", grey), ("L", rgb), ("I;16", grey), ("RGB", b"unknown")):
        image = Image.new(mode, (8, 8))
        image.info["icc_profile"] = profile
        assert through(image).info["icc_profile"] == profile


def test_colour_under_transparency_does_not_matter(toy: Toy) -> None:
    pixels = np.zeros((32, 32, 4), np.uint8)
    pixels[8:24, 8:24] = (200, 100, 50, 255)
    pixels[0, 0] = (255, 0, 255, 0)
    again = through(Image.fromarray(pixels))
    assert (toy.model.pictures[0] == (200, 100, 50)).all()
    assert np.array_equal(np.asarray(again)[:, :, 3], pixels[:, :, 3])
    assert (pixels[0, 0] == (255, 0, 255, 0)).all()


def test_saving_leaves_the_image_alone(toy: Toy) -> None:
    image = Image.new("RGBA", (16, 16), (10, 20, 30, 0))
    image.info["note"] = "x"
    before = image.tobytes(), dict(image.info)
    saved(image)
    assert (image.tobytes(), dict(image.info)) == before


def test_every_failure_after_the_options_is_an_oserror(image: Image.Image, toy: Toy) -> None:
    toy.failure = SdzError("something")
    with pytest.raises(OSError, match="something"):
        saved(image)
