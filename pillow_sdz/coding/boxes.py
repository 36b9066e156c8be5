"""Boxes: the small structures of a file (header, section heads, layer heads), parsed and built here by construct.

Each box is defined in the module that uses it. A box is a few bytes long and has a maximum size; section bodies, which
may be long, are sliced by their length and never go through construct. Numbers are little-endian. Field names, offsets
and sizes equal those of the tables in ``spec/sdz.md``, which a test compares.
"""

from __future__ import annotations

from typing import Any, Final

import construct

from pillow_sdz.errors import SdzFormatError, SdzTruncatedError

CODED_HEAD: Final = construct.Struct("coding" / construct.Int8ul)
"""First byte of the body of an alpha, direct layer or metadata section: how the rest of the body is coded."""

_LONGEST: Final[dict[int, int]] = {}
"""Maximum size in bytes of each box that contains a varint, by the id() of its Struct."""


def with_varint(box: Any, longest: int) -> Any:
    """Register a box that contains a varint of at most four bytes.

    Args:
        box: the construct Struct. Its last member is ``"end" / Tell``, the size of the box in bytes.
        longest: maximum size of the box in bytes.

    Returns:
        The same box.
    """
    _LONGEST[id(box)] = longest
    return box


def parse_box(box: Any, data: bytes | memoryview, offset: int, *, field: str) -> Any:
    """Parse one box at `offset` of `data`.

    At most the maximum size of the box is read. A varint that is not in its shortest form is refused, so that the same
    fields always have the same bytes.

    Args:
        box: a construct Struct of fixed size, or one that went through `with_varint`.
        data: the bytes that hold the box.
        offset: where it starts, in bytes.
        field: the section or field that errors name.

    Returns:
        The construct container. Of a box with a varint, ``end`` is the size in bytes.

    Raises:
        SdzTruncatedError: the data ends within the box.
        SdzFormatError: the box is malformed.
    """
    longest = _LONGEST.get(id(box))
    window = bytes(data[offset : offset + (longest if longest is not None else box.sizeof())])
    try:
        parsed = box.parse(window)
    except construct.StreamError as error:
        if longest is not None and len(window) == longest:
            raise SdzFormatError(
                "a length is written in too many bytes", field=field, expected="a varint of at most 4 bytes"
            ) from error
        raise SdzTruncatedError(
            "the data ends too early", field=field, found=f"{len(window)} bytes", remedy="get the file again"
        ) from error
    except construct.ConstructError as error:
        raise SdzFormatError(f"cannot be read: {error}", field=field, found=window.hex(" ")) from error
    if longest is not None and box.build(parsed) != window[: parsed.end]:
        raise SdzFormatError("a length is not in its shortest form", field=field, found=window[: parsed.end].hex(" "))
    return parsed


def parse_varints(data: bytes, offset: int, count: int, *, field: str) -> tuple[list[int], int]:
    """Parse varints that follow each other; for many of them, where a box for each would take long.

    Args:
        data: the bytes that hold them.
        offset: where the first one starts, in bytes.
        count: how many there are.
        field: the section or field that errors name.

    Returns:
        The numbers, and the offset after them.

    Raises:
        SdzTruncatedError: the data ends among them.
        SdzFormatError: one has more than four bytes, or could be written in fewer.

    >>> parse_varints(bytes([5, 0x80, 1]), 0, 2, field="numbers")
    ([5, 128], 3)
    """
    numbers: list[int] = []
    value, shift = 0, 0
    while len(numbers) < count:
        if offset >= len(data):
            raise SdzTruncatedError("the data ends too early", field=field, remedy="get the file again")
        byte = data[offset]
        offset += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            if byte == 0 and shift > 7:
                raise SdzFormatError("a length is not in its shortest form", field=field)
            numbers.append(value)
            value, shift = 0, 0
        elif shift == 28:
            raise SdzFormatError(
                "a length is written in too many bytes", field=field, expected="a varint of at most 4 bytes"
            )
    return numbers, offset


def build_box(box: Any, **fields: Any) -> bytes:
    """Serialise one box from its fields.

    >>> build_box(CODED_HEAD, coding=3)
    b'\\x03'
    """
    return bytes(box.build(fields))
