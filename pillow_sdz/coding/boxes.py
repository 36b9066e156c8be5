"""The construct definitions, one per box of `spec/sdz.md`, and the only place that calls construct.

Every box here is small and of bounded size: bodies are sliced by length elsewhere and never go through construct.
Numbers are little-endian. Field names, offsets and sizes equal the tables of the specification; a test compares them.
"""

from __future__ import annotations

from typing import Any, Final

import construct
from construct import (
    BitStruct,
    Bytes,
    Const,
    If,
    Int8ul,
    Int16ul,
    Int32ul,
    Nibble,
    Struct,
    Tell,
    VarInt,
    this,
)

from pillow_sdz.errors import SdzFormatError, SdzTruncatedError

MAGIC: Final = b"\x89SDZ\r\n\x1a\n"
"""First eight bytes of a file. As in PNG: a byte with its high bit set, letters, CR LF, control-Z and LF, so that
every usual kind of text-mode transfer damages it. It cannot be taken for a ZIP archive (``PK``)."""

PALETTE_BY_NUMBER: Final = 15
"""Value of the palette nibble of a layer whose palette is one of the model's, named by number."""

HEADER: Final = Struct(
    "magic" / Const(MAGIC),
    "version" / Int8ul,
    "flags" / Int8ul,
    "mode" / Int8ul,
    "payload" / BitStruct("kind" / Nibble, "layers" / Nibble),
    "width" / Int16ul,
    "height" / Int16ul,
    "factor" / Int8ul,
    "channels" / Int8ul,
    "latent_width" / Int16ul,
    "latent_height" / Int16ul,
    "quantiser" / Int8ul,
    "noise" / Int8ul,
    "steps" / Int8ul,
    "fingerprint" / Bytes(8),
)

SECTION_HEAD: Final = Struct("type" / Int8ul, "length" / VarInt, "end" / Tell)
SECTION_HEAD_BYTES: Final = 5  # one byte of type and a varint of at most four bytes

SECTION_TAIL: Final = Struct("crc" / Int32ul)

LAYER_HEAD: Final = Struct(
    "last_entry" / Int16ul,
    "coding" / BitStruct("palette" / Nibble, "indices" / Nibble),
    "palette_number" / If(this.coding.palette == PALETTE_BY_NUMBER, Int16ul),
    "palette_length" / If((this.coding.palette != 0) & (this.coding.palette != PALETTE_BY_NUMBER), VarInt),
    "end" / Tell,
)
LAYER_HEAD_BYTES: Final = 7  # two of entries, one of codings, a varint of at most four bytes

SCALAR_HEAD: Final = Struct("step" / Int16ul)

CODED_HEAD: Final = Struct("coding" / Int8ul)
"""First byte of a plane body (alpha, direct) and of a metadata body: the coding of the rest."""

TEXT_HEAD: Final = Struct("count" / Int16ul)
TEXT_ENTRY: Final = Struct("key_length" / Int8ul, "value_length" / Int32ul)

_VARINT_BOXES: Final = {id(SECTION_HEAD): SECTION_HEAD_BYTES, id(LAYER_HEAD): LAYER_HEAD_BYTES}


def parse_box(box: Any, data: bytes | memoryview, offset: int, *, field: str, file: str) -> Any:
    """Parse one box at `offset` of `data`.

    No more bytes are looked at than the largest form of the box has, and a number in a longer form than needed is
    refused, so that there is one way only to write each box.

    Args:
        box: one of the definitions of this module.
        data: the bytes that hold the box.
        offset: where it starts, in bytes.
        field: name for error messages.
        file: name for error messages.

    Returns:
        The construct container. Boxes with a varint have an attribute ``end``, their own length in bytes.

    Raises:
        SdzTruncatedError: the data ends within the box.
        SdzFormatError: the box is malformed.
    """
    longest = _VARINT_BOXES.get(id(box))
    window = bytes(data[offset : offset + (longest if longest is not None else box.sizeof())])
    try:
        parsed = box.parse(window)
    except construct.StreamError as error:
        if longest is not None and len(window) == longest:
            raise SdzFormatError(
                "a length is written in too many bytes", file=file, field=field, expected="a varint of at most 4 bytes"
            ) from error
        raise SdzTruncatedError(
            "the data ends too early", file=file, field=field, found=f"{len(window)} bytes", remedy="get the file again"
        ) from error
    except construct.ConstructError as error:
        raise SdzFormatError(f"cannot be read: {error}", file=file, field=field, found=window.hex(" ")) from error
    if longest is not None and box.build(parsed) != window[: parsed.end]:
        raise SdzFormatError(
            "a length is not in its shortest form", file=file, field=field, found=window[: parsed.end].hex(" ")
        )
    return parsed


def build_box(box: Any, **fields: Any) -> bytes:
    """Build one box from its fields.

    >>> build_box(SECTION_HEAD, type=0x81, length=300).hex(" ")
    '81 ac 02'
    """
    return bytes(box.build(fields))
