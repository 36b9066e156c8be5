"""Raw DEFLATE streams (RFC 1951), for all sections that use DEFLATE.

There is no zlib wrapper: its header and checksum would cost six bytes a section, and the container has a checksum of
its own.
"""

from __future__ import annotations

import zlib
from typing import Final

from pillow_sdz.errors import SdzFormatError, SdzLimitError, SdzTruncatedError

_RAW: Final = -15
"""The ``wbits`` of zlib for a raw stream with a window of 2**15 bytes."""

_STRATEGIES: Final = (zlib.Z_DEFAULT_STRATEGY, zlib.Z_RLE, zlib.Z_FILTERED)


def deflate(data: bytes, effort: int = 4, dictionary: bytes = b"") -> bytes:
    """Compress to one raw DEFLATE stream: the smallest that one to three strategies of zlib give.

    Args:
        data: any bytes.
        effort: 0 (fast) to 9 (small); sets the level of zlib and how many of its strategies are tried.
        dictionary: a preset dictionary, bytes before the data that the stream may refer to.
    """
    level = min(9, effort + 2)
    strategies = _STRATEGIES[: 1 + (effort >= 1) + (effort >= 7)]
    candidates = []
    for strategy in strategies:
        packer = zlib.compressobj(level, zlib.DEFLATED, _RAW, 9, strategy, zdict=dictionary)
        candidates.append(packer.compress(data) + packer.flush())
    return min(candidates, key=len)


def inflate(data: bytes | memoryview, size: int, *, field: str) -> bytes:
    """Decompress a stream that must give exactly ``size`` bytes and take all of ``data``.

    The result never takes more than ``size`` + 1 bytes of memory, whatever the stream holds.

    Raises:
        SdzTruncatedError: the stream ends too early.
        SdzFormatError: the stream is invalid, does not give ``size`` bytes, or is followed by more bytes.
    """
    out, ended = _inflate(data, size, field=field)
    if len(out) > size or (ended and len(out) < size):
        found = f"more than {size}" if len(out) > size else len(out)
        raise SdzFormatError("the deflated data has the wrong size", field=field, found=f"{found} bytes", expected=size)
    return out


def inflate_up_to(data: bytes | memoryview, limit: int, *, field: str, dictionary: bytes = b"") -> bytes:
    """Decompress a stream of unknown size that must not give more than ``limit`` bytes.

    Args:
        data: the stream.
        limit: maximum size of the result in bytes.
        field: the section or field that errors name.
        dictionary: the preset dictionary that the stream was made with.

    Raises:
        SdzTruncatedError: the stream ends too early.
        SdzFormatError: the stream is invalid or followed by more bytes.
        SdzLimitError: the result would exceed ``limit`` bytes.
    """
    out, _ = _inflate(data, limit, field=field, dictionary=dictionary)
    if len(out) > limit:
        raise SdzLimitError("the deflated data is too large", field=field, expected=f"at most {limit} bytes")
    return out


def _inflate(data: bytes | memoryview, limit: int, *, field: str, dictionary: bytes = b"") -> tuple[bytes, bool]:
    """Return at most ``limit`` + 1 bytes and whether the stream ended; one byte beyond the limit shows an oversize."""
    unpacker = zlib.decompressobj(_RAW, zdict=dictionary)
    try:
        out = unpacker.decompress(data, limit + 1)
    except zlib.error as error:
        raise SdzFormatError(f"the deflated data is invalid: {error}", field=field) from error
    if len(out) <= limit and not unpacker.eof:
        raise SdzTruncatedError("the deflated data ends too early", field=field, found=f"{len(out)} bytes")
    if unpacker.unused_data:
        raise SdzFormatError(
            "there are bytes after the deflated data",
            field=field,
            found=f"{len(unpacker.unused_data)} bytes",
        )
    return out, unpacker.eof
