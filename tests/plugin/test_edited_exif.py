"""EXIF that was edited through ``image.getexif()`` is what is saved, wherever the picture came from."""

from __future__ import annotations

import contextlib
import struct
import warnings
from typing import TYPE_CHECKING, Any

import in_memory
import pytest
import toy_model
from camera_photos import CAMERA, EDITOR, PREFIX, SOURCES, opened, positions
from PIL import ExifTags, Image, ImageOps

from pillow_sdz.codec.file import read
from pillow_sdz.container.tiff import Value, read_tiff
from pillow_sdz.options import METADATA_LEVELS

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("toy")

GPS, EXIF = ExifTags.IFD.GPSInfo, ExifTags.IFD.Exif
ORIENTATION, ARTIST, MAKER_NOTE = 0x0112, 0x013B, 0x927C


def test_the_search_finds_what_is_there() -> None:
    data = in_memory.saved(opened("JPEG"), metadata="all")
    found = positions(data)
    assert len([each for each in found if each.endswith("exif")]) == 2
    assert len([each for each in found if each.endswith("xmp")]) == 3


def delete_directory(exif: Image.Exif) -> None:
    del exif[GPS]


def delete_after_reading(exif: Image.Exif) -> None:
    assert exif.get_ifd(GPS)
    del exif[GPS]


def clear_directory(exif: Image.Exif) -> None:
    exif.get_ifd(GPS).clear()


def delete_coordinates(exif: Image.Exif) -> None:
    for tag in (1, 2, 3, 4):
        del exif.get_ifd(GPS)[tag]


def empty_everything(exif: Image.Exif) -> None:
    for tag in list(exif):
        del exif[tag]


WAYS = (delete_directory, delete_after_reading, clear_directory, delete_coordinates, empty_everything)


