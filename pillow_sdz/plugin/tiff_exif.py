"""EXIF of a TIFF: among the tags there may be how the file stores its pixels, which is not to travel."""

from __future__ import annotations

from typing import Final

from PIL import ExifTags, Image

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
"""The tags that tell about the picture. Others may hold stale sizes and compressions, which Pillow's TIFF saver would
write over the true ones; and the orientation, which Pillow has dealt with once it has loaded a TIFF."""

_SUB_DIRECTORIES: Final = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)


def descriptive(tags: Image.Exif, *more: int) -> bytes:
    """EXIF with the tags that describe the picture, and ``more``; empty if there are none."""
    exif = Image.Exif()
    for tag in (*DESCRIPTIVE, *more):
        if tag in tags:
            exif[tag] = tags[tag]
    for number in _SUB_DIRECTORIES:
        if directory := tags.get_ifd(number):
            exif[number] = dict(directory)
    return exif.tobytes() if len(exif) else b""
