"""The option ``metadata``: what each level keeps of a camera's EXIF and an editor's XMP, and what that costs."""

from __future__ import annotations

import struct
import warnings
from typing import Any

import icc_profiles
import in_memory
import numpy as np
import pytest
import toy_model
from PIL import ExifTags, Image
from tiff_streams import HOSTILE, stream

from pillow_sdz.codec.file import read
from pillow_sdz.container.metadata import Metadata
from pillow_sdz.container.sections import parts_of
from pillow_sdz.container.tiff import Directory, Value, read_tiff, write_tiff
from pillow_sdz.errors import SdzOptionError
from pillow_sdz.options import METADATA_LEVELS
from pillow_sdz.plugin.metadata.exif import useful_exif
from pillow_sdz.plugin.metadata.levels import reduced
from pillow_sdz.plugin.metadata.report import listener
from tools.bench.camera_metadata import MAKER_NOTE, camera_exif, editor_xmp

pytestmark = pytest.mark.usefixtures("toy")

CAMERA, EDITOR = camera_exif(), editor_xmp()
PREFIX = b"Exif\0\0"
GONE = {"MakerNote", "ComponentsConfiguration", "CompressedBitsPerPixel", "FlashPixVersion", "CFAPattern"} | {
    "ExifImageWidth",
    "ExifImageHeight",
    "UserComment",
    "ExifInteroperabilityOffset",
    "YCbCrPositioning",
}
"""Names of the tags of the camera's EXIF that level ``useful`` leaves out; its user comment is blank."""


@pytest.fixture
def image() -> Image.Image:
    return Image.fromarray(toy_model.blocks(40, 20))


@pytest.fixture
def photo(image: Image.Image) -> Image.Image:
    """As a camera and an editor have left it: opened from a JPEG."""
    made = in_memory.through(
        image, "JPEG", exif=PREFIX + CAMERA, xmp=EDITOR, icc_profile=icc_profiles.lcms("sRGB"), comment="a bridge"
    )
    made.load()
    return made


def exif_of(image: Image.Image) -> dict[str, Any]:
    """All tags by name; those of GPS with its name before them."""
    exif = image.getexif()
    found = {ExifTags.TAGS[tag]: exif[tag] for tag in exif if tag not in (0x8769, 0x8825)}
    found |= {ExifTags.TAGS[tag]: value for tag, value in exif.get_ifd(0x8769).items()}
    return found | {f"GPS {tag}": value for tag, value in exif.get_ifd(0x8825).items()}


def cost(data: bytes, name: str) -> int:
    """Bytes of a section in a file."""
    return dict(parts_of(read(data).container)).get(name, 0)


def test_all_is_exact(photo: Image.Image) -> None:
    again = in_memory.through(photo, metadata="all")
    for key in ("exif", "xmp", "icc_profile"):
        assert again.info[key] == photo.info[key]
    assert again.info["exif"] == PREFIX + CAMERA
    assert again.info["xmp"] == EDITOR
    assert again.info["comment"] == "a bridge"
    assert in_memory.through(again, metadata="all").info["exif"] == PREFIX + CAMERA


@pytest.mark.parametrize("name", HOSTILE)
def test_all_is_exact_for_hostile_exif(image: Image.Image, name: str) -> None:
    image.info["exif"] = PREFIX + HOSTILE[name]
    again = in_memory.through(image, metadata="all")
    assert again.info.get("exif", PREFIX) == PREFIX + HOSTILE[name]


def test_useful_is_the_default_and_keeps_what_is_read(photo: Image.Image) -> None:
    data = in_memory.saved(photo)
    assert data == in_memory.saved(photo, metadata="useful") == in_memory.saved(photo, metadata=None)
    again = in_memory.opened(data)
    before, after = exif_of(photo), exif_of(again)
    assert set(before) >= GONE
    assert after == {name: value for name, value in before.items() if name not in GONE}
    assert not again.getexif().get_ifd(ExifTags.IFD.IFD1)
    assert again.info["comment"] == "a bridge"
    assert again.info["colour_space"] == "sRGB"
    assert again.info["xmp"].split() == EDITOR.split()
    assert len(again.info["xmp"]) <= len(EDITOR) - 1_900


