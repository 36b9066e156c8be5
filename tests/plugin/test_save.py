"""Saving through Pillow: modes, options on their way to the encoder, and what happens when it fails."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
import toy_codec
from PIL import Image

from pillow_sdz.errors import SdzDependencyError, SdzError, SdzModelError, SdzOptionError


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    return toy_codec.install(monkeypatch)


@pytest.fixture
def image():
    return Image.fromarray(toy_codec.blocks(40, 20))


def saved(image, **keywords):
    stream = io.BytesIO()
    image.save(stream, "SDZ", **keywords)
    stream.seek(0)
    return Image.open(stream)


def test_save_to_a_path(image, tmp_path):
    for target in (tmp_path / "a.sdz", str(tmp_path / "b.SDZ"), os.fsencode(tmp_path / "c.sdz")):
        image.save(target)
        with Image.open(target) as again:
            assert again.format == "SDZ"
            assert np.array_equal(np.asarray(again), np.asarray(image))


def test_save_to_a_stream(image):
    stream = io.BytesIO(b"")
    image.save(stream, "sdz")
    assert not stream.closed
    assert stream.getvalue() == toy_codec.encode(np.asarray(image), None, "RGB")


def test_save_an_opened_file_over_itself(image, tmp_path):
    file = tmp_path / "a.sdz"
    image.save(file)
    with Image.open(file) as opened:
        opened.save(file)
    with Image.open(file) as again:
        assert np.array_equal(np.asarray(again), np.asarray(image))


@pytest.mark.parametrize(
    ("mode", "stored"),
    [
        *[(mode, "L") for mode in ("1", "L", "I", "F", "I;16", "I;16B", "I;16L", "I;16N")],
        *[(mode, "LA") for mode in ("LA", "La")],
        *[(mode, "RGB") for mode in ("RGB", "RGBX", "P", "CMYK", "YCbCr", "LAB", "HSV")],
        *[(mode, "RGBA") for mode in ("RGBA", "RGBa", "PA")],
    ],
)
def test_modes(mode, stored):
    again = saved(Image.new(mode, (9, 5)))
    assert (again.mode, again.size) == (stored, (9, 5))
    again.load()


@pytest.mark.parametrize("size", [(0, 0), (0, 5), (5, 0)])
def test_no_pixels(size, tmp_path):
    with pytest.raises(SdzOptionError, match="no pixels") as caught:
        Image.new("RGB", size).save(tmp_path / "a.sdz")
    assert isinstance(caught.value, ValueError)
    assert not list(tmp_path.iterdir())


def test_options_reach_the_encoder(image, toy):
    saved(image, quality=70, model="tiny-8", steps=2, effort=9)
    _, _, _, options, _ = toy.encoded[0]
    assert (options.quality, options.model, options.steps, options.effort) == (70, "tiny-8", 2, 9)
    assert saved(image, payload="direct").info["payload"] == "direct"
    assert saved(image, steps=0).info["steps"] == 0


def test_encoder_errors_name_the_file_and_leave_nothing(image, tmp_path, toy):
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


def test_option_errors_name_the_file(image, tmp_path):
    with pytest.raises(SdzOptionError, match=r"a\.sdz: quality: is out of range \(found 101, "):
        image.save(tmp_path / "a.sdz", quality=101)


@pytest.mark.parametrize("package", ["torch", "safetensors", "imagequant"])
def test_missing_packages(image, toy, package):
    toy.failure = ModuleNotFoundError(f"No module named '{package}.nn'", name=f"{package}.nn")
    with pytest.raises(SdzDependencyError, match=f"pip install {package}"):
        saved(image)
    toy.failure = None
    again = saved(image)
    toy.failure = ModuleNotFoundError("No module named 'torch'", name="torch")
    with pytest.raises(SdzDependencyError, match="pip install torch"):
        again.load()


def test_other_failed_imports_are_not_disguised(image, toy):
    toy.failure = ModuleNotFoundError("No module named 'foo'", name="foo")
    with pytest.raises(ModuleNotFoundError, match="foo"):
        saved(image)


def test_streams_that_take_a_part_at_a_time(image):
    class Narrow(io.BytesIO):
        def write(self, data):
            return super().write(data[:13])

    stream = Narrow()
    image.save(stream, "SDZ")
    assert stream.getvalue() == toy_codec.encode(np.asarray(image), None, "RGB")


def test_streams_that_only_write(image):
    class Bare:
        data = b""

        def write(self, data):
            self.data += data

    stream = Bare()
    image.save(stream, "SDZ")
    assert stream.data == toy_codec.encode(np.asarray(image), None, "RGB")


def test_full_disk(image):
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    with pytest.raises(OSError, match=r"No space left on device: '/dev/full'"):
        image.save("/dev/full", "SDZ")


def test_no_half_written_file_stays_behind(image, tmp_path):
    """A limit on the size of files stands for a full disk: the first bytes are written, the others are not."""
    resource = pytest.importorskip("resource", reason="needs file size limits")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        with pytest.raises(OSError, match=r"too large: .*a\.sdz"):
            image.save(tmp_path / "a.sdz")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("mode", ["wb", "w+b", "ab"])
def test_the_callers_file_goes_on_after_the_picture(image, tmp_path, mode):
    expected = toy_codec.encode(np.asarray(image), None, "RGB")
    with (tmp_path / "a.bin").open(mode) as file:
        file.write(b"before")
        image.save(file, "SDZ")
        assert file.tell() == 6 + len(expected)
        file.write(b"after")
    assert (tmp_path / "a.bin").read_bytes() == b"before" + expected + b"after"


def test_pipes(image):
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as file:
        image.save(file, "SDZ")
    with os.fdopen(reader, "rb") as file:
        assert file.read() == toy_codec.encode(np.asarray(image), None, "RGB")


def test_one_frame_only(image, tmp_path):
    stream = io.BytesIO()
    image.save(stream, "GIF", save_all=True, append_images=[image.rotate(180)])
    animation = Image.open(stream)
    with pytest.raises(SdzOptionError, match="2 frames"):
        animation.save(tmp_path / "a.sdz", save_all=True)
    animation.seek(1)
    animation.save(tmp_path / "a.sdz")  # the current frame
    with Image.open(tmp_path / "a.sdz") as again:
        assert np.array_equal(
            np.asarray(again), toy_codec.grow(toy_codec.codes_of(np.asarray(animation.convert("RGB"))), 40, 20)
        )
    for keywords in ({"append_images": [image]}, {"append_images": iter([image]), "save_all": True}):
        with pytest.raises(SdzOptionError, match="append_images"):
            image.save(tmp_path / "b.sdz", **keywords)
    assert not (tmp_path / "b.sdz").exists()
    image.save(tmp_path / "c.sdz", save_all=True, append_images=[])
    image.save(tmp_path / "d.sdz", save_all=False)


def test_warnings_point_at_the_callers_line(image):
    with pytest.warns(UserWarning, match="optimize") as caught:
        saved(image, optimize=True)
    assert [warning.filename for warning in caught] == [__file__]


def test_profile_of_another_colour_space(toy):
    header = bytes(16)
    cmyk, rgb, grey = (header + space + bytes(100) for space in (b"CMYK", b"RGB ", b"GRAY"))
    image = Image.new("CMYK", (8, 8))
    image.info["icc_profile"] = cmyk
    with pytest.warns(UserWarning, match="ICC profile was dropped"):
        assert "icc_profile" not in saved(image).info
    assert saved(image, icc_profile=cmyk).info["icc_profile"] == cmyk  # asked for
    for mode, profile in (("RGB", rgb), ("L", grey), ("L", rgb), ("I;16", grey), ("RGB", b"unknown")):
        image = Image.new(mode, (8, 8))
        image.info["icc_profile"] = profile
        assert saved(image).info["icc_profile"] == profile


def test_colour_under_transparency_does_not_matter(toy):
    pixels = np.zeros((32, 32, 4), np.uint8)
    pixels[8:24, 8:24] = (200, 100, 50, 255)
    pixels[0, 0] = (255, 0, 255, 0)
    again = saved(Image.fromarray(pixels))
    rgb, alpha, *_ = toy.encoded[0]
    assert (rgb == (200, 100, 50)).all()
    assert np.array_equal(alpha, pixels[:, :, 3])
    assert np.array_equal(np.asarray(again)[:, :, 3], pixels[:, :, 3])
    assert (pixels[0, 0] == (255, 0, 255, 0)).all()


def test_saving_leaves_the_image_alone(toy):
    image = Image.new("RGBA", (16, 16), (10, 20, 30, 0))
    image.info["note"] = "x"
    before = image.tobytes(), dict(image.info)
    saved(image)
    assert (image.tobytes(), dict(image.info)) == before


def test_a_read_only_folder(image, tmp_path):
    missing = tmp_path / "missing" / "a.sdz"
    with pytest.raises(FileNotFoundError, match="missing"):
        image.save(missing)
    if os.geteuid() == 0:
        return  # root may write anywhere
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match=r"a\.sdz"):
        image.save(tmp_path / "a.sdz")


def test_every_failure_after_the_options_is_an_oserror(image, toy):
    toy.failure = SdzError("something")
    with pytest.raises(OSError, match="something"):
        saved(image)
