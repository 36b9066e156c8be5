"""The tags of a TIFF that describe the picture, apart from those that say how the file stores it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PIL import ExifTags, Image

from pillow_sdz.container.tiff import EXIF_IFD, GPS_IFD

if TYPE_CHECKING:
    from collections.abc import Collection

DESCRIPTIVE: Final = (
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.HostComputer,
    ExifTags.Base.Copyright,
)
"""TIFF tags that describe the picture. Other tags are left out: Pillow's TIFF saver would write their old sizes and
compressions over the right ones, and Pillow has already applied the orientation when it has loaded a TIFF."""


def descriptive_exif(tags: Image.Exif, *more: int, without: Collection[int] = ()) -> bytes:
    """EXIF bytes, from the TIFF header on, with only those of ``tags`` that describe the picture; empty if none do.

    Args:
        tags: EXIF of an image.
        more: numbers of further tags to keep.
        without: tags that lead to directories to leave out.
    """
    exif = Image.Exif()
    for tag in (*DESCRIPTIVE, *more):
        if tag in tags:
            exif[tag] = tags[tag]
    for number in (EXIF_IFD, GPS_IFD):
        if number not in without and (directory := tags.get_ifd(number)):
            exif[number] = dict(directory)
    return exif.tobytes() if len(exif) else b""