def test_what_the_camera_and_the_editor_cost(photo: Image.Image) -> None:
    data = in_memory.saved(photo)
    assert cost(data, "exif") <= 300
    assert 3 * cost(data, "xmp") <= len(editor_xmp(padding=0))
    assert cost(data, "icc") == 0
    plain = in_memory.saved(photo, metadata="none")
    assert len(in_memory.saved(photo, xmp=None, text=None)) - len(plain) <= 350
    everything = in_memory.saved(photo, metadata="all")
    assert cost(everything, "exif") > 16_000


def test_saving_again_changes_nothing(photo: Image.Image) -> None:
    once = in_memory.saved(photo)
    assert in_memory.saved(in_memory.opened(once)) == once


def test_essential_is_orientation_and_colour(photo: Image.Image) -> None:
    data = in_memory.saved(photo, metadata="essential")
    again = in_memory.opened(data)
    assert exif_of(again) == {"Orientation": 6}
    assert again.info["colour_space"] == "sRGB"
    assert {"xmp", "comment"}.isdisjoint(again.info)
    assert cost(data, "exif") <= 20


def test_essential_without_an_orientation(image: Image.Image) -> None:
    upright = Image.Exif()
    upright[0x112], upright[0x10F] = 1, "Maker"
    image.info["exif"] = upright.tobytes()
    assert "exif" not in in_memory.through(image, metadata="essential").info


def test_essential_finds_the_orientation_in_xmp(image: Image.Image) -> None:
    image.info["XML:com.adobe.xmp"] = EDITOR.decode()  # where all supported versions of Pillow look for it
    assert image.getexif()[0x112] == 6
    again = in_memory.through(image, metadata="essential")
    assert exif_of(again) == {"Orientation": 6}
    assert "xmp" not in again.info
    upright = Image.Exif()
    upright[0x112] = 1
    image.info["exif"] = upright.tobytes()  # takes precedence
    assert "exif" not in in_memory.through(image, metadata="essential").info


def test_none_is_nothing(photo: Image.Image) -> None:
    again = in_memory.through(photo, metadata="none")
    assert {"exif", "xmp", "icc_profile", "comment", "colour_space"}.isdisjoint(again.info)


@pytest.mark.parametrize("level", METADATA_LEVELS)
def test_what_is_given_is_stored_exactly(photo: Image.Image, level: str) -> None:
    given: dict[str, Any] = {"exif": CAMERA, "xmp": EDITOR, "text": {"Title": "x"}}
    again = in_memory.through(photo, metadata=level, **given)
    assert again.info["exif"] == PREFIX + CAMERA
    assert again.info["xmp"] == EDITOR
    assert again.info["Title"] == "x"
    assert "comment" not in again.info
    nothing: dict[str, Any] = dict.fromkeys(given)
    gone = in_memory.through(photo, metadata=level, **nothing)
    assert {"exif", "xmp", "comment"}.isdisjoint(gone.info)


@pytest.mark.parametrize("level", ["everything", "", 5, True, ("all",)])
def test_no_such_level(image: Image.Image, level: Any) -> None:
    with pytest.raises(SdzOptionError, match=r"metadata: no such metadata.*useful, all, essential or none"):
        in_memory.through(image, metadata=level)


def ascii_of(data: bytes) -> Value:
    return Value(2, len(data), data)


