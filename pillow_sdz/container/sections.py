"""The container: bytes <-> header and sections, with their limits and checksums.

Section bodies come out as they lie in the file; `pillow_sdz.payloads`, `pillow_sdz.coding.planes` and
`pillow_sdz.container.metadata` turn them into arrays, bytes and text.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Final

from construct import Int8ul, Int32ul, Struct, Tell, VarInt

from pillow_sdz import limits
from pillow_sdz.coding.boxes import build_box, parse_box, with_varint
from pillow_sdz.container.header import HEADER_BYTES, Header, check_header, header_bytes, read_header
from pillow_sdz.container.magic import check_magic
from pillow_sdz.container.metadata import METADATA_SECTIONS
from pillow_sdz.errors import NEWER, SdzError, SdzFormatError, SdzLimitError, SdzTruncatedError, SdzVersionError

SECTION_HEAD: Final = with_varint(
    Struct("type" / Int8ul, "length" / VarInt, "end" / Tell),
    longest=5,  # one byte of type and a varint of at most four
)
SECTION_TAIL: Final = Struct("crc" / Int32ul)

ANCILLARY: Final = 0x80
LAYER: Final = 0x01
ALPHA: Final = 0x02
PREVIEW: Final = 0x81
SECTION_NAMES: Final = {LAYER: "layer", ALPHA: "alpha", PREVIEW: "preview", **METADATA_SECTIONS}


@dataclass
class Container:
    """A whole file: header and section bodies, as they lie in the file (bodies of metadata may be deflated).

    Attributes:
        header: the header.
        layers: layer bodies, most important first.
        alpha: alpha body, present exactly if the mode has alpha.
        preview: preview matrix body, (channels + 1) * 3 bytes.
        metadata: metadata bodies by the names of `pillow_sdz.container.metadata.METADATA_SECTIONS`.
        unknown: (type, body) of ancillary sections that this version does not know.
        missing_layers: layers announced that did not arrive whole; above 0 only after
            ``parse(..., allow_truncated=True)``.
    """

    header: Header
    layers: list[bytes]
    alpha: bytes | None = None
    preview: bytes | None = None
    metadata: dict[str, bytes] = field(default_factory=dict)
    unknown: list[tuple[int, bytes]] = field(default_factory=list)
    missing_layers: int = 0


def parse(data: bytes, *, allow_truncated: bool = False) -> Container:
    """Read a file: structure, limits and checksums, without decoding any body.

    Args:
        data: the whole file.
        allow_truncated: accept a file whose end is missing or damaged as long as its first layer is whole; only
            whole layers with a valid checksum are returned, and `Container.missing_layers` counts the others.

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
            kind, body, offset, crc = _read_section(view, offset, crc)
        except SdzFormatError as error:
            if not container.layers:
                raise
            if allow_truncated:
                container.missing_layers = header.layer_count - len(container.layers)
                return container
            arrived = f"{len(container.layers)} of {header.layer_count} layers arrived"
            hint = f"get the file again; {arrived}, PIL.ImageFile.LOAD_TRUNCATED_IMAGES = True decodes those"
            raise type(error)(
                error.problem, field=error.field, found=error.found, expected=error.expected, remedy=hint
            ) from error
        _place_section(container, seen, kind, body)
    if offset != len(view):
        raise SdzFormatError(
            "there are bytes after the last layer",
            field="end of file",
            found=f"{len(view)} bytes",
            expected=f"{offset} bytes",
        )
    return container


def build(container: Container) -> bytes:
    """Write a file: header, the other sections in the order of their types, the layers.

    Raises:
        SdzFormatError: the parts contradict each other.
        SdzLimitError: a size is beyond `pillow_sdz.limits`.
    """
    header = container.header
    check_header(header)
    if container.missing_layers or len(container.layers) != header.layer_count:
        raise SdzFormatError(
            "the header announces another number",
            field="layers",
            found=len(container.layers),
            expected=header.layer_count,
        )
    for kind, _ in container.unknown:
        if kind in SECTION_NAMES:
            raise SdzFormatError("is not an unknown type", field="unknown", found=f"{_name(kind)} section")
    known = {ALPHA: container.alpha, PREVIEW: container.preview}
    known |= {kind: container.metadata.get(name) for kind, name in METADATA_SECTIONS.items()}
    sections = [(kind, body) for kind, body in known.items() if body is not None]
    sections = sorted(sections + container.unknown, key=lambda section: section[0])
    sections += [(LAYER, body) for body in container.layers]
    check = Container(header, [])
    seen: set[int] = set()
    out = bytearray(header_bytes(header))
    crc = zlib.crc32(out)
    for kind, body in sections:
        if len(body) > limits.MAX_SECTION_BYTES:
            raise SdzLimitError(
                "the section is too long",
                field=_name(kind),
                found=f"{len(body)} bytes",
                expected=f"at most {limits.MAX_SECTION_BYTES} bytes",
            )
        _place_section(check, seen, kind, body)
        piece = build_box(SECTION_HEAD, type=kind, length=len(body)) + body
        crc = zlib.crc32(piece, crc)
        out += piece
        out += build_box(SECTION_TAIL, crc=crc)
    return bytes(out)


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
    # The checksum runs over everything but the checksums: over them too, it would be the same constant after each
    # section (that is how a CRC works) and would not notice a section that was lost, moved or from another file.
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


def _place_section(container: Container, seen: set[int], kind: int, body: bytes) -> None:
    """Put a section where it belongs, checking order and number."""

    def fault(problem: str, found: object = None, expected: object = None) -> SdzError:
        return SdzFormatError(problem, field=f"{_name(kind)} section", found=found, expected=expected)

    header = container.header
    if kind == LAYER:
        if not container.layers and header.has_alpha and ALPHA not in seen:
            raise fault(f"mode {header.mode} needs an alpha section before the first layer")
        container.layers.append(body)
        return
    if container.layers:
        raise fault("only layers may follow a layer")
    if kind in seen:
        raise fault("appears twice")
    seen.add(kind)
    if kind not in SECTION_NAMES:
        if not kind & ANCILLARY:
            raise SdzVersionError(NEWER, field="section type", found=f"0x{kind:02x}")
        container.unknown.append((kind, body))
        return
    if kind == ALPHA and not header.has_alpha:
        raise fault(f"mode {header.mode} has no alpha")
    if kind == PREVIEW and len(body) != (header.channels + 1) * 3:
        raise fault("has the wrong length", f"{len(body)} bytes", f"{(header.channels + 1) * 3} bytes")
    if kind == ALPHA:
        container.alpha = body
    elif kind == PREVIEW:
        container.preview = body
    else:
        container.metadata[METADATA_SECTIONS[kind]] = body


def _name(kind: int) -> str:
    return SECTION_NAMES.get(kind, f"unknown (0x{kind:02x})")
