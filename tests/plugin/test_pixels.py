"""Pillow's modes on their way into the format and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from pillow_sdz.codec.picture import Picture
from pillow_sdz.errors import SdzOptionError
from pillow_sdz.plugin.pixels import fill_transparent, stored_mode, to_picture, to_raw

if TYPE_CHECKING:
    from numpy.typing import NDArray


def grey_of(picture: Picture) -> list[list[int]]:
    assert (picture.rgb == picture.rgb[:, :, :1]).all()
    grey: list[list[int]] = picture.rgb[:, :, 0].tolist()
    return grey


def alpha_of(picture: Picture) -> NDArray[np.uint8]:
    assert picture.alpha is not None
    return picture.alpha


@pytest.fixture
def colours() -> Image.Image:
    return Image.fromarray(np.random.default_rng(1).integers(0, 256, (6, 5, 3), np.uint8))


def test_rgb_is_kept(colours: Image.Image) -> None:
    picture = to_picture(colours)
    assert picture.mode == "RGB"
    assert picture.alpha is None
    assert np.array_equal(picture.rgb, np.asarray(colours))


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "HSV", "LAB", "RGBX", "P"])
def test_colour_modes_are_converted_as_pillow_does(colours: Image.Image, mode: str) -> None:
    image = colours.convert(mode)
    picture = to_picture(image)
    assert picture.mode == "RGB"
    assert np.array_equal(picture.rgb, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize(("mode", "plain"), [("RGBA", "RGBA"), ("RGBa", "RGBA"), ("LA", "LA"), ("La", "LA")])
def test_alpha(mode: str, plain: str) -> None:
    pixels = np.random.default_rng(2).integers(1, 256, (6, 5, len(plain)), np.uint8)
    image = Image.fromarray(pixels).convert(mode)
    picture = to_picture(image)
    expected = np.asarray(image.convert(plain))
    assert picture.mode == plain
    assert np.array_equal(alpha_of(picture), expected[:, :, -1])
    assert np.array_equal(picture.rgb[:, :, : len(plain) - 1], expected[:, :, :-1])


def test_palette_with_transparency(colours: Image.Image) -> None:
    image = colours.convert("P", palette=Image.Palette.ADAPTIVE, colors=4)
    image.info["transparency"] = 2
    picture = to_picture(image)
    assert picture.mode == "RGBA"
    assert np.array_equal(alpha_of(picture) == 0, np.asarray(image) == 2)
    image.info["transparency"] = bytes([0, 50, 100, 255])
    assert np.array_equal(alpha_of(to_picture(image)), np.array([0, 50, 100, 255])[np.asarray(image)])
    image.info.clear()
    assert to_picture(image).mode == "RGB"


def test_palette_with_alpha() -> None:
    image = Image.new("PA", (2, 1), (3, 255))
    image.putpixel((1, 0), (3, 7))
    assert to_picture(image).mode == "RGBA"
    assert alpha_of(to_picture(image)).tolist() == [[255, 7]]


@pytest.mark.parametrize(("mode", "key"), [("L", 9), ("RGB", (9, 9, 9)), ("1", 255)])
def test_transparent_colour(mode: str, key: int | tuple[int, int, int]) -> None:
    image = Image.new(mode, (3, 1), 0)
    image.putpixel((1, 0), key)
    image.info["transparency"] = key
    picture = to_picture(image)
    assert picture.mode == ("RGBA" if mode == "RGB" else "LA")
    assert alpha_of(picture).tolist() == [[255, 0, 255]]


def test_one_bit() -> None:
    image = Image.new("1", (2, 1))
    image.putpixel((1, 0), 1)
    assert grey_of(to_picture(image)) == [[0, 255]]


@pytest.mark.parametrize("mode", ["I;16", "I;16L", "I;16B", "I;16N"])
def test_sixteen_bits_are_scaled(mode: str) -> None:
    image = Image.frombytes("I;16", (4, 1), np.array([0, 255, 256, 65535], "<u2").tobytes())
    if mode == "I;16B":
        image = Image.frombytes("I;16B", (4, 1), np.array([0, 255, 256, 65535], ">u2").tobytes())
    elif mode != "I;16":
        image = Image.frombytes(mode, (4, 1), np.array([0, 255, 256, 65535], "=u2").tobytes())
    picture = to_picture(image)
    assert picture.mode == "L"
    assert grey_of(picture) == [[0, 0, 1, 255]]


def test_sixteen_bits_with_a_transparent_value() -> None:
    image = Image.frombytes("I;16", (3, 1), np.array([256, 257, 65535], "<u2").tobytes())
    image.info["transparency"] = 257
    picture = to_picture(image)
    assert picture.mode == "LA"
    assert alpha_of(picture).tolist() == [[255, 0, 255]]


@pytest.mark.parametrize(("mode", "wrong"), [("I;16", (1, 2, 3)), ("RGB", b"\0"), ("L", b"\0"), ("F", b"\0")])
def test_malformed_transparency(mode: str, wrong: object) -> None:
    image = Image.new(mode, (3, 1))
    image.info["transparency"] = wrong
    with pytest.raises(SdzOptionError, match=f"does not suit mode {mode}"):
        to_picture(image)


@pytest.mark.parametrize(("mode", "values"), [("I", [0, 100, 255]), ("F", [0, 99.9, 255])])
def test_numbers_in_range(mode: str, values: list[float]) -> None:
    image = Image.new(mode, (3, 1))
    for x, value in enumerate(values):
        image.putpixel((x, 0), value)
    assert grey_of(to_picture(image)) == np.asarray(image.convert("L")).tolist()


@pytest.mark.parametrize(
    ("mode", "values", "kept"),
    [
        ("I", [-5, 256, 70000], [0, 255, 255]),
        ("F", [-0.1, 300.5, 7], [0, 255, 7]),
        ("F", [float("inf"), float("-inf"), float("nan")], [255, 0, 0]),
    ],
)
def test_numbers_out_of_range_are_clipped_with_a_warning(mode: str, values: list[float], kept: list[int]) -> None:
    image = Image.new(mode, (3, 1))
    for x, value in enumerate(values):
        image.putpixel((x, 0), value)
    with pytest.warns(UserWarning, match="clipped"):
        assert grey_of(to_picture(image)) == [kept]


def test_no_pixels() -> None:
    with pytest.raises(SdzOptionError, match="0 x 3"):
        to_picture(Image.new("L", (0, 3)))


def test_the_stored_mode_is_what_picture_say() -> None:
    for mode in (
        "1",
        "L",
        "P",
        "PA",
        "LA",
        "La",
        "RGB",
        "RGBA",
        "RGBX",
        "RGBa",
        "CMYK",
        "YCbCr",
        "HSV",
        "LAB",
        "I",
        "F",
    ):
        image = Image.new(mode, (2, 2))
        assert to_picture(image).mode == stored_mode(image)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_back_to_bytes(mode: str) -> None:
    pixels = np.random.default_rng(3).integers(1, 256, (3, 4, 4), np.uint8)
    if mode.startswith("L"):
        pixels[:, :, :3] = pixels[:, :, :1]
    rgb, alpha = np.ascontiguousarray(pixels[:, :, :3]), np.ascontiguousarray(pixels[:, :, 3])
    image = Image.frombytes(mode, (4, 3), to_raw(Picture(rgb, alpha, mode)).tobytes())
    assert np.array_equal(np.asarray(image.convert("RGB")), rgb)
    if mode.endswith("A"):
        assert np.array_equal(np.asarray(image.getchannel("A")), alpha)


def test_fill_is_smooth_and_only_where_nothing_shows() -> None:
    rng = np.random.default_rng(4)
    ramp = np.broadcast_to(np.linspace(0, 250, 100)[None, :, None], (70, 100, 3)).astype(np.uint8)
    alpha = rng.integers(1, 256, (70, 100), np.uint8)
    alpha[20:50, 30:90] = 0
    rgb = np.where(alpha[:, :, None] > 0, ramp, rng.integers(0, 256, ramp.shape)).astype(np.uint8)
    fill_transparent(rgb, alpha)
    assert np.array_equal(rgb[alpha > 0], ramp[alpha > 0])
    hidden = rgb[20:50, 30:90].astype(int)
    assert np.abs(np.diff(hidden, axis=1)).max() <= 40
    assert np.abs(np.diff(hidden, axis=0)).max() <= 40
    assert np.abs(hidden[:, 0] - 75).max() <= 30


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (8, 8), (17, 23)])
def test_fill_of_any_size(size: tuple[int, int]) -> None:
    width, height = size
    rgb = np.full((height, width, 3), 7, np.uint8)
    alpha = np.zeros((height, width), np.uint8)
    fill_transparent(rgb, alpha)
    assert (rgb == 128).all()
    alpha[-1, -1] = 1
    rgb[-1, -1] = (1, 2, 250)
    fill_transparent(rgb, alpha)
    assert (rgb == (1, 2, 250)).all()
