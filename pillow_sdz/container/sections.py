"""Bytes of a file <-> `Container`: the header and the sections, with their order, limits and checksums.

Section bodies stay coded here. `pillow_sdz.payloads` (layers), `pillow_sdz.coding.planes` (alpha),
`pillow_sdz.payloads.preview_matrix`, and of this package `metadata` and `stored_error` decode them.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from typing import Final

from construct import Int8ul, Int32ul, Struct, Tell, VarInt

from pillow_sdz import limits
from pillow_sdz.coding.boxes import build_box, parse_box, with_varint
from pillow_sdz.container.header import HEADER_BYTES, Header, check_header, header_bytes, read_header
from pillow_sdz.container.magic import check_magic
from pillow_sdz.container.metadata import METADATA_SECTIONS
from pillow_sdz.errors import (
    NEEDS_NEWER_VERSION,
    SdzError,
    SdzFormatError,
    SdzLimitError,
    SdzTruncatedError,
    SdzVersionError,
)
from pillow_sdz.payloads import kinds
from pillow_sdz.payloads.protocol import Truncation

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
_FIELDS: Final = {ALPHA: "alpha", PREVIEW: "preview", 0x87: "error", 0x88: "error_map"}
"""Section type -> field of `Container` that holds its body."""

SECTION_NAMES: Final = {
    LAYER: "layer", **METADATA_SECTIONS, **{number: name.replace("_", " ") for number, name in _FIELDS.items()}
}  # fmt: skip


@dataclass
class Container:
    """The header and the coded section bodies of a file.

    Attributes:
        header: the header.
        layers: layer bodies, most important first.
        alpha: alpha body; None exactly if the mode has no alpha.
        preview: preview matrix body, (channels + 1) * 3 bytes.
        metadata: metadata bodies by kind, a value of `pillow_sdz.container.metadata.METADATA_SECTIONS`.
        error: body of the error section, see `pillow_sdz.container.stored_error`.
        error_map: body of the error map section.
        unknown: (type, body) of ancillary sections that this version does not know.
        truncation: layers that the header announces but the file does not hold whole, or None; set only by
            ``parse(..., allow_truncated=True)``.
    """

    header: Header
    layers: list[bytes]
    alpha: bytes | None = None
    preview: bytes | None = None
    metadata: dict[str, bytes] = field(default_factory=dict)
    error: bytes | None = None
    error_map: bytes | None = None
    unknown: list[tuple[int, bytes]] = field(default_factory=list)
    truncation: Truncation | None = None


def parse(data: bytes, *, allow_truncated: bool = False) -> Container:
    """Read a file: structure, limits and checksums, without decoding any body.

    Args:
        data: the whole file.
        allow_truncated: accept a file whose end is missing or damaged as long as its first layer is whole, or if the
            payload is progressive, a part of it is there. The other layers have a valid checksum.

    Raises:
        SdzFormatError: not an .sdz file, or a damaged one.
        SdzTruncatedError: the file ends too early.
        SdzVersionError: the file uses something this version does not know.
        SdzLimitError: a size is beyond `pillow_sdz.limits`.
    """
    view = memoryview(data)
    check_magic(bytes(view[:16]))
    header = read_header(view)
    container = Container(header, [])
    seen: set[int] = set()
    crc = zlib.crc32(view[:HEADER_BYTES])
    offset = HEADER_BYTES
    while len(container.layers) < header.layer_count:
        try:
            section_type, body, offset, crc = _read_section(view, offset, crc)
        except SdzFormatError as error:
            part = _part_of_layer(view, offset) if isinstance(error, SdzTruncatedError) else None
            if not container.layers:
                progressive = kinds.payload(header.payload).progressive
                if not (progressive and part and _is_layer_due(header, seen)):
                    raise
            if allow_truncated:
                missing = header.layer_count - len(container.layers)
                return replace(container, truncation=Truncation(missing, part or b""))
            whole = len(container.layers)
            arrived = f"{whole} of {header.layer_count} layers arrived" if whole else "a part of layer 1 arrived"
            remedy = f"get the file again; {arrived}, PIL.ImageFile.LOAD_TRUNCATED_IMAGES = True decodes what there is"
            raise type(error)(
                error.problem, field=error.field, found=error.found, expected=error.expected, remedy=remedy
            ) from error
        _place_section(container, seen, section_type, body)
    if offset != len(view):
        raise SdzFormatError(
            "there are bytes after the last layer",
            field="end of file",
            found=f"{len(view)} bytes",
            expected=f"{offset} bytes",
        )
    return container


def build(container: Container) -> bytes:
    """Serialise a file: the header, then all sections but layers in rising order of their types, then the layers.

    Raises:
        SdzFormatError: the parts contradict each other.
        SdzLimitError: a size is beyond `pillow_sdz.limits`.
    """
    header = container.header
    check_header(header)
    if container.truncation is not None or len(container.layers) != header.layer_count:
        raise SdzFormatError(
            "the header announces another number",
            field="layers",
            found=len(container.layers),
            expected=header.layer_count,
        )
    for section_type, _ in container.unknown:
        if section_type in SECTION_NAMES:
            raise SdzFormatError("is not an unknown type", field="unknown", found=f"{_name(section_type)} section")
    checked = Container(header, [])  # filled only for the checks of `_place_section`
    seen: set[int] = set()
    out = bytearray(header_bytes(header))
    crc = zlib.crc32(out)
    for section_type, body in _in_order(container):
        if len(body) > limits.MAX_SECTION_BYTES:
            raise SdzLimitError(
                "the section is too long",
                field=_name(section_type),
                found=f"{len(body)} bytes",
                expected=f"at most {limits.MAX_SECTION_BYTES} bytes",
            )
        _place_section(checked, seen, section_type, body)
        section = build_box(SECTION_HEAD, type=section_type, length=len(body)) + body
        crc = zlib.crc32(section, crc)
        out += section
        out += build_box(SECTION_TAIL, crc=crc)
    return bytes(out)


def section_bytes(body_bytes: int) -> int:
    """Bytes that a section takes in a file: its head, its body and its checksum."""
    return len(build_box(SECTION_HEAD, type=0, length=body_bytes)) + body_bytes + int(SECTION_TAIL.sizeof())


def parts_of(container: Container) -> list[tuple[str, int]]:
    """Name and bytes of each part of a file, in the order in which `build` writes them; together the whole file."""
    sections = ((_name(section_type), section_bytes(len(body))) for section_type, body in _in_order(container))
    return [("header", HEADER_BYTES), *sections]


def _in_order(container: Container) -> list[tuple[int, bytes]]:
    """Types and bodies of all sections in the order of a file: those before the layers by type, then the layers."""
    known = {section_type: getattr(container, name) for section_type, name in _FIELDS.items()}
    known |= {section_type: container.metadata.get(kind) for section_type, kind in METADATA_SECTIONS.items()}
    sections = [(section_type, body) for section_type, body in known.items() if body is not None]
    sections = sorted(sections + container.unknown, key=lambda section: section[0])
    sections += [(LAYER, body) for body in container.layers]
    return sections


def _read_section(view: memoryview, offset: int, crc: int) -> tuple[int, bytes, int, int]:
    """Read the section at `offset`; return its type, its body, the offset after it and the running checksum."""
    head = parse_box(SECTION_HEAD, view, offset, field=f"section at byte {offset}")
    name = f"{_name(head.type)} section at byte {offset}"
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


def _part_of_layer(view: memoryview, offset: int) -> bytes | None:
    """What there is of the body of the layer at ``offset``, which the file ends within; None of another section."""
    if view[offset : offset + 1] != bytes([LAYER]):
        return None
    try:
        head = parse_box(SECTION_HEAD, view, offset, field="layer")
    except SdzTruncatedError:
        return None
    return bytes(view[offset + head.end :][: head.length])


def _is_layer_due(header: Header, seen: set[int]) -> bool:
    """Whether the first layer may follow sections of these types."""
    return not header.has_alpha or ALPHA in seen


def _place_section(container: Container, seen: set[int], section_type: int, body: bytes) -> None:
    """Add a section to the container, and check that it may stand here.

    Args:
        container: the header, and the sections before this one.
        seen: types of the sections before this one, layers left out; the new type is added.
        section_type: type of the section.
        body: its body.

    Raises:
        SdzFormatError: the section is out of order, repeated, or contradicts the header.
        SdzVersionError: the type is unknown and not ancillary.
    """

    def fault(problem: str, found: object = None, expected: object = None) -> SdzError:
        return SdzFormatError(problem, field=f"{_name(section_type)} section", found=found, expected=expected)

    header = container.header
    if section_type == LAYER:
        if not container.layers and not _is_layer_due(header, seen):
            raise fault(f"mode {header.mode} needs an alpha section before the first layer")
        container.layers.append(body)
        return
    if container.layers:
        raise fault("only layers may follow a layer")
    if section_type in seen:
        raise fault("appears twice")
    seen.add(section_type)
    if section_type not in SECTION_NAMES:
        if not section_type & ANCILLARY:
            raise SdzVersionError(NEEDS_NEWER_VERSION, field="section type", found=f"0x{section_type:02x}")
        container.unknown.append((section_type, body))
        return
    if section_type == ALPHA and not header.has_alpha:
        raise fault(f"mode {header.mode} has no alpha")
    if METADATA_SECTIONS.get(section_type) == "icc" and header.colour_space is not None:
        raise fault("contradicts the header, which names a colour space", expected=header.colour_space)
    if section_type == PREVIEW and len(body) != (header.channels + 1) * 3:
        raise fault("has the wrong length", f"{len(body)} bytes", f"{(header.channels + 1) * 3} bytes")
    if section_type in _FIELDS:
        setattr(container, _FIELDS[section_type], body)
    else:
        container.metadata[METADATA_SECTIONS[section_type]] = body


def _name(section_type: int) -> str:
    return SECTION_NAMES.get(section_type, f"unknown (0x{section_type:02x})")