@pytest.mark.parametrize("level", ["useful", "all", "essential"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", SOURCES)
def test_a_position_that_was_deleted_is_in_no_byte(kind: str, way: Callable[[Image.Exif], None], level: str) -> None:
    image = opened(kind)
    assert 2 in image.getexif().get_ifd(GPS)
    way(image.getexif())
    data = in_memory.saved(image, metadata=level)
    assert positions(data) == []
    again = in_memory.opened(data)
    assert not {1, 2, 3, 4} & set(again.getexif().get_ifd(GPS))
    assert in_memory.saved(again, metadata=level) == data
    if way is not empty_everything and level != "essential":
        assert again.getexif()[ARTIST] == "Ada Example"
        assert again.getexif().get_ifd(EXIF)[0x9003] == "2023:08:19 18:42:07"
    if way is not empty_everything:
        assert again.getexif()[ORIENTATION] == 6


@pytest.mark.parametrize("copied", [Image.Image.copy, lambda i: i.resize((16, 16)), lambda i: i.convert("L")])
def test_copies_of_a_file_of_ours_have_the_edited_exif(copied: Callable[[Image.Image], Image.Image]) -> None:
    """Pillow copies info, and not what ``getexif`` returned; of files of other formats nothing can be known."""
    image = in_memory.opened(in_memory.saved(opened("JPEG")))
    delete_directory(image.getexif())
    assert positions(in_memory.saved(copied(image))) == []


@pytest.mark.parametrize("way", WAYS[:4])
def test_a_position_deleted_from_a_tiff(way: Callable[[Image.Exif], None]) -> None:
    image = Image.fromarray(toy_model.blocks(40, 20))
    tags = Image.Exif()
    tags.load(PREFIX + CAMERA)
    tags[0x2BC] = EDITOR
    source = in_memory.through(image, "TIFF", exif=tags)
    assert 2 in source.getexif().get_ifd(GPS)
    assert positions(in_memory.saved(source)) != []
    source = in_memory.through(image, "TIFF", exif=tags)
    way(source.getexif())
    data = in_memory.saved(source)
    assert positions(data) == []
    assert in_memory.opened(data).getexif()[ARTIST] == "Ada Example"


def test_a_position_in_texts_of_imagemagick() -> None:
    image = opened("PNG")
    image.info |= {"exif:GPSLatitude": "48,51", "exif:Model": "Z 7"}
    assert "exif:GPSLatitude" in in_memory.through(image).info
    delete_directory(image.getexif())
    data = in_memory.saved(image)
    assert positions(data) == []
    assert in_memory.opened(data).info["exif:Model"] == "Z 7"


def test_the_maker_note_goes_with_the_position() -> None:
    """It may hold a position, too."""
    image = opened("JPEG")
    assert MAKER_NOTE in in_memory.through(image, metadata="all").getexif().get_ifd(EXIF)
    delete_directory(image.getexif())
    assert MAKER_NOTE not in in_memory.through(image, metadata="all").getexif().get_ifd(EXIF)


@pytest.mark.parametrize("kind", SOURCES)
def test_what_was_changed_is_saved(kind: str) -> None:
    image = opened(kind)
    exif = image.getexif()
    exif[ARTIST] = "Grace"
    exif[0x10E] = "new"
    del exif[0x8298]
    exif.get_ifd(EXIF)[0x9003] = "1999:12:31 23:59:59"
    exif.get_ifd(GPS)[2] = (1.0, 2.0, 3.5)
    data = in_memory.saved(image)
    again = in_memory.opened(data).getexif()
    assert (again[ARTIST], again[0x10E]) == ("Grace", "new")
    assert 0x8298 not in again
    assert again.get_ifd(EXIF)[0x9003] == "1999:12:31 23:59:59"
    assert again.get_ifd(EXIF)[0x9004] == "2023:08:19 18:42:07"
    assert again.get_ifd(GPS)[2] == (1.0, 2.0, 3.5)
    assert again.get_ifd(GPS)[18] == "WGS-84"
    xmp = in_memory.opened(data).info.get("xmp", b"")
    assert b"48,51" not in xmp  # the old position


def test_tags_that_were_not_edited_keep_their_bytes() -> None:
    """Pillow would write other types, reduced fractions, and question marks for UTF-8."""
    image = opened("JPEG")
    image.getexif()[ARTIST] = "Grace"
    stored = read(in_memory.saved(image, metadata="all")).metadata().exif
    assert stored is not None
    before, after = read_tiff(CAMERA), read_tiff(stored)
    assert after[ARTIST] == Value(2, 6, b"Grace\0")
    assert {tag: value for tag, value in after.items() if tag != ARTIST} == {
        tag: value for tag, value in before.items() if tag != ARTIST
    }


def upright(image: Image.Image, *, in_place: bool) -> Image.Image:
    """The picture turned by its orientation: the same object or a new one."""
    if not in_place:
        return ImageOps.exif_transpose(image)
    ImageOps.exif_transpose(image, in_place=True)
    return image


@pytest.mark.parametrize("level", METADATA_LEVELS)
@pytest.mark.parametrize("in_place", [True, False])
@pytest.mark.parametrize("kind", SOURCES)
def test_no_stale_orientation_after_exif_transpose(kind: str, in_place: bool, level: str) -> None:
    turned = upright(opened(kind), in_place=in_place)
    assert turned.size == (20, 40)
    again = in_memory.through(turned, metadata=level)
    assert again.size == (20, 40)
    assert ORIENTATION not in again.getexif()
    assert ImageOps.exif_transpose(again).size == (20, 40)


@pytest.mark.parametrize("kind", SOURCES)
def test_an_orientation_deleted_by_hand_does_not_come_back_from_xmp(kind: str) -> None:
    image = opened(kind)
    del image.getexif()[ORIENTATION]
    assert ORIENTATION not in in_memory.through(image).getexif()


def test_a_position_deleted_after_exif_transpose() -> None:
    for in_place in (True, False):
        turned = upright(opened("JPEG"), in_place=in_place)
        delete_directory(turned.getexif())
        data = in_memory.saved(turned, metadata="all")
        assert positions(data) == []
        assert ORIENTATION not in in_memory.opened(data).getexif()


def test_reading_is_no_edit() -> None:
    for kind in SOURCES:
        image = opened(kind)
        exif = image.getexif()
        assert exif.get_ifd(GPS)
        assert exif.get_ifd(EXIF)
        assert exif.get_ifd(ExifTags.IFD.IFD1)
        assert str(exif)
        assert in_memory.through(image, metadata="all").info["exif"] == PREFIX + CAMERA


def test_an_orientation_that_only_xmp_has_is_no_edit() -> None:
    image = Image.fromarray(toy_model.blocks(40, 20))
    plain = Image.Exif()
    plain[ARTIST] = "Ada"
    image.info |= {"exif": plain.tobytes(), "XML:com.adobe.xmp": EDITOR.decode()}
    assert image.getexif()[ORIENTATION] == 6
    assert in_memory.through(image, metadata="all").info["exif"] == plain.tobytes()


def test_exif_deleted_from_info_is_gone() -> None:
    image = opened("JPEG")
    image.getexif()[ARTIST] = "Grace"
    del image.info["exif"]
    assert "exif" not in in_memory.through(image).info


def test_exif_replaced_in_info_counts_unless_getexif_was_edited() -> None:
    other = Image.Exif()
    other[ARTIST] = "Other"
    image = opened("JPEG")
    image.getexif()
    image.info["exif"] = other.tobytes()
    assert in_memory.through(image).getexif()[ARTIST] == "Other"
    image.getexif()[ARTIST] = "Grace"
    assert in_memory.through(image).getexif()[ARTIST] == "Grace"


def test_exif_of_an_image_that_had_none() -> None:
    image = Image.new("RGB", (20, 10))
    exif = image.getexif()
    exif[ORIENTATION] = 8
    exif.get_ifd(GPS)[1] = "N"
    exif[EXIF] = {0x9286: b"ASCII\0\0\0hello"}
    again = in_memory.through(image).getexif()
    assert again[ORIENTATION] == 8
    assert again.get_ifd(GPS) == {1: "N"}
    assert again.get_ifd(EXIF) == {0x9286: b"ASCII\0\0\0hello"}
    assert "exif" not in in_memory.through(Image.new("RGB", (20, 10))).info


def test_a_tag_that_cannot_be_written_is_left_out_with_a_warning() -> None:
    image = opened("JPEG")
    exif: Any = image.getexif()
    exif[ARTIST] = object()
    with pytest.warns(UserWarning, match="0x013b cannot be written"):
        again = in_memory.through(image)
    assert ARTIST not in again.getexif()
    assert again.getexif()[0x110] == "NIKON Z 7_2"


@pytest.mark.parametrize("exif", [b"", b"II", b"XX*\0\x08\0\0\0", b"MM\0*\xff\xff\xff\xff", CAMERA[:300], CAMERA[:900]])
def test_damaged_exif_that_was_read_and_edited(exif: bytes) -> None:
    image = Image.fromarray(toy_model.blocks(40, 20))
    image.info["exif"] = PREFIX + exif
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow's reader, and of ours
        with contextlib.suppress(SyntaxError, struct.error):
            image.getexif()
        in_memory.through(image)
        assert image._exif is not None
        image._exif[ARTIST] = "Grace"
        assert in_memory.through(image).getexif()[ARTIST] == "Grace"


def test_values_that_nobody_looked_at_are_not_decoded() -> None:
    """Hostile EXIF may hold millions of them."""
    image = Image.fromarray(toy_model.blocks(40, 20))
    image.info["exif"] = PREFIX + CAMERA
    exif = image.getexif()
    del exif[ARTIST]
    in_memory.through(image)
    assert set(exif._data) <= {EXIF, GPS}
    assert exif._ifds == {}
