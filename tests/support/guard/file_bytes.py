"""Takes files apart and puts them together as ``spec/sdz.md`` specifies them, without any code of the package.

`plain_file` and its relatives give data with its DEFLATE streams inflated: another build of zlib may compress the same
data to other bytes, but what those inflate to must not change.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import reference_metadata

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER_BYTES = 33
FINGERPRINT_AT = 25
LAYER, ALPHA, PREVIEW, ICC, EXIF, XMP, TEXT = 0x01, 0x02, 0x81, 0x82, 0x83, 0x84, 0x85
PALETTE, DIRECT = 0, 1


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The number, and the offset of what follows it."""
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return number, at


def sections(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Type, start and end of each section's body, in an undamaged file."""
    at = HEADER_BYTES
    while at < len(data):
        kind = data[at]
        length, start = read_varint(data, at + 1)
        yield kind, start, start + length
        at = start + length + 4


def assemble(head: bytes, parts: list[tuple[int, bytes]]) -> bytes:
    """A file of a header and sections, with correct lengths and checksums."""
    data, crc = head, zlib.crc32(head)
    for kind, body in parts:
        piece = bytes([kind]) + varint(len(body)) + body
        crc = zlib.crc32(piece, crc)
        data += piece + crc.to_bytes(4, "little")
    return data


def apart(data: bytes) -> tuple[bytes, list[tuple[int, bytes]]]:
    """Header and sections."""
    return data[:HEADER_BYTES], [(kind, data[start:end]) for kind, start, end in sections(data)]


def mended(damaged: bytes, original: bytes) -> bytes:
    """The damaged file with its checksums recomputed at the offsets where the original has them."""
    result = bytearray(damaged)
    crc, at = zlib.crc32(damaged[:HEADER_BYTES]), HEADER_BYTES
    for _, _, end in sections(original):
        crc = zlib.crc32(damaged[at:end], crc)
        result[end : end + 4] = crc.to_bytes(4, "little")
        at = end + 4
    return bytes(result)


def inflated(data: bytes) -> bytes:
    return zlib.decompress(data, -15)


def plain_indices(coding: int, data: bytes) -> bytes:
    return bytes([coding]) + (inflated(data) if coding == 1 else data)


def plain_planes(body: bytes) -> bytes:
    return body[:1] + (inflated(body[1:]) if body[0] >= 2 else body[1:])


def plain_blob(body: bytes) -> bytes:
    return body[:1] + reference_metadata.plain(body)


def palette_layer(body: bytes, channels: int) -> tuple[int, int, bytes, bytes]:
    """Coding ids of palette and indices, the bytes before the indices, and the bytes of the indices."""
    entries, palette, indices, at = int.from_bytes(body[:2], "little") + 1, body[2] >> 4, body[2] & 15, 3
    if palette == 0:
        at += entries * channels
    elif palette == 15:
        at += 2
    else:
        length, at = read_varint(body, at)
        at += length
    return palette, indices, body[:at], body[at:]


def plain_layer(body: bytes, channels: int) -> bytes:
    _, coding, front, indices = palette_layer(body, channels)
    return front + plain_indices(coding, indices)


def plain_file(data: bytes) -> bytes:
    """Header and sections with inflated data, and without checksums."""
    head, parts = apart(data)
    payload, channels = head[11] >> 4, head[17]
    out = head
    for kind, body in parts:
        if kind == LAYER and payload == PALETTE:
            body = plain_layer(body, channels)
        elif kind == ALPHA or (kind == LAYER and payload == DIRECT):
            body = plain_planes(body)
        elif kind in (ICC, EXIF, XMP, TEXT):
            body = plain_blob(body)
        out += bytes([kind]) + len(body).to_bytes(4, "little") + body
    return out
