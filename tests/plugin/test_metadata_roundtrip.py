"""ICC, EXIF, XMP and texts: from keywords and info into the file, back into info, and on into other formats."""

from __future__ import annotations

from typing import Any

import in_memory
import numpy as np
import pytest
import toy_model
from PIL import Image, ImageCms, ImageFile, ImageOps
from PIL.PngImagePlugin import PngInfo

from pillow_sdz.codec.file import read
from pillow_sdz.container.metadata import Metadata
from pillow_sdz.errors import SdzError, SdzOptionError
from pillow_sdz.plugin.colour.build import profile_of
from pillow_sdz.plugin.info import BOOKKEEPING, ERROR_KEYS, collect, to_info

ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF/></x:xmpmeta>'
ORIENTATION, DESCRIPTION = 0x0112, 0x010E


def exif(orientation: int = 6) -> Image.Exif:
    data = Image.Exif()
    data[ORIENTATION] = orientation
    data[DESCRIPTION] = "a cat"
    return data


pytestmark = pytest.mark.usefixtures("toy")

FACTS = set(BOOKKEEPING) - {"step", "colour_space", *ERROR_KEYS} | {"patched"}  # only some files have the others
SRGB = profile_of("sRGB")


def through(image: Image.Image, kind: str = "SDZ", **keywords: Any) -> ImageFile.ImageFile:
    """An image saved, opened and loaded."""
    again = in_memory.through(image, kind, **keywords)
    again.load()
    return again


@pytest.fixture
def image() -> Image.Image:
    return Image.fromarray(toy_model.blocks(40, 20))


@pytest.fixture
def full(image: Image.Image) -> Image.Image:
    """With all kinds of metadata in info."""
    return through(image, icc_profile=ICC, exif=exif(), xmp=XMP, text={"Title": "cat", "Ümläut": "größer\n\u732b"})


def test_keywords(full: Image.Image) -> None:
    assert full.info["icc_profile"] == ICC
    assert full.info["xmp"] == XMP
    assert full.getexif()[DESCRIPTION] == "a cat"
    assert full.info["Title"] == "cat"
    assert full.info["Ümläut"] == "größer\n\u732b"


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG", "TIFF"])
def test_from_other_formats(image: Image.Image, kind: str) -> None:
    source = through(image, kind, icc_profile=ICC, exif=exif(), xmp=XMP)
    if kind == "TIFF":
        source.info["exif"] = exif().tobytes()  # Pillow's TIFF reader turns the picture and puts no EXIF into info
        source.info.setdefault("xmp", XMP)
    if kind == "PNG":
        source.info.setdefault("xmp", XMP)
    again = through(source)
    assert again.info["icc_profile"] == SRGB
    assert again.info["colour_space"] == "sRGB"
    assert again.info["xmp"] == XMP
    assert again.getexif()[ORIENTATION] == 6
    assert set(again.info) == {"icc_profile", "colour_space", "exif", "xmp", *FACTS}


def test_what_describes_a_tiff_is_kept(image: Image.Image) -> None:
    """Pillow's reader puts nothing of it into info, and has turned the picture by the time it is saved."""
    tags = exif()
    tags[0x8298] = "me"
    again = through(through(image, "TIFF", exif=tags))
    assert dict(again.getexif()) == {DESCRIPTION: "a cat", 0x8298: "me"}
    assert again.size == (20, 40)
    assert "exif" not in through(through(image, "TIFF", exif=tags), exif=None).info


@pytest.mark.parametrize("key", ["orientation", "id_section", "palette", "comment"])
@pytest.mark.parametrize("kind", ["TGA", "GIF", "JPEG", "PNG"])
def test_a_text_is_no_option_of_another_saver(image: Image.Image, key: object, kind: str) -> None:
    opened = through(image, text={key: "cat"})
    assert through(through(opened, kind).convert("RGB")).size == image.size
    assert through(opened).info == opened.info


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG", "AVIF"])
def test_exif_goes_on_into_other_formats(full: Image.Image, kind: str) -> None:
    """The usual ``save(..., exif=image.info["exif"])``; Pillow's JPEG saver would lose it without its prefix."""
    if kind not in Image.SAVE:
        Image.init()
    if kind not in Image.SAVE:
        pytest.skip("this Pillow has no AVIF")
    assert through(full, kind, exif=full.info["exif"]).getexif()[ORIENTATION] == 6


