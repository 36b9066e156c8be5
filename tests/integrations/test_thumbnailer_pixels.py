"""The thumbnailer's own arithmetic against Pillow's: scaling, PNG; and stored pixels without Pillow."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from thumbnails import GOLDEN, Thumbnailer, golden, name_of

from pillow_sdz.codec.box_mean import box_mean
from pillow_sdz.codec.file import read
from pillow_sdz.errors import SdzDependencyError, SdzFormatError
from pillow_sdz.integrations.desktop import system_codecs
from pillow_sdz.integrations.desktop.png import png_of
from pillow_sdz.integrations.desktop.resample import resize
from pillow_sdz.payloads.pixels import streams
from pillow_sdz.payloads.pixels.payload import StoredPixels
from pillow_sdz.plugin.colour.build import profile_of

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def noise(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("side", [1, 2, 3, 8, 64, 512])
@pytest.mark.parametrize("shape", [(100, 131, 3), (13, 7), (1, 1, 3), (5, 4000), (700, 600, 3)])
def test_means_are_those_of_pillows_reduce(shape: tuple[int, ...], side: int) -> None:
    pixels = noise(*shape)
    assert np.array_equal(box_mean(pixels, side), np.asarray(Image.fromarray(pixels).reduce(side)))


def test_means_in_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = noise(100, 30, 3)
    expected = box_mean(pixels, 8)
    monkeypatch.setattr("pillow_sdz.codec.box_mean._BAND_VALUES", 1)
    assert np.array_equal(box_mean(pixels, 8), expected)


@pytest.mark.parametrize("size", [(60, 40), (128, 98), (131, 100), (300, 7), (1, 1), (20, 200)])
def test_resampling_is_that_of_pillow(size: tuple[int, int], chelsea: Image.Image) -> None:
    photo = chelsea.resize((131, 100))
    shown = (130.3, 99.5)
    expected = np.asarray(photo.resize(size, Image.Resampling.BICUBIC, (0, 0, *shown))).astype(int)
    assert np.abs(resize(np.asarray(photo), *size, shown) - expected).max() <= 1


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")])
def test_png(channels: int, mode: str) -> None:
    pixels = noise(7, 13, channels)
    with Image.open(io.BytesIO(png_of(pixels))) as image:
        assert image.mode == mode
        assert np.array_equal(np.asarray(image).reshape(pixels.shape), pixels)


def test_profiles_that_do_not_suit_are_left_out() -> None:
    good = profile_of("sRGB")
    kept = {
        "good": (good, 3),
        "of colours, for grey": (good, 1),
        "cut": (good[:-1], 3),
        "nonsense": (b"nonsense" * 40, 3),
        "empty": (b"", 3),
        "long": (good + bytes(1 << 20), 3),
    }
    for name, (data, channels) in kept.items():
        with Image.open(io.BytesIO(png_of(noise(2, 2, channels), data))) as image:
            image.load()
            assert image.info.get("icc_profile") == (good if name == "good" else None), name


PIXELS = [path for path in GOLDEN if path.parts[-3] == "v0-pixels"]


def library_for(path: Path) -> str:
    return system_codecs.LIBHEIF if "av1" in name_of(path) else system_codecs.LIBWEBP


def skip_without(library: str) -> None:
    try:
        system_codecs._library(library, "?")
    except SdzDependencyError as error:
        package = library.partition(".")[0]
        pytest.skip(f"{error}: apt install {package}{library[-1]} (Debian 12)")


@pytest.fixture
def no_codecs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow has neither AVIF nor WebP."""

    def fail(_coding: int) -> None:
        raise SdzDependencyError("no codec")

    monkeypatch.setattr(streams, "_plugin", fail)


@pytest.mark.parametrize("path", PIXELS, ids=name_of)
def test_pixels_from_the_systems_libraries(path: Path) -> None:
    skip_without(library_for(path))
    file = read(path.read_bytes())
    assert isinstance(file.payload, StoredPixels)
    pixels = system_codecs.decode(file.payload.whole_file(), file.header.width, file.header.height)
    difference = np.abs(pixels.astype(int) - file.codes())
    assert difference.mean() < 3  # chroma is interpolated in another way
    if library_for(path) == system_codecs.LIBWEBP:
        assert difference.max() == 0


@pytest.mark.usefixtures("no_codecs")
@pytest.mark.parametrize("path", PIXELS, ids=name_of)
def test_thumbnails_of_pixels_without_pillow(path: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    skip_without(library_for(path))
    make = Thumbnailer(capsys)
    assert make("-v", "-s", 50, path, tmp_path / "t.png") == 0
    assert make.err.strip().endswith("the stored pixels")


@pytest.mark.usefixtures("no_codecs")
def test_without_any_decoder_the_error_says_what_to_install(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system_codecs, "LIBHEIF", "libheif-that-is-not-there.so.1")
    make = Thumbnailer(capsys)
    assert make(golden("v0-pixels/av1"), tmp_path / "t.png") == 1
    assert "Pillow 11.3" in make.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", PIXELS, ids=name_of)
def test_damaged_streams_are_refused_by_the_libraries(path: Path) -> None:
    skip_without(library_for(path))
    file = read(path.read_bytes())
    assert isinstance(file.payload, StoredPixels)
    data, size = file.payload.whole_file(), (file.header.width, file.header.height)
    with pytest.raises(SdzFormatError, match="another size"):
        system_codecs.decode(data, size[0] + 1, size[1])
    for broken in (data[:30], data[:12] + bytes(len(data) - 12)):
        with pytest.raises(SdzFormatError):
            system_codecs.decode(broken, *size)
    for end in range(0, len(data), max(1, len(data) // 60)):  # decoded or refused, no crash
        changed = bytearray(data)
        changed[end] ^= 0xFF
        with contextlib.suppress(SdzFormatError):
            assert system_codecs.decode(bytes(changed), *size).shape == (size[1], size[0], 3)
