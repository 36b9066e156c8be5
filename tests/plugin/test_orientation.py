"""Orientation in EXIF: a picture that was turned is not turned again by whoever opens the file."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
import toy_model
from in_memory import opened, saved, through
from PIL import Image, ImageOps

if TYPE_CHECKING:
    from PIL import ImageFile

pytestmark = pytest.mark.usefixtures("toy")

ORIENTATION, DESCRIPTION = 0x0112, 0x010E


def turned(kind: str, orientation: int = 6) -> ImageFile.ImageFile:
    """A picture of 40x24 pixels with EXIF, opened from a file of some format."""
    tags = Image.Exif()
    tags[ORIENTATION], tags[DESCRIPTION] = orientation, "a cat"
    return through(Image.fromarray(toy_model.blocks(40, 24)), kind, exif=tags)


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "SDZ"])
def test_no_orientation_after_exif_transpose(kind: str, in_place: bool) -> None:
    upright: Image.Image = turned(kind)
    if in_place:
        ImageOps.exif_transpose(upright, in_place=True)
    else:
        upright = ImageOps.exif_transpose(upright)
    assert upright.size == (24, 40)
    again = through(upright)
    assert again.getexif().get(ORIENTATION, 1) == 1
    assert again.size == (24, 40)
    assert ImageOps.exif_transpose(again).size == (24, 40)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_transpose_gives_the_upright_picture_for_every_orientation(orientation: int) -> None:
    picture = turned("PNG", orientation)
    expected = np.asarray(ImageOps.exif_transpose(picture))
    for upright in (through(ImageOps.exif_transpose(picture)), ImageOps.exif_transpose(through(picture))):
        assert ImageOps.exif_transpose(upright).size == expected.shape[1::-1]
        assert np.array_equal(np.asarray(ImageOps.exif_transpose(upright)), expected)


@pytest.mark.parametrize("prefix", [b"", b"Exif\0\0", b"Exif\0\0Exif\0\0"])
@pytest.mark.parametrize("place", ["keyword", "info"])
def test_exif_with_and_without_its_prefix(prefix: bytes, place: str) -> None:
    """Pillow's plugins differ in what they put into info."""
    data = prefix + turned("PNG").getexif().tobytes().removeprefix(b"Exif\0\0")
    image = Image.fromarray(toy_model.blocks(40, 24))
    if place == "info":
        image.info["exif"] = data
    again = opened(saved(image, exif=data) if place == "keyword" else saved(image))
    assert again.getexif()[ORIENTATION] == 6
    assert again.getexif()[DESCRIPTION] == "a cat"
    assert again.info["exif"].startswith(b"Exif\0\0")
    assert not again.info["exif"].removeprefix(b"Exif\0\0").startswith(b"Exif")


@pytest.mark.parametrize(
    "data", [b"Exif\0\0", b"Exif\0", b"nonsense", b"II*\0", b"MM\0*\0\0\0\x08\xff\xff", bytes(range(99))]
)
def test_damaged_exif_of_another_file_does_not_stop_saving(data: bytes) -> None:
    image = Image.fromarray(toy_model.blocks(40, 24))
    image.info["exif"] = data
    stream = io.BytesIO()
    image.save(stream, "SDZ")
    with Image.open(stream) as again:
        again.load()
        assert again.size == (40, 24)
