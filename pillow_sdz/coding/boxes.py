"""Boxes: the small fixed structures of a file, defined with construct where they belong, parsed and built here.

Every box is small and of bounded size: bodies are sliced by length elsewhere and never go through construct. Numbers
are little-endian. Field names, offsets and sizes equal the tables of the specification; a test compares them.
"""

from __future__ import annotations

from typing import Any, Final

import construct

from pillow_sdz.errors import SdzFormatError, SdzTruncatedError

CODED_HEAD: Final = construct.Struct("coding" / construct.Int8ul)
"""First byte of a plane body (alpha, direct) and of a metadata body: the coding of the rest."""

_LONGEST: Final[dict[int, int]] = {}
"""Bytes of the longest form of each box with a varint, by its identity."""


def with_varint(box: Any, longest: int) -> Any:
    """Register a box that has a varint of at most four bytes, and an ``end`` that tells where it ends.

    Args:
        box: the construct Struct.
        longest: bytes of its longest form.

    Returns:
        The box.
    """
    _LONGEST[id(box)] = longest
    return box


def parse_box(box: Any, data: bytes | memoryview, offset: int, *, field: str) -> Any:
    """Parse one box at `offset` of `data`.

    No more bytes are looked at than the largest form of the box has, and a number in a longer form than needed is
    refused, so that there is one way only to write each box.

    Args:
        box: a construct Struct of fixed size, or one that went through `with_varint`.
        data: the bytes that hold the box.
        offset: where it starts, in bytes.
        field: name for error messages.

    Returns:
        The construct container. Boxes with a varint have an attribute ``end``, their own length in bytes.

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


def build_box(box: Any, **fields: Any) -> bytes:
    """Build one box from its fields.

    >>> build_box(CODED_HEAD, coding=3)
    b'\\x03'
    """
    return bytes(box.build(fields))
