"""File formats: that of an input by its first bytes, that of an output by its name."""

from __future__ import annotations

from pathlib import PurePath

from PIL import Image

from pillow_sdz.container.magic import check_magic
from pillow_sdz.errors import SdzError, naming_file

SDZ = "SDZ"
PREFIX_BYTES = 16  # the number of first bytes that Pillow gives to its plugins to identify a file
# Formats that Pillow opens only with another program's help, or that hold no picture: ignored in directories.
_NOT_PICTURES = frozenset({"BUFR", "EPS", "FPX", "GRIB", "HDF5", "MIC", "MPEG", "WMF"})


def why_not_sdz(prefix: bytes, name: str) -> str:
    """The error message for a file that does not start with the magic: it is empty, cut short, damaged by a transfer in
    text mode, a ZIP archive, or something else.

    Args:
        prefix: its first bytes.
        name: of the file.

    Raises:
        ValueError: it is an SDZ file.

    >>> why_not_sdz(b"PK\\x03\\x04 and so on", "map.sdz")[:40]
    'map.sdz: magic: this is a ZIP archive, p'
    """
    try:
        with naming_file(name):
            check_magic(prefix)
    except SdzError as error:
        return str(error)
    raise ValueError("this is an SDZ file")


def format_of_suffix(suffix: str) -> str | None:
    """Pillow's name of the format that it writes for a suffix (in any case, with its dot), or None."""
    name = Image.registered_extensions().get(suffix.lower())
    return name if name in Image.SAVE else None


def resolve(name: str) -> tuple[str, str] | None:
    """Pillow's name and the suffix of a format given as -f: by a suffix (jpg, .webp) or Pillow's name (JPEG2000).

    Returns:
        Both, or None if Pillow writes no such format.

    >>> resolve("JPG"), resolve("jpeg2000"), resolve("bird")
    (('JPEG', '.jpg'), ('JPEG2000', '.jp2'), None)
    """
    suffix = "." + name.lower().removeprefix(".")
    if (found := format_of_suffix(suffix)) is not None:
        return found, suffix
    if name.upper() in Image.SAVE:
        return name.upper(), suffix_of(name.upper())
    return None


def suffix_of(format_name: str) -> str:
    """The usual suffix of a format, with its dot: its name in lower case if that is registered, else the first one
    registered, else an empty string.
    """
    suffixes = [suffix for suffix, name in Image.registered_extensions().items() if name == format_name]
    usual = {"JPEG": ".jpg", "JPEG2000": ".jp2", "TIFF": ".tif"}.get(format_name, "." + format_name.lower())
    return usual if usual in suffixes else next(iter(suffixes), "")


def is_picture_suffix(suffix: str) -> bool:
    """Whether Pillow reads pictures with this suffix (in any case) without another program."""
    name = Image.registered_extensions().get(suffix.lower())
    return name in Image.OPEN and name not in _NOT_PICTURES


def stem(name: str) -> str:
    """A file name without its last suffix, if that belongs to a format; other dots stay.

    >>> stem("cat.tar.PNG"), stem("version 1.2"), stem(".png")
    ('cat.tar', 'version 1.2', '.png')
    """
    path = PurePath(name)
    return path.stem if path.suffix.lower() in Image.registered_extensions() else name
