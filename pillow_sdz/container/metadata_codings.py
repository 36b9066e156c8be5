"""The codings of metadata bodies: one byte that names the coding, then the data as they are or compressed.

What only EXIF needs is imported where it is needed: opening a file without EXIF takes less time so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pillow_sdz import limits
from pillow_sdz.coding.boxes import CODED_HEAD, build_box, parse_box
from pillow_sdz.coding.deflate import deflate, inflate_up_to
from pillow_sdz.container.dictionary import preset_dictionary
from pillow_sdz.errors import NEEDS_NEWER_VERSION, SdzFormatError, SdzLimitError, SdzVersionError

if TYPE_CHECKING:
    from collections.abc import Mapping

STORED: Final = 0
"""The data as they are."""

DEFLATED: Final = 1
"""One DEFLATE stream."""

PRESET: Final = 2
"""One DEFLATE stream with the preset dictionary."""

COMPACT: Final = 3
"""EXIF only: one DEFLATE stream with the preset dictionary, of compact EXIF."""

_LONGEST_PRESET: Final = 1 << 20
"""Data of more bytes are not tried with the preset dictionary: it helps at their start only."""

_EFFORT: Final = 9
"""Metadata are short; the smallest stream takes a millisecond."""


def check_size(size: int, field: str) -> None:
    """Refuse more metadata than `limits.MAX_METADATA_BYTES`.

    Args:
        size: bytes of one kind of metadata, inflated.
        field: the kind of metadata, which the error names.

    Raises:
        SdzLimitError: there are too many bytes.
    """
    if size > limits.MAX_METADATA_BYTES:
        raise SdzLimitError(
            "is too large",
            field=field,
            found=f"{size} bytes",
            expected=f"at most {limits.MAX_METADATA_BYTES} bytes",
            remedy="drop it or save a smaller one",
        )


def encode_blob(data: bytes, *, field: str = "metadata") -> bytes:
    """Code the data of one metadata section in the coding that gives the fewest bytes.

    Args:
        data: any bytes.
        field: the kind of metadata, which errors name.

    Returns:
        The body of the section.

    Raises:
        SdzLimitError: there are more than `limits.MAX_METADATA_BYTES` bytes.

    >>> encode_blob(b"short")
    b'\\x00short'
    """
    check_size(len(data), field)
    return _smallest(_codings(data))


def _codings(data: bytes) -> dict[int, bytes]:
    """Coding -> coded data, in every coding that any data can have."""
    coded = {STORED: data, DEFLATED: deflate(data, _EFFORT)}
    if len(data) <= _LONGEST_PRESET:
        coded[PRESET] = deflate(data, _EFFORT, preset_dictionary())
    return coded


def _smallest(coded: Mapping[int, bytes]) -> bytes:
    """The body of the coding with the fewest bytes; of equals, of the lowest number."""
    coding = min(coded, key=lambda each: (len(coded[each]), each))
    return build_box(CODED_HEAD, coding=coding) + coded[coding]


def decode_blob(body: bytes, limit: int | None = None, field: str = "metadata") -> bytes:
    """Undo `encode_blob`.

    Args:
        body: the body of the section.
        limit: maximum size of the result in bytes; None means `limits.MAX_METADATA_BYTES`.
        field: the kind of metadata, which errors name.

    Raises:
        SdzFormatError: the body is malformed.
        SdzLimitError: the result would be larger than the limit.
        SdzVersionError: the coding is unknown.
    """
    limit = limits.MAX_METADATA_BYTES if limit is None else limit
    coding = parse_box(CODED_HEAD, body, 0, field=field).coding
    data = memoryview(body)[CODED_HEAD.sizeof() :]
    if coding in (DEFLATED, PRESET):
        dictionary = preset_dictionary() if coding == PRESET else b""
        return inflate_up_to(data, limit, field=field, dictionary=dictionary)
    if coding != STORED:
        raise SdzVersionError(NEEDS_NEWER_VERSION, field=f"{field} coding", found=coding)
    if len(data) > limit:
        raise SdzLimitError("is too large", field=field, found=f"{len(data)} bytes", expected=f"at most {limit} bytes")
    return bytes(data)


def encode_exif(data: bytes) -> bytes:
    """Code EXIF, as compact EXIF if it is a TIFF stream in normal form (`pillow_sdz.container.tiff.write_tiff`).

    Args:
        data: any bytes, which come back as they are.

    Returns:
        The body of the section.

    Raises:
        SdzLimitError: there are more than `limits.MAX_METADATA_BYTES` bytes.
    """
    check_size(len(data), "exif")
    coded = _codings(data)
    compact = _compact(data)
    if compact is not None:
        coded[COMPACT] = deflate(compact, _EFFORT, preset_dictionary())
    return _smallest(coded)


def _compact(data: bytes) -> bytes | None:
    """Compact EXIF that gives exactly these bytes again, or None. That of long data is not tried."""
    from pillow_sdz.container.compact_exif import pack
    from pillow_sdz.container.tiff import read_tiff, write_tiff

    if len(data) > _LONGEST_PRESET:
        return None
    try:
        directory = read_tiff(data)
    except SdzFormatError:  # any bytes may be stored as EXIF
        return None
    return pack(directory) if write_tiff(directory) == data else None


def decode_exif(body: bytes) -> bytes:
    """Undo `encode_exif`.

    Args:
        body: the body of the section.

    Raises:
        SdzFormatError: the body is malformed.
        SdzLimitError: the EXIF would be larger than `limits.MAX_METADATA_BYTES`.
        SdzVersionError: the coding is unknown.
    """
    if parse_box(CODED_HEAD, body, 0, field="exif").coding != COMPACT:
        return decode_blob(body, field="exif")
    from pillow_sdz.container.compact_exif import unpack

    data = memoryview(body)[CODED_HEAD.sizeof() :]
    return unpack(inflate_up_to(data, limits.MAX_METADATA_BYTES, field="exif", dictionary=preset_dictionary()))
