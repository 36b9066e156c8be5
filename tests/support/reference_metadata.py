"""A second implementation of the metadata codings, written from the words of ``spec/sdz.md``, to test the first."""

from __future__ import annotations

import struct
import zlib
from functools import cache

from specification import SPEC

EXIF, GPS, INTEROPERABILITY = 0x8769, 0x8825, 0xA005
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 129: 1}


@cache
def dictionary() -> bytes:
    """The preset dictionary, as the specification prints it."""
    text = SPEC.split("<!-- dictionary -->\n```\n", 1)[1].split("\n```", 1)[0]
    out, text = bytearray(), text.replace("\n", "")
    at = 0
    while at < len(text):
        if text[at] != "\\":
            out.append(ord(text[at]))
            at += 1
        elif text[at + 1] == "x":
            out.append(int(text[at + 2 : at + 4], 16))
            at += 4
        else:
            out.append({"n": 10, "\\": 92}[text[at + 1]])
            at += 2
    return bytes(out)


def plain(body: bytes) -> bytes:
    """The data of a metadata body, decoded but for compact EXIF."""
    if body[0] == 0:
        return body[1:]
    return zlib.decompressobj(-15, zdict=dictionary() if body[0] >= 2 else b"").decompress(body[1:])


def tiff_of(compact: bytes) -> bytes:
    """The TIFF stream in normal form that compact EXIF stands for."""
    directories: list[tuple[int, list[tuple[int, int, int | None]]]] = []  # tag that leads there, heads
    tags, at = [0], 0
    while len(directories) < len(tags):
        leading = tags[len(directories)]
        heads: list[tuple[int, int, int | None]] = []
        count, at = compact[at], at + 1
        for _ in range(count):
            tag, form = struct.unpack_from("<HB", compact, at)
            units, at = None, at + 3
            if form & 0x80:
                (units,), at = struct.unpack_from("<I", compact, at), at + 4
            if form == 0:
                assert (leading, tag) in ((0, EXIF), (0, GPS), (EXIF, INTEROPERABILITY))
                tags.append(tag)
            kind = 129 if form & 0x7F == 14 else form & 0x7F
            heads.append((tag, kind, units))
        directories.append((leading, heads))
    values: list[list[tuple[int, int, int, bytes | None]]] = []
    for _, heads in directories:
        row: list[tuple[int, int, int, bytes | None]] = []
        for tag, kind, units in heads:
            if kind == 0:
                row.append((tag, 4, 1, None))
                continue
            if units is None:
                units = compact.index(0, at) + 1 - at if kind in (2, 129) else 1
            row.append((tag, kind, units, compact[at : at + units * SIZES[kind]]))
            at += units * SIZES[kind]
        values.append(row)
    assert at == len(compact)
    return _laid_out(values)


def _laid_out(directories: list[list[tuple[int, int, int, bytes | None]]]) -> bytes:
    longer = [[value for *_, value in row if value is not None and len(value) > 4] for row in directories]
    places = [8]
    for row, values in zip(directories, longer, strict=True):
        places.append(places[-1] + 6 + 12 * len(row) + sum(len(value) + len(value) % 2 for value in values))
    out, below = bytearray(b"II*\0\x08\0\0\0"), 0
    for place, row, values in zip(places, directories, longer, strict=False):
        out += struct.pack("<H", len(row))
        free = place + 6 + 12 * len(row)
        for tag, kind, units, value in row:
            out += struct.pack("<HHI", tag, kind, units)
            if value is None:
                below += 1
                out += struct.pack("<I", places[below])
            elif len(value) > 4:
                out += struct.pack("<I", free)
                free += len(value) + len(value) % 2
            else:
                out += value + bytes(4 - len(value))
        out += bytes(4) + b"".join(value + bytes(len(value) % 2) for value in values)
    return bytes(out)