def test_what_info_holds_survives(full: Image.Image) -> None:
    again = through(full, metadata="all")
    assert again.info == full.info | {"bpp": again.info["bpp"]}
    again = through(full)
    named = {"icc_profile": SRGB, "colour_space": "sRGB", "exif": again.info["exif"]}
    assert again.info == full.info | named | {"bpp": again.info["bpp"]}
    assert dict(again.getexif()) == dict(full.getexif())
    assert through(again).info == again.info
    assert through(full.copy()).info == again.info
    assert through(full.rotate(90)).info["Title"] == "cat"


@pytest.mark.parametrize("nothing", [None, b""])
def test_dropped_on_request(full: Image.Image, nothing: bytes | None) -> None:
    again = through(full, icc_profile=nothing, exif=nothing, xmp=nothing, text={})
    assert set(again.info) == FACTS
    assert len(again.getexif()) == 0
    assert "Title" not in through(full, text=None).info
    assert "exif" not in through(full, exif=Image.Exif()).info
    assert "exif" not in through(full, exif=b"Exif\0\0").info


def test_orientation_is_left_alone(full: Image.Image) -> None:
    assert full.size == (40, 20)
    assert full.getexif()[ORIENTATION] == 6
    upright = ImageOps.exif_transpose(full)
    assert upright.size == (20, 40)
    assert ORIENTATION not in through(upright).getexif()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation(image: Image.Image, orientation: int) -> None:
    assert through(image, exif=exif(orientation)).getexif()[ORIENTATION] == orientation


def test_exif_with_and_without_its_prefix_and_doubled(image: Image.Image) -> None:
    raw = exif().tobytes().removeprefix(b"Exif\0\0")
    for given in (raw, b"Exif\0\0" + raw, b"Exif\0\0Exif\0\0" + raw, exif(), bytearray(raw)):
        again = through(image, exif=given)
        assert again.info["exif"] == b"Exif\0\0" + raw
        assert again.getexif()[ORIENTATION] == 6


def test_changed_exif(full: Image.Image) -> None:
    data = full.getexif()
    data[ORIENTATION] = 1
    assert through(full, exif=data).getexif()[ORIENTATION] == 1


def test_xmp_as_text(image: Image.Image) -> None:
    assert through(image, xmp=XMP.decode()).info["xmp"] == XMP
    assert through(image, xmp="größer").info["xmp"] == "größer".encode()


@pytest.mark.parametrize(
    "wrong",
    [
        {"exif": "text"},
        {"exif": 5},
        {"icc_profile": "sRGB"},
        {"xmp": 5},
        {"xmp": "\ud800"},
        {"text": "text"},
        {"text": {"key": 5}},
        {"text": {5: "value"}},
        {"text": {"": "value"}},
        {"text": {"k" * 256: "value"}},
        {"text": {"key": "\ud800"}},
        {"text": [("key", "value")]},
    ],
)
def test_wrong_types(image: Image.Image, wrong: dict[str, Any]) -> None:
    with pytest.raises(SdzOptionError, match=next(iter(wrong))):
        through(image, **wrong)


def test_png_text(image: Image.Image) -> None:
    texts = PngInfo()
    texts.add_text("parameters", "a cat\nSteps: 20, Seed: 1")
    texts.add_itxt("workflow", '{"größe": 1}', lang="de", tkey="Ablauf")
    texts.add_text("compressed", "x" * 1000, zip=True)
    texts.add_text("model", "v1-5")  # also a key of ours
    source = through(image, "PNG", pnginfo=texts, dpi=(72, 72))
    again = through(source)
    assert again.info["parameters"] == "a cat\nSteps: 20, Seed: 1"
    assert again.info["workflow"] == '{"größe": 1}'
    assert type(again.info["workflow"]) is str
    assert again.info["compressed"] == "x" * 1000
    assert again.info["model"] == toy_model.MANIFEST.full_name
    assert again.info["text:model"] == "v1-5"
    assert through(again).info["text:model"] == "v1-5"