def test_texts_are_trimmed_and_blank_ones_left_out() -> None:
    comment = 0x9286
    blank = {0x131: ascii_of(b"\0"), 0x132: ascii_of(b"   \0"), 0x13B: ascii_of(b"")}
    below: Directory = {comment: Value(7, 20, b"ASCII\0\0\0" + b" " * 12), 0x9003: ascii_of(b"2020\0\0\0")}
    kept: Directory = {0x10E: ascii_of(b"A camera \0\0\0\0"), 0x10F: ascii_of(b"no end"), 0x8769: below}
    exif, _ = useful_exif(write_tiff(kept | blank))
    assert exif is not None
    assert read_tiff(exif) == {
        0x10E: ascii_of(b"A camera \0"),
        0x10F: ascii_of(b"no end\0"),
        0x8769: {0x9003: ascii_of(b"2020\0")},
    }
    below[comment] = Value(7, 12, b"UNICODE\0a\0b\0")
    assert b"UNICODE\0a\0b\0" in (useful_exif(write_tiff(kept))[0] or b"")


@pytest.mark.parametrize("name", HOSTILE)
def test_useful_of_hostile_exif(image: Image.Image, name: str) -> None:
    """It is left out with a warning if it cannot be read, and in normal form otherwise."""
    image.info["exif"] = PREFIX + HOSTILE[name]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        again = in_memory.through(image)
    exif = again.info.get("exif")
    unreadable = name in ("no byte order", "head only", "bigtiff", "first directory outside", "values that overlap")
    assert ["EXIF data are damaged" in str(each.message) for each in caught] == [True] * unreadable
    if exif is not None:
        stored = exif.removeprefix(PREFIX)
        assert write_tiff(read_tiff(stored)) == stored
        assert len(stored) <= 4 * len(HOSTILE[name]) + 100


def test_an_orientation_that_is_damaged(image: Image.Image) -> None:
    for damaged in (HOSTILE["bigtiff"], stream((0x112, 3, 1, 77)), stream((0x112, 3, 2, 0x60006)), b"?"):
        image.info["exif"] = PREFIX + damaged
        assert "exif" not in in_memory.through(image, metadata="essential").info


def test_a_listener_hears_what_is_left_out(photo: Image.Image) -> None:
    heard: list[tuple[tuple[str, ...], int]] = []
    token = listener.set(lambda parts, saved: heard.append((parts, saved)))
    try:
        useful, everything = in_memory.saved(photo), in_memory.saved(photo, metadata="all")
        in_memory.saved(in_memory.opened(useful))
    finally:
        listener.reset(token)
    ((parts, saved),) = heard
    assert parts == ("thumbnail", "maker note", "padding of XMP")
    assert saved == len(everything) - len(useful) - cost(everything, "icc")


def test_levels_do_not_change_what_they_are_given() -> None:
    metadata = Metadata(icc=b"icc", exif=CAMERA, xmp=EDITOR, text={"a": "b"})
    assert reduced(metadata, "all", "RGB") == metadata
    assert reduced(metadata, "none", "RGB", ["icc", "exif", "xmp", "text"]) == metadata
    assert MAKER_NOTE in read_tiff(CAMERA)[0x8769]  # type: ignore[operator]
    assert struct.unpack(">H", CAMERA[8:10]) == (13,)


@pytest.mark.parametrize(
    ("largest", "message"),
    [
        ("exif", r"; EXIF takes \d+ bytes: exif=None or metadata='essential' leaves it out$"),
        ("xmp", r"; XMP takes \d+ bytes: xmp=None or metadata='essential' leaves it out$"),
        ("icc_profile", r"; the ICC profile takes \d+ bytes: icc_profile=None or metadata='none' leaves it out$"),
        ("text", r"; text takes \d+ bytes: text=None or metadata='essential' leaves it out$"),
        ("nothing", r"; raise target_size, drop metadata or make the picture smaller$"),
    ],
)
def test_a_target_size_names_the_largest_part(image: Image.Image, largest: str, message: str) -> None:
    blob = np.random.default_rng(0).bytes(3_000)
    value: Any = {"noise": blob.hex()} if largest == "text" else blob
    keywords = {} if largest == "nothing" else {largest: value}
    keywords = {"exif": b"short"} | keywords
    with pytest.raises(SdzOptionError, match=r"target_size: the picture does not fit.*" + message):
        in_memory.saved(image, target_size=70, **keywords)
    if largest != "nothing":
        keywords[largest] = None
        assert in_memory.saved(image, target_size=2_000, **keywords)
