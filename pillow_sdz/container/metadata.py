"""Metadata sections: ICC profile, EXIF, XMP and text; `pillow_sdz.container.metadata_codings` codes their bodies.

ICC, EXIF and XMP come back as they were, byte by byte: an ICC profile, a TIFF stream without the ``Exif`` prefix of
JPEG, an XMP packet in UTF-8. To add a kind of metadata, add a line to `METADATA_SECTIONS` and a field to `Metadata`;
`pillow_sdz.plugin.info` maps it to and from Pillow's ``image.info``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from construct import Int8ul, Int16ul, Int32ul, Struct

from pillow_sdz import limits
from pillow_sdz.coding.boxes import build_box, parse_box
from pillow_sdz.container.metadata_codings import check_size, decode_blob, decode_exif, encode_blob, encode_exif
from pillow_sdz.errors import SdzFormatError, SdzLimitError, SdzTruncatedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TEXT_HEAD: Final = Struct("count" / Int16ul)
TEXT_ENTRY: Final = Struct("key_length" / Int8ul, "value_length" / Int32ul)

METADATA_SECTIONS: Final = {0x82: "icc", 0x83: "exif", 0x84: "xmp", 0x85: "text"}
"""Section type -> kind of metadata, a field of `Metadata`."""

KIND_NAMES: Final = {"icc": "the ICC profile", "exif": "EXIF", "xmp": "XMP", "text": "text"}
"""Kind of metadata -> its name in messages."""


@dataclass(frozen=True)
class Metadata:
    """The metadata of a picture; None or empty where there is none.

    Attributes:
        icc: ICC profile.
        exif: EXIF, starting with its TIFF header.
        xmp: XMP packet, UTF-8.
        text: key -> value, in the order of the file.
        colour_space: one of `pillow_sdz.container.colour_spaces.COLOUR_SPACES`, which the header names; None where
            there is an ICC profile.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    text: dict[str, str] = field(default_factory=dict)
    colour_space: str | None = None


def encode_metadata(metadata: Metadata) -> dict[str, bytes]:
    """The bodies of the metadata sections, by kind (a value of `METADATA_SECTIONS`), without empty ones.

    Raises:
        SdzLimitError: something is too large.
        SdzFormatError: a text cannot be stored.
    """
    coders: dict[str, Callable[[Any], bytes]] = {"exif": encode_exif, "text": encode_text}
    values = {kind: getattr(metadata, kind) for kind in METADATA_SECTIONS.values()}
    return {
        kind: coders[kind](value) if kind in coders else encode_blob(value, field=kind)
        for kind, value in values.items()
        if value
    }


def decode_metadata(bodies: Mapping[str, bytes], colour_space: str | None = None) -> Metadata:
    """Undo `encode_metadata`.

    Args:
        bodies: bodies of the metadata sections, by kind.
        colour_space: the one that the header names.

    Raises:
        SdzError: a body is damaged or too large.
    """
    coders: dict[str, Callable[[bytes], Any]] = {"exif": decode_exif, "text": decode_text}
    values: dict[str, Any] = {
        kind: coders[kind](bodies[kind]) if kind in coders else decode_blob(bodies[kind], field=kind)
        for kind in METADATA_SECTIONS.values()
        if kind in bodies
    }
    return Metadata(**values, colour_space=colour_space)


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
        check_size(len(content), f"text entry {key!r}")
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


def _check_count(count: int) -> None:
    if count > limits.MAX_TEXT_ENTRIES:
        raise SdzLimitError(
            "there are too many entries",
            field="text",
            found=count,
            expected=f"at most {limits.MAX_TEXT_ENTRIES}",
        )
