"""The two codings of WebP without RIFF: what streams are accepted, and the WebP file around one of them.

The headers are those of RFC 6386, section 9.1 (VP8), and of the WebP Lossless Bitstream Specification, section 3
(VP8L). Where a stream ends is known to its decoder only: bytes that it does not need are not found.
"""

from __future__ import annotations

from typing import Final

from construct import Bytes, Const, Int32ul, Struct

from pillow_sdz.errors import NEEDS_NEWER_VERSION, SdzFormatError, SdzTruncatedError, SdzVersionError

_RIFF: Final = Struct(Const(b"RIFF"), "size" / Int32ul, Const(b"WEBP"), "type" / Bytes(4), "length" / Int32ul)
_SIZED: Final = 8
"""Bytes in front of what the size of RIFF counts."""

VP8_HEAD_BYTES: Final = 10
VP8L_HEAD_BYTES: Final = 5
_START_CODE: Final = b"\x9d\x01\x2a"
_SIGNATURE: Final = 0x2F


def vp8_size(stream: bytes, field: str) -> tuple[int, int]:
    """Width and height of a VP8 key frame, in pixels, from its first ten bytes.

    Raises:
        SdzFormatError: not a shown key frame without scaling.
        SdzTruncatedError: the stream ends within its header or its first partition.
    """
    _check_length(stream, VP8_HEAD_BYTES, field)
    tag = int.from_bytes(stream[:3], "little")
    for name, found, expected in (
        ("key frame", tag & 1, 0),
        ("show_frame", tag >> 4 & 1, 1),
        ("start code", stream[3:6].hex(" "), _START_CODE.hex(" ")),
        ("horizontal scale", stream[7] >> 6, 0),
        ("vertical scale", stream[9] >> 6, 0),
    ):
        if found != expected:
            raise SdzFormatError("is not allowed", field=f"{field}, {name}", found=found, expected=expected)
    if (version := tag >> 1 & 7) > 3:
        raise SdzVersionError(NEEDS_NEWER_VERSION, field=f"{field}, version", found=version, expected="0 to 3")
    _check_length(stream, VP8_HEAD_BYTES + (tag >> 5), field)
    return int.from_bytes(stream[6:8], "little") & 0x3FFF, int.from_bytes(stream[8:10], "little") & 0x3FFF


def vp8l_size(stream: bytes, field: str) -> tuple[int, int]:
    """Width and height of a VP8L picture without alpha, in pixels, from its first five bytes.

    Raises:
        SdzFormatError: another signature, or alpha.
        SdzTruncatedError: the stream ends within its header.
        SdzVersionError: a version that the format does not know.
    """
    _check_length(stream, VP8L_HEAD_BYTES + 1, field)
    bits = int.from_bytes(stream[1:VP8L_HEAD_BYTES], "little")
    for name, found, expected in (("signature", stream[0], _SIGNATURE), ("alpha_is_used", bits >> 28 & 1, 0)):
        if found != expected:
            raise SdzFormatError("is not allowed", field=f"{field}, {name}", found=found, expected=expected)
    if version := bits >> 29:
        raise SdzVersionError(NEEDS_NEWER_VERSION, field=f"{field}, version", found=version, expected=0)
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


def _check_length(stream: bytes, least: int, field: str) -> None:
    if len(stream) < least:
        raise SdzTruncatedError(
            "the data ends too early", field=field, found=f"{len(stream)} bytes", expected=f"at least {least} bytes",
            remedy="get the file again",
        )  # fmt: skip


def webp_of(stream: bytes, kind: bytes) -> bytes:
    """The WebP file around a stream.

    Args:
        stream: a stream that `vp8_size` or `vp8l_size` accepts.
        kind: the type of its chunk, ``b"VP8 "`` or ``b"VP8L"``.
    """
    padding = bytes(len(stream) % 2)
    size = int(_RIFF.sizeof()) - _SIZED + len(stream) + len(padding)
    return bytes(_RIFF.build({"size": size, "type": kind, "length": len(stream)})) + stream + padding


def chunk_of(webp: bytes, kind: bytes, field: str) -> bytes:
    """The contents of the one chunk of a WebP file that an encoder here has made.

    Raises:
        SdzFormatError: the file has another chunk first, as for a picture with alpha.
    """
    head = _RIFF.parse(webp)
    if head.type != kind:
        raise SdzFormatError("the encoder's file has another chunk", field=field, found=head.type, expected=kind)
    return webp[_RIFF.sizeof() :][: head.length]
