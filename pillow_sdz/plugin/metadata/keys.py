"""Where Pillow keeps EXIF and XMP in ``image.info``, and how EXIF starts there."""

from __future__ import annotations

from typing import Final

EXIF_PREFIX: Final = b"Exif\0\0"
"""EXIF in a file starts with the TIFF header. In info it has this prefix, as from Pillow's JPEG and PNG readers: all of
Pillow's savers accept it with the prefix, and the JPEG saver loses EXIF that comes without."""

RAW_PROFILE: Final = "Raw profile type "
"""Start of the keys under which ImageMagick stores binary metadata as PNG text."""

RAW_PROFILE_EXIF: Final = f"{RAW_PROFILE}exif"

PNG_XMP: Final = "XML:com.adobe.xmp"
"""Keyword of PNG's text chunk with XMP (XMP specification, part 3, 1.1.5)."""

XMP_KEYS: Final = ("xmp", PNG_XMP)
"""Keys of an XMP packet in info; Pillow's PNG reader uses both."""


def without_prefix(exif: bytes) -> bytes:
    """EXIF from its TIFF header on; some programs write the prefix twice.

    >>> without_prefix(EXIF_PREFIX + EXIF_PREFIX + b"II*")
    b'II*'
    """
    while exif.startswith(EXIF_PREFIX):
        exif = exif.removeprefix(EXIF_PREFIX)
    return exif
