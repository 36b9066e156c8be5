"""TIFF streams that hold EXIF, as tags and values; every byte that is read is hostile.

A stream in *normal form* is little-endian, with sorted tags and without gaps; see `write_tiff`. A reader of TIFF reads
the same from it as from the original, which may have any order.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, TypeAlias, Union

from pillow_sdz.errors import SdzFormatError

EXIF_IFD: Final = 0x8769
"""Tags whose value is the offset of a further directory (Exif 3.0, 4.6.3)."""

GPS_IFD: Final = 0x8825
INTEROPERABILITY_IFD: Final = 0xA005

SUB_DIRECTORIES: Final = {None: (EXIF_IFD, GPS_IFD), EXIF_IFD: (INTEROPERABILITY_IFD,)}
"""Directory, by the tag that leads to it (None: the first one) -> tags in it that lead to further directories."""

UNIT_SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 129: 1}
"""Type of a value (TIFF 6.0, section 2; Exif 3.0, 4.6.2) -> size in bytes of one of its `Value.count` units."""

ASCII: Final = 2
LONG: Final = 4
_OFFSET_TYPES: Final = (LONG, 13)
_SWAPPED: Final = {5: 4, 10: 4}
"""Rational numbers are two numbers of this size in bytes; other units are one number."""

_MAGIC: Final = b"II*\0"
_HEAD: Final = 8
"""Size in bytes of a stream's head, and offset of the first directory in normal form."""

_ENTRY: Final = 12
"""Size in bytes of a directory entry."""


@dataclass(frozen=True)
class Value:
    """The value of a tag.

    Attributes:
        type: one of `UNIT_SIZES`.
        count: number of units.
        data: ``count`` units, numbers in little-endian order.
    """

    type: int
    count: int
    data: bytes


Directory: TypeAlias = dict[int, Union["Directory", Value]]
"""Tag -> value, or the directory that it leads to."""


def read_tiff(data: bytes) -> Directory:
    """Read the first directory and those of EXIF, GPS and interoperability below it.

    Entries that cannot be read are left out: of unknown types, or with a value outside of the data. Where a tag appears
    twice, the last one counts. Each directory is read once and is at a fixed place in the tree, so that offsets in a
    circle do no harm; and values that overlap cannot take more memory than the data.

    Args:
        data: from the TIFF head on, without the ``Exif`` prefix of JPEG.

    Raises:
        SdzFormatError: this is no TIFF, the first directory is outside of the data, or values overlap.
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None or len(data) < _HEAD:
        raise SdzFormatError("is no TIFF stream", field="exif", found=data[:4].hex(" "), expected="II*\\0 or MM\\0*")
    reader = _Reader(data, order)
    first = reader.number(4)
    if first + 2 > len(data):
        raise SdzFormatError("the first directory is missing", field="exif", found=f"offset {first}")
    return reader.directory(first, None)


class _Reader:
    """Reads directories of one stream; ``order`` is ``<`` or ``>``."""

    def __init__(self, data: bytes, order: str) -> None:
        self._data = data
        self._order = order
        self._left = len(data)  # bytes that values may still take
        self._seen: set[int] = set()

    def number(self, offset: int) -> int:
        """The 32-bit number at an offset."""
        found: int = struct.unpack_from(f"{self._order}I", self._data, offset)[0]
        return found

    def directory(self, offset: int, parent: int | None) -> Directory:
        """The directory at an offset; empty if it is outside of the data, or another one is there."""
        directory: Directory = {}
        if offset in self._seen or offset + 2 > len(self._data):
            return directory
        self._seen.add(offset)
        (count,) = struct.unpack_from(f"{self._order}H", self._data, offset)
        for start in range(offset + 2, offset + 2 + _ENTRY * count, _ENTRY):
            if start + _ENTRY > len(self._data):
                break
            tag, kind, units = struct.unpack_from(f"{self._order}HHI", self._data, start)
            if tag in SUB_DIRECTORIES.get(parent, ()) and kind in _OFFSET_TYPES and units == 1:
                directory[tag] = self.directory(self.number(start + 8), tag)
            elif (value := self._value(kind, units, start + 8)) is not None:
                directory[tag] = value
        return dict(sorted(directory.items()))

    def _value(self, kind: int, count: int, place: int) -> Value | None:
        """The value of an entry, or None if it cannot be read; ``place`` is where it is, or its offset if it is long.

        Raises:
            SdzFormatError: all values together are longer than the data, so that they overlap.
        """
        unit = UNIT_SIZES.get(kind)
        if unit is None:
            return None
        size = unit * count
        start = place if size <= 4 else self.number(place)
        if start + size > len(self._data):
            return None
        self._left -= size
        if self._left < 0:
            raise SdzFormatError("values overlap", field="exif")
        data = self._data[start : start + size]
        if self._order == ">":
            data = _reversed(data, _SWAPPED.get(kind, unit))
        return Value(kind, count, data)


def _reversed(data: bytes, size: int) -> bytes:
    """Numbers of ``size`` bytes each in the other byte order."""
    if size == 1:
        return data
    out = bytearray(len(data))
    for place in range(size):
        out[place::size] = data[size - 1 - place :: size]
    return bytes(out)


def levels(directory: Directory) -> list[Directory]:
    """The directory and those below it, level by level, in the order of their tags."""
    found = [directory]
    for each in found:  # it grows
        found.extend(value for _, value in sorted(each.items()) if not isinstance(value, Value))
    return found


def write_tiff(directory: Directory) -> bytes:
    """A TIFF stream in normal form.

    It is little-endian. The directories follow each other as in `levels`; each has its entries sorted by tag, no next
    directory, and after that the values that do not fit in entries, in the same order, each filled up with a zero byte
    to an even length.
    """
    parts = levels(directory)
    starts = [_HEAD]
    for part in parts:
        starts.append(starts[-1] + 2 + _ENTRY * len(part) + 4 + sum(_outside(value) for value in part.values()))
    below = iter(starts[1:])  # offsets of the directories below, in the order of the entries that lead to them
    out = bytearray(_MAGIC + struct.pack("<I", _HEAD))
    for start, part in zip(starts, parts, strict=False):
        place = start + 2 + _ENTRY * len(part) + 4
        out += struct.pack("<H", len(part))
        values = bytearray()
        for tag, value in sorted(part.items()):
            if not isinstance(value, Value):
                out += struct.pack("<HHII", tag, LONG, 1, next(below))
                continue
            out += struct.pack("<HHI", tag, value.type, value.count)
            if outside := _outside(value):
                out += struct.pack("<I", place + len(values))
                values += value.data.ljust(outside, b"\0")
            else:
                out += value.data.ljust(4, b"\0")
        out += bytes(4) + values
    return bytes(out)


def _outside(value: Directory | Value) -> int:
    """Bytes that a value takes after its directory's entries."""
    if not isinstance(value, Value) or len(value.data) <= 4:
        return 0
    return len(value.data) + len(value.data) % 2


def has_next_directory(data: bytes) -> bool:
    """Whether a stream that `read_tiff` accepts has a second directory, which in EXIF is that of the thumbnail."""
    order = "<" if data[:2] == b"II" else ">"
    (first,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, first)
    return any(data[first + 2 + _ENTRY * count :][:4])
