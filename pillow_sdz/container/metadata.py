"""Metadata sections: ICC profile, EXIF, XMP and text; each body is one byte that names the coding, then the data.

ICC, EXIF and XMP are passed on as they are, without parsing: an ICC profile, a TIFF stream without the ``Exif`` prefix
of JPEG, an XMP packet in UTF-8. To add a kind of metadata, add a line to `METADATA_SECTIONS` and a field to `Metadata`;
`pillow_sdz.plugin.info` maps it to and from Pillow's ``image.info``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from construct import Int8ul, Int16ul, Int32ul, Struct

from pillow_sdz import limits
from pillow_sdz.coding.boxes import CODED_HEAD, build_box, parse_box
from pillow_sdz.coding.deflate import deflate, inflate_up_to
from pillow_sdz.errors import NEEDS_NEWER_VERSION, SdzFormatError, SdzLimitError, SdzTruncatedError, SdzVersionError

if TYPE_CHECKING:
    from collections.abc import Mapping

TEXT_HEAD: Final = Struct("count" / Int16ul)
TEXT_ENTRY: Final = Struct("key_length" / Int8ul, "value_length" / Int32ul)

METADATA_SECTIONS: Final = {0x82: "icc", 0x83: "exif", 0x84: "xmp", 0x85: "text"}
"""Section type -> kind of metadata, a field of `Metadata`."""

STORED: Final = 0
"""Codings of a metadata body: the data as they are, or one DEFLATE stream."""

DEFLATED: Final = 1


@dataclass(frozen=True)
class Metadata:
    """The metadata of a picture; None or empty where there is none.

    Attributes:
        icc: ICC profile.
        exif: EXIF, starting with its TIFF header.
        xmp: XMP packet, UTF-8.
        text: key -> value, in the order of the file.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    text: dict[str, str] = field(default_factory=dict)


def encode_metadata(metadata: Metadata) -> dict[str, bytes]:
    """The bodies of the metadata sections, by kind (a value of `METADATA_SECTIONS`), without empty ones.

    Raises:
        SdzLimitError: something is too large.
        SdzFormatError: a text cannot be stored.
    """
    values = {kind: getattr(metadata, kind) for kind in METADATA_SECTIONS.values()}
    return {
        kind: encode_text(value) if kind == "text" else encode_blob(value, field=kind)
        for kind, value in values.items()
        if value
    }


def decode_metadata(bodies: Mapping[str, bytes]) -> Metadata:
    """Undo `encode_metadata`.

    Raises:
        SdzError: a body is damaged or too large.
    """
    blobs = {
        kind: decode_blob(bodies[kind], field=kind)
        for kind in METADATA_SECTIONS.values()
        if kind in bodies and kind != "text"
    }
    text = decode_text(bodies["text"]) if "text" in bodies else {}
    return Metadata(**blobs, text=text)


def encode_blob(data: bytes, *, field: str = "metadata") -> bytes:
    """Code the data of one metadata section: stored or deflated, whichever is smaller.

    Args:
        data: any bytes, at most `limits.MAX_METADATA_BYTES`.
        field: the kind of metadata, which errors name.

    Raises:
        SdzLimitError: too many bytes.

    >>> encode_blob(b"short")
    b'\\x00short'
    """
    _check_size(len(data), field)
    packed = deflate(data, 7)
    coding, body = (DEFLATED, packed) if len(packed) < len(data) else (STORED, data)
    return build_box(CODED_HEAD, coding=coding) + body


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
    if coding == DEFLATED:
        return inflate_up_to(data, limit, field=field)
    if coding != STORED:
        raise SdzVersionError(NEEDS_NEWER_VERSION, field=f"{field} coding", found=coding)
    if len(data) > limit:
        raise SdzLimitError("is too large", field=field, found=f"{len(data)} bytes", expected=f"at most {limit} bytes")
    return bytes(data)


def encode_text(text: Mapping[str, str]) -> bytes:
    """Code the entries of the text section, in their order.

    Args:
        text: keys of 1 to 255 bytes of UTF-8, values of any length; at most `limits.MAX_TEXT_ENTRIES` of them.

    Returns:
        The body of the text section.

    Raises:
        SdzLimitError: too many entries, too long a key, or too many bytes in all.
        SdzFormatError: an empty key, or text that UTF-8 cannot hold (lone surrogates).
    """
    _check_count(len(text))
    pieces = [build_box(TEXT_HEAD, count=len(text))]
    for key, value in text.items():
        try:
            name, content = key.encode(), value.encode()
        except UnicodeEncodeError as error:
            raise SdzFormatError("the text cannot be written as UTF-8", field=f"text entry {key!r}") from error
        if not name:
            raise SdzFormatError("the key is empty", field="text")
        if len(name) > limits.MAX_TEXT_KEY_BYTES:
            raise SdzLimitError(
                "the key is too long",
                field=f"text entry {key[:40]!r}",
                found=f"{len(name)} bytes",
                expected=f"at most {limits.MAX_TEXT_KEY_BYTES} bytes",
            )
        _check_size(len(content), f"text entry {key!r}")
        pieces += [build_box(TEXT_ENTRY, key_length=len(name), value_length=len(content)), name, content]
    return encode_blob(b"".join(pieces), field="text")


def decode_text(body: bytes) -> dict[str, str]:
    """Undo `encode_text`.

    Args:
        body: the body of the text section.

    Raises:
        SdzFormatError: the entries do not fill the body exactly, a key is empty or appears twice, or the bytes are
            not UTF-8.
        SdzLimitError: too many entries or bytes.
        SdzVersionError: the coding is unknown.
    """
    data = decode_blob(body, field="text")
    count = parse_box(TEXT_HEAD, data, 0, field="text").count
    _check_count(count)
    text: dict[str, str] = {}
    offset = TEXT_HEAD.sizeof()
    for number in range(count):
        field = f"text entry {number + 1} of {count}"
        head = parse_box(TEXT_ENTRY, data, offset, field=field)
        start = offset + TEXT_ENTRY.sizeof()
        middle = start + head.key_length
        offset = middle + head.value_length
        if offset > len(data):
            raise SdzTruncatedError("the text ends too early", field=field, found=f"{len(data)} bytes", expected=offset)
        try:
            key, value = data[start:middle].decode(), data[middle:offset].decode()
        except UnicodeDecodeError as error:
            raise SdzFormatError(f"is not UTF-8: {error.reason}", field=field) from error
        if not key or key in text:
            problem = "the key appears twice" if key else "the key is empty"
            raise SdzFormatError(problem, field=field, found=repr(key[:40]))
        text[key] = value
    if offset != len(data):
        raise SdzFormatError("there are bytes after the last entry", field="text", found=f"{len(data) - offset} bytes")
    return text


def _check_size(size: int, field: str) -> None:
    if size > limits.MAX_METADATA_BYTES:
        raise SdzLimitError(
            "is too large",
            field=field,
            found=f"{size} bytes",
            expected=f"at most {limits.MAX_METADATA_BYTES} bytes",
            remedy="drop it or save a smaller one",
        )


def _check_count(count: int) -> None:
    if count > limits.MAX_TEXT_ENTRIES:
        raise SdzLimitError(
            "there are too many entries",
            field="text",
            found=count,
            expected=f"at most {limits.MAX_TEXT_ENTRIES}",
        )
