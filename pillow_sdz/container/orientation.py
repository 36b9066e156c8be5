"""How a picture must be turned to stand upright, as its metadata say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pillow_sdz.container.tiff import Value, read_tiff
from pillow_sdz.errors import SdzFormatError

if TYPE_CHECKING:
    from pillow_sdz.container.metadata import Metadata

ORIENTATION: Final = 0x0112
"""The tag of EXIF (Exif 3.0, 4.6.5.1)."""


def orientation_of(metadata: Metadata) -> int | None:
    """The orientation, 1 (upright) to 8, in EXIF or else in XMP, as Pillow reads it; None if neither says one."""
    orientation = None if metadata.exif is None else _in_exif(metadata.exif)
    if orientation is None and metadata.xmp is not None:
        return _in_xmp(metadata.xmp)
    return orientation


def _in_exif(data: bytes) -> int | None:
    try:
        value = read_tiff(data).get(ORIENTATION)
    except SdzFormatError:
        return None
    number = int.from_bytes(value.data, "little") if isinstance(value, Value) and value.count == 1 else 0
    return number if 1 <= number <= 8 else None


def _in_xmp(data: bytes) -> int | None:
    match = re.search(rb"tiff:Orientation(?:=[\"']|>)([1-8])", data)
    return int(match[1]) if match else None
