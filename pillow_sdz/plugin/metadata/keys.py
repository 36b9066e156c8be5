"""Where Pillow keeps EXIF and XMP in ``image.info``, and how EXIF starts there."""

from __future__ import annotations

from typing import Final

EXIF_PREFIX: Final = b"Exif\0\0"
"""EXIF in a file starts with the TIFF header. In info it has this prefix, as from Pillow's JPEG and PNG readers: all of
Pillow's savers accept it with the prefix, and the JPEG saver loses EXIF that comes without."""

RAW_PROFILE_EXIF: Final = "Raw profile type exif"
"""Key under which ImageMagick stores EXIF as PNG text."""

XMP_KEYS: Final = ("xmp", "XML:com.adobe.xmp")
"""Keys of an XMP packet in info; Pillow's PNG reader uses both."""
