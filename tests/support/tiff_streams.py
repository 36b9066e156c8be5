"""TIFF streams that hold EXIF: any that there can be (`directories`), and hostile ones."""

from __future__ import annotations

import struct
from typing import Any

from hypothesis import strategies as st

from pillow_sdz.container.tiff import EXIF_IFD, GPS_IFD, INTEROPERABILITY_IFD, UNIT_SIZES, Directory, Value

_LEADING = (EXIF_IFD, GPS_IFD, INTEROPERABILITY_IFD)


@st.composite
def values(draw: st.DrawFn) -> Value:
    """A value of any type."""
    kind = draw(st.sampled_from(sorted(UNIT_SIZES)))
    if kind in (2, 129) and draw(st.booleans()):
        text = draw(st.binary(max_size=30)).replace(b"\0", b"?") + b"\0"
        return Value(kind, len(text), text)
    count = draw(st.integers(0, 6))
    size = UNIT_SIZES[kind] * count
    return Value(kind, count, draw(st.binary(min_size=size, max_size=size)))


def _level(least: int = 1) -> st.SearchStrategy[dict[int, Any]]:
    tags = st.integers(0, 0xFFFF).filter(lambda tag: tag not in _LEADING)
    return st.dictionaries(tags, values(), min_size=least, max_size=6)


@st.composite
def directories(draw: st.DrawFn) -> Directory:
    """A directory, with those for EXIF, GPS and interoperability below it or without."""
    directory: Directory = dict(draw(_level()))
    if draw(st.booleans()):
        below: Directory = dict(draw(_level()))
        if draw(st.booleans()):
            below[INTEROPERABILITY_IFD] = dict(draw(_level()))
        directory[EXIF_IFD] = below
    if draw(st.booleans()):
        directory[GPS_IFD] = dict(draw(_level()))
    return directory


def stream(*entries: tuple[int, int, int, int], after: bytes = b"", order: str = "<", following: int = 0) -> bytes:
    """A stream of one directory, entry by entry: tag, type, count, and value or offset, whatever they are."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    body = struct.pack(order + "H", len(entries))
    body += b"".join(struct.pack(order + "HHII", *entry) for entry in entries)
    return head + body + struct.pack(order + "I", following) + after


_FIRST = 8
HOSTILE = {
    "nothing": b"",
    "no byte order": b"XX*\0\x08\0\0\0\0\0",
    "head only": b"II*\0\x08\0\0\0",
    "bigtiff": b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0",
    "first directory outside": b"II*\0\xff\xff\xff\xff" + bytes(100),
    "directory ends early": b"II*\0\x08\0\0\0\xff\xff" + bytes(30),
    "a circle": stream((EXIF_IFD, 4, 1, _FIRST), (GPS_IFD, 4, 1, _FIRST)),
    "a circle below": stream((EXIF_IFD, 4, 1, 26), after=struct.pack("<HHHII", 1, INTEROPERABILITY_IFD, 4, 1, 26)),
    "next directory is the first": stream((0x112, 3, 1, 6), following=_FIRST),
    "huge counts": stream((0x10F, 2, 0xFFFFFFFF, 0), (0x110, 5, 0x20000000, 0), (0x112, 12, 0x1FFFFFFF, 8)),
    "offsets outside": stream((0x10F, 2, 100, 0xFFFFFF00), (EXIF_IFD, 4, 1, 0xFFFFFFF0)),
    "unknown types": stream((0x10F, 0, 1, 0), (0x110, 99, 4, 0), (0x111, 0xFFFF, 1, 0)),
    "values that overlap": stream(*[(tag, 7, 400, 8) for tag in range(100)]),
    "the same tag many times": stream(*[(0x112, 3, 1, 6)] * 1000),
    "most entries": stream(*[(tag, 3, 1, tag) for tag in range(0xFFFF)]),
    "a directory where a value should be": stream((EXIF_IFD, 2, 4, 8), (GPS_IFD, 5, 1, 8)),
}
"""Name -> damaged or hostile streams."""
