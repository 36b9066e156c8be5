"""One section of a file: its type, its head and its checksum."""

from __future__ import annotations

import zlib
from typing import Final

from construct import Int8ul, Int32ul, Struct, Tell, VarInt

from pillow_sdz.coding.boxes import build_box, parse_box, with_varint
from pillow_sdz.container.metadata import METADATA_SECTIONS
from pillow_sdz.errors import SdzFormatError, SdzTruncatedError

SECTION_HEAD: Final = with_varint(
    Struct("type" / Int8ul, "length" / VarInt, "end" / Tell),
    longest=5,  # one byte of type and a varint of at most four
)
SECTION_TAIL: Final = Struct("crc" / Int32ul)
"""CRC-32 of all bytes of the file before it, except the earlier checksums."""

ANCILLARY: Final = 0x80
"""Bit of a section type: readers skip an unknown section that has it, and refuse one that has not."""

LAYER: Final = 0x01
ALPHA: Final = 0x02
PREVIEW: Final = 0x81
PATCHES: Final = 0x86
FIELDS: Final = {ALPHA: "alpha", PREVIEW: "preview", 0x87: "error", 0x88: "error_map"}
"""Type of a section before the layers, other than metadata -> field of `pillow_sdz.container.sections.Container`."""

SECTION_NAMES: Final = {
    LAYER: "layer", **METADATA_SECTIONS, PATCHES: "patches",
    **{number: name.replace("_", " ") for number, name in FIELDS.items()},
}  # fmt: skip


def name_of(section_type: int) -> str:
    """The name of a type of sections, for errors and listings."""
    return SECTION_NAMES.get(section_type, f"unknown (0x{section_type:02x})")


def section_bytes(body_bytes: int) -> int:
    """Bytes that a section takes in a file: its head, its body and its checksum."""
    return len(build_box(SECTION_HEAD, type=0, length=body_bytes)) + body_bytes + int(SECTION_TAIL.sizeof())


def read_section(view: memoryview, offset: int, crc: int) -> tuple[int, bytes, int, int]:
    """Read the section at `offset`; return its type, its body, the offset after it and the running checksum."""
    head = parse_box(SECTION_HEAD, view, offset, field=f"section at byte {offset}")
    name = f"{name_of(head.type)} section at byte {offset}"
    start = offset + head.end
    end = start + head.length
    if end + SECTION_TAIL.sizeof() > len(view):
        raise SdzTruncatedError(
            "the file ends within this section",
            field=name,
            found=f"{len(view) - offset} bytes",
            expected=f"{end + SECTION_TAIL.sizeof() - offset} bytes",
            remedy="get the file again",
        )
    # The running checksum leaves out the stored checksums. The CRC of data followed by their own CRC is a constant, so
    # with them included it would start anew at each section and miss one that was lost, moved or from another file.
    crc = zlib.crc32(view[offset:end], crc)
    stored = parse_box(SECTION_TAIL, view, end, field=name).crc
    if stored != crc:
        raise SdzFormatError(
            "the checksum is wrong, the bytes up to here are damaged",
            field=name,
            found=f"{stored:08x}",
            expected=f"{crc:08x}",
            remedy="get the file again",
        )
    return head.type, bytes(view[start:end]), end + SECTION_TAIL.sizeof(), crc


def part_of_layer(view: memoryview, offset: int) -> bytes | None:
    """What there is of the body of the layer at ``offset``, which the file ends within; None of another section."""
    if view[offset : offset + 1] != bytes([LAYER]):
        return None
    try:
        head = parse_box(SECTION_HEAD, view, offset, field="layer")
    except SdzTruncatedError:
        return None
    return bytes(view[offset + head.end :][: head.length])
