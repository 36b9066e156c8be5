"""Compact EXIF: the tags and values of a TIFF stream in normal form without its offsets, as `spec/sdz.md` specifies.

First come the heads of all entries, then all values. Cameras write the same tags into each picture, so that nearly all
heads are in the preset dictionary.
"""

from __future__ import annotations

import struct
from typing import Final

from construct import Int8ul, Int16ul, Struct

from pillow_sdz import limits
from pillow_sdz.coding.boxes import build_box, parse_box
from pillow_sdz.container.tiff import ASCII, LONG, SUB_DIRECTORIES, UNIT_SIZES, Directory, Value, levels, write_tiff
from pillow_sdz.errors import SdzFormatError, SdzLimitError, SdzTruncatedError

EXIF_DIRECTORY: Final = Struct("count" / Int8ul)
EXIF_ENTRY: Final = Struct("tag" / Int16ul, "form" / Int8ul)

_SUB_DIRECTORY: Final = 0
_COUNTED: Final = 0x80
"""Bit of a form: the number of units follows. Without it there is one unit, or a text that ends with its first zero."""

_UTF8_TYPE, _UTF8_FORM = 129, 14
_FORMS: Final = {**{kind: kind for kind in UNIT_SIZES if kind < _UTF8_FORM}, _UTF8_TYPE: _UTF8_FORM}
_TYPES: Final = {form: kind for kind, form in _FORMS.items()}
_TEXTS: Final = (ASCII, _UTF8_TYPE)

_MOST_ENTRIES: Final = 255
"""Most entries of a directory: the count is an unsigned 8-bit number."""

_FIELD: Final = "exif"


def pack(directory: Directory) -> bytes | None:
    """The bytes of a directory, before they are deflated; None if one has no entries or more than 255."""
    heads, values = bytearray(), bytearray()
    for part in levels(directory):
        if not 1 <= len(part) <= _MOST_ENTRIES:
            return None
        heads += build_box(EXIF_DIRECTORY, count=len(part))
        for tag, value in sorted(part.items()):
            if not isinstance(value, Value):
                heads += build_box(EXIF_ENTRY, tag=tag, form=_SUB_DIRECTORY)
                continue
            counted = _is_counted(value)
            heads += build_box(EXIF_ENTRY, tag=tag, form=_FORMS[value.type] | (_COUNTED if counted else 0))
            heads += struct.pack("<I", value.count) if counted else b""
            values += value.data
    return bytes(heads + values)


def _is_counted(value: Value) -> bool:
    if value.type in _TEXTS:
        return value.data.find(b"\0") != len(value.data) - 1 or not value.data
    return value.count != 1


def unpack(data: bytes) -> bytes:
    """The TIFF stream in normal form that `pack` gives ``data`` for.

    Raises:
        SdzFormatError: the data are malformed.
        SdzTruncatedError: they end too early.
        SdzLimitError: the stream would be larger than `limits.MAX_METADATA_BYTES`.
    """
    root: Directory = {}
    waiting: list[tuple[int | None, Directory]] = [(None, root)]
    entries: list[tuple[Directory, int, int, int | None]] = []  # directory, tag, type, count
    offset = 0
    for parent, directory in waiting:  # it grows, by three directories at most
        count = parse_box(EXIF_DIRECTORY, data, offset, field=_FIELD).count
        offset += EXIF_DIRECTORY.sizeof()
        last = -1
        for _ in range(count):
            entry = parse_box(EXIF_ENTRY, data, offset, field=_FIELD)
            offset += EXIF_ENTRY.sizeof()
            tag, form = entry.tag, entry.form & ~_COUNTED
            if tag <= last:
                raise SdzFormatError("the tags do not rise", field=_FIELD, found=f"0x{tag:04x}")
            last = tag
            if entry.form == _SUB_DIRECTORY and tag in SUB_DIRECTORIES.get(parent, ()):
                below: Directory = {}
                directory[tag] = below
                waiting.append((tag, below))
                continue
            if entry.form == LONG and tag in SUB_DIRECTORIES.get(parent, ()):
                raise SdzFormatError("leads to a directory that is not there", field=f"exif tag 0x{tag:04x}")
            if form not in _TYPES:
                raise SdzFormatError("no such form", field=f"exif tag 0x{tag:04x}", found=entry.form)
            units = None
            if entry.form & _COUNTED:
                units = int.from_bytes(data[offset : offset + 4], "little")
                offset += 4
            entries.append((directory, tag, _TYPES[form], units))
        if not count:
            raise SdzFormatError("a directory has no entries", field=_FIELD)
    for directory, tag, kind, units in entries:
        value = _read_value(data, offset, tag, kind, units)
        offset += len(value.data)
        directory[tag] = value
    if offset != len(data):
        raise SdzFormatError("there are bytes after the last value", field=_FIELD, found=f"{len(data) - offset} bytes")
    if pack(root) != data:
        raise SdzFormatError("a number of units is not in its shortest form", field=_FIELD)
    stream = write_tiff(root)
    if len(stream) > limits.MAX_METADATA_BYTES:
        expected = f"at most {limits.MAX_METADATA_BYTES} bytes"
        raise SdzLimitError("is too large", field=_FIELD, found=f"{len(stream)} bytes", expected=expected)
    return stream


def _read_value(data: bytes, offset: int, tag: int, kind: int, units: int | None) -> Value:
    if units is None and kind in _TEXTS:
        units = data.find(b"\0", offset) + 1 - offset
    elif units is None:
        units = 1
    size = UNIT_SIZES[kind] * units
    if size < 0 or offset + size > len(data):
        found = f"{max(0, len(data) - offset)} bytes"
        raise SdzTruncatedError("the values end too early", field=f"exif tag 0x{tag:04x}", found=found)
    return Value(kind, units, data[offset : offset + size])