def test_jpeg_comment(image: Image.Image) -> None:
    again = through(through(image, "JPEG", comment="größer"))
    assert again.info["comment"] == "größer"


def test_tiff_and_tga_compression_is_no_text(image: Image.Image) -> None:
    for kind in ("TIFF", "TGA"):
        source = through(image, kind, compression="tga_rle" if kind == "TGA" else "tiff_lzw")
        assert "compression" in source.info
        assert set(through(source).info) == FACTS


def test_raw_profiles_of_imagemagick(image: Image.Image) -> None:
    raw = exif().tobytes()
    texts = PngInfo()
    texts.add_text("Raw profile type exif", f"\nexif\n{len(raw):8}\n" + raw.hex() + "\n")
    again = through(through(image, "PNG", pnginfo=texts))
    assert again.getexif()[ORIENTATION] == 6
    assert set(again.info) == {"exif", *FACTS}
    image.info["Raw profile type exif"] = "\nexif\n 9\nnot hexadecimal"
    with pytest.warns(UserWarning, match="cannot be kept"):
        assert "exif" not in through(image).info


def test_bookkeeping_is_not_stored(full: Image.Image) -> None:
    assert set(read(in_memory.saved(full)).metadata().text) == {"Title", "Ümläut"}


def test_hostile_texts_do_not_replace_anything(image: Image.Image) -> None:
    pillows = ("exif", "icc_profile", "xmp", "transparency", "dpi", "gamma", "duration", "loop")
    hostile = dict.fromkeys((*BOOKKEEPING, *pillows), "hostile")
    hostile |= {"text:model": "once", "text:text:model": "twice", "text:harmless": "x", "Raw profile type exif": "zz"}
    again = through(image, text=hostile)
    plain = through(image)
    assert {key: again.info[key] for key in plain.info if key != "bpp"} == {
        key: value for key, value in plain.info.items() if key != "bpp"
    }
    assert len(again.getexif()) == 0
    assert not again.has_transparency_data
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "TIFF"):
        through(again, kind)
    stored = collect({}, again.info).text
    assert stored == hostile
    assert through(again).info == again.info


def test_keys_that_look_like_ours_in_other_formats(image: Image.Image) -> None:
    image.info.update({"model": "v1-5", "payload": "zip"})
    again = through(image)
    assert again.info["text:model"] == "v1-5"
    assert again.info["text:payload"] == "zip"
    assert again.info["payload"] == "direct"


def test_texts_of_info_that_cannot_be_stored(image: Image.Image) -> None:
    info: dict[Any, Any] = image.info
    info.update({"good": "x", "\ud800": "x", "bad": "\udfff", "k" * 300: "x", 5: "x", "number": 7})
    with pytest.warns(UserWarning, match="cannot be stored") as caught:
        again = through(image)
    assert len(caught) == 3
    assert set(again.info) == {"good", *FACTS}


def test_too_much_metadata(image: Image.Image) -> None:
    with pytest.raises(SdzError, match=r"too large|too many"):
        through(image, icc_profile=np.random.default_rng(0).bytes((16 << 20) + 1))
    with pytest.raises(SdzError, match="entries"):
        through(image, text={str(i): "" for i in range(1025)})


def test_metadata_do_not_change_the_picture(image: Image.Image) -> None:
    plain, rich = through(image), through(image, exif=exif(), icc_profile=ICC)
    assert np.array_equal(np.asarray(plain), np.asarray(rich))


def test_info_and_metadata_are_inverse() -> None:
    metadata = Metadata(icc=b"icc", exif=b"II*\0", xmp=b"<x/>", text={"a": "b", "text:exif": "c", "steps": "d"})
    marks = {"fingerprint": "00", "payload": "palette", "bpp": 1.0, "noise": 0.0}
    assert collect({}, to_info(metadata) | marks) == metadata
