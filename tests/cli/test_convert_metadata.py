"""Metadata on their way through conversions: kept, stripped, or their loss said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import toy_model
from cli_fakes import Run, photo
from PIL import Image, ImageCms, PngImagePlugin
from toy_files import file_of

from pillow_sdz.container.metadata import Metadata
from pillow_sdz.plugin.colour.build import profile_of

if TYPE_CHECKING:
    from pathlib import Path

ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b"<?xpacket begin='\xef\xbb\xbf'?><x:xmpmeta xmlns:x='adobe:ns:meta/'/><?xpacket end='w'?>"


def texts_of(image: Image.Image) -> dict[str, str]:
    assert isinstance(image, PngImagePlugin.PngImageFile)
    return dict(image.text)


def exif(orientation: int = 6) -> bytes:
    tags = Image.Exif()
    tags[0x0112] = orientation
    tags[0x010F] = "Camera"
    return tags.tobytes()


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif", "tif"])
def test_metadata_there_and_back(run: Run, tmp_path: Path, suffix: str) -> None:
    photo(tmp_path / "a.jpg", exif=exif(), icc_profile=ICC, xmp=XMP)
    assert run("a.jpg") == 0
    with Image.open("a.sdz") as sdz:
        assert sdz.size == (40, 24)  # not turned
        assert dict(sdz.getexif()) == {0x0112: 6, 0x010F: "Camera"}
        assert sdz.info["icc_profile"] == profile_of("sRGB")
        assert sdz.info["xmp"] == XMP
    assert run("a.sdz", "-o", f"back.{suffix}") == 0
    assert "not kept" not in run.err
    with Image.open(f"back.{suffix}") as back:
        tags = back.getexif()
        assert tags[0x010F] == "Camera"
        assert tags[0x0112] == 6
        back.load()
        assert back.size == ((24, 40) if suffix == "tif" else (40, 24))  # Pillow turns TIFFs when it loads them
        assert back.info["icc_profile"] == profile_of("sRGB")
        assert back.info["xmp"] == XMP


def test_text_survives_in_png_and_its_loss_elsewhere_is_said(run: Run, tmp_path: Path) -> None:
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("prompt", "a cat \u00e9")
    chunks.add_itxt("parameters", "\u732b" * 2000)
    photo(tmp_path / "a.png", pnginfo=chunks)
    assert run("a.png") == 0
    assert run("a.sdz", "-o", "back.png") == 0
    with Image.open("back.png") as back:
        assert texts_of(back) == {"prompt": "a cat \u00e9", "parameters": "\u732b" * 2000}
    assert run("a.sdz", "-o", "back.jpg") == 0
    assert "text not kept: JPEG has no place for it" in run.err
    assert run("a.sdz", "-o", "back.jpg", "--force", "--strip", "text") == 0
    assert "not kept" not in run.err


def test_text_that_png_cannot_hold_is_said_and_the_rest_kept(run: Run, tmp_path: Path) -> None:
    text = {"ok": "x" * 3_000_000, "k" * 80: "long key", "\u732b": "cat", " a": "space"}
    metadata = Metadata(text=text, xmp=b"\xff\xfe<\0")
    (tmp_path / "a.sdz").write_bytes(file_of(toy_model.blocks(16, 16), metadata=metadata))
    assert run("a.sdz") == 0
    assert run.err.count("not kept: PNG keywords") == 3
    assert "xmp not kept: it is not UTF-8" in run.err
    with Image.open("a.png") as back:
        assert texts_of(back) == {"ok": "x" * 3_000_000}


def test_sdz_again_in_another_size_keeps_metadata(run: Run, tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg", exif=exif(), icc_profile=ICC, xmp=XMP, comment=b"hello")
    assert run("a.jpg", "--colors", "16") == 0
    assert run("a.sdz", "-o", "b.sdz", "--payload", "direct") == 0
    with Image.open("a.sdz") as a, Image.open("b.sdz") as b:
        assert (a.info["payload"], b.info["payload"]) == ("palette", "direct")
        for key in ("exif", "icc_profile", "xmp", "comment"):
            assert a.info[key] == b.info[key]
        assert set(a.info) == set(b.info)


@pytest.mark.parametrize("kind", ["exif", "icc", "xmp", "text", "all"])
def test_strip_in_both_directions(run: Run, tmp_path: Path, kind: str) -> None:
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("prompt", "cat")
    chunks.add_itxt("XML:com.adobe.xmp", XMP.decode())
    photo(tmp_path / "a.png", pnginfo=chunks, exif=exif(), icc_profile=ICC)
    assert run("a.png") == 0
    assert run("a.png", "-o", "stripped.sdz", "--strip", kind) == 0
    assert run("a.sdz", "-o", "stripped.png", "--strip", kind) == 0
    keys = {"exif": "exif", "icc": "icc_profile", "xmp": "xmp", "text": "prompt"}
    gone = set(keys) if kind == "all" else {kind}
    for name in ("stripped.sdz", "stripped.png"):
        with Image.open(name) as picture:
            picture.load()
            assert {k for k, key in keys.items() if key not in picture.info} == gone, name


@pytest.mark.parametrize("suffix", ["jpg", "gif", "jp2", "mpo"])
def test_a_comment_is_kept_where_the_format_holds_one_unless_stripped(run: Run, tmp_path: Path, suffix: str) -> None:
    photo(tmp_path / "a.jpg", comment="a cat on a mat")
    assert run("a.jpg") == 0
    assert run("a.sdz", "-o", f"kept.{suffix}") == 0
    assert "not kept" not in run.err
    assert b"a cat on a mat" in (tmp_path / f"kept.{suffix}").read_bytes()
    for kind in ("text", "all"):
        assert run("a.sdz", "-o", f"{kind}.{suffix}", "--strip", kind) == 0
        assert b"a cat on a mat" not in (tmp_path / f"{kind}.{suffix}").read_bytes()


@pytest.mark.parametrize(
    ("suffix", "lost"), [("sgi", "exif, icc, xmp, text"), ("dib", "exif, icc, xmp, text"), ("mpo", "text")]
)
def test_a_note_says_what_a_format_cannot_hold(run: Run, tmp_path: Path, suffix: str, lost: str) -> None:
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("prompt", "cat")
    chunks.add_itxt("XML:com.adobe.xmp", XMP.decode())
    photo(tmp_path / "a.png", pnginfo=chunks, exif=exif(), icc_profile=ICC)
    assert run("a.png") == 0
    assert run("a.sdz", "-o", f"b.{suffix}") == 0
    assert f"{lost} not kept" in run.err


def test_tiff_tags_that_describe_the_picture_are_kept(run: Run, tmp_path: Path) -> None:
    tags = Image.Exif()
    tags[0x0110] = "Model 1"
    tags[0x8298] = "me"
    tags[0x0112] = 6
    tags.get_ifd(0x8769)[0x9003] = "2020:01:02 03:04:05"
    photo(tmp_path / "a.tif", exif=tags.tobytes())
    assert run("a.tif") == 0
    with Image.open("a.sdz") as sdz, Image.open("a.tif") as tif:
        tif.load()
        assert sdz.size == tif.size == (24, 40)  # Pillow turns TIFFs itself
        found = sdz.getexif()
        assert (found[0x0110], found[0x8298]) == ("Model 1", "me")
        assert found.get_ifd(0x8769)[0x9003] == "2020:01:02 03:04:05"
        assert 0x0112 not in found
        assert 0x0111 not in found  # StripOffsets


def test_stale_sizes_in_exif_do_not_damage_a_tiff(run: Run, tmp_path: Path) -> None:
    tags = Image.Exif()
    tags[0x0100], tags[0x0101], tags[0x0103] = 4000, 3000, 6
    tags.get_ifd(0x8769)[0x9003] = "2020:01:02 03:04:05"
    photo(tmp_path / "a.png", exif=tags)
    assert run("a.png") == 0
    assert run("a.sdz", "-o", "b.tif") == 0
    with Image.open("b.tif") as back:
        back.load()
        assert back.size == (40, 24)
        assert back.getexif().get_ifd(0x8769)[0x9003] == "2020:01:02 03:04:05"


def test_metadata_too_long_for_jpeg_name_the_way_out(run: Run, tmp_path: Path) -> None:
    tags = Image.Exif()
    tags[0x010E] = "long" * 20_000
    photo(tmp_path / "a.png", exif=tags)
    assert run("a.png") == 0
    assert run("a.sdz", "-o", "b.jpg") == 1
    assert "--strip exif leaves it out" in run.err
    assert run("a.sdz", "-o", "b.jpg", "--strip", "exif") == 0
