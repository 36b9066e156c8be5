"""Bytes of a file <-> `Container`: the header and the sections, with their order, limits and checksums.

Section bodies stay coded here. `pillow_sdz.payloads` (layers), `pillow_sdz.coding.planes` (alpha),
`pillow_sdz.payloads.preview_matrix`, and of this package `metadata` and `stored_error` decode them.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace

from pillow_sdz import limits
from pillow_sdz.coding.boxes import build_box
from pillow_sdz.container.framing import (
    ALPHA,
    ANCILLARY,
    FIELDS,
    LAYER,
    PATCHES,
    PREVIEW,
    SECTION_HEAD,
    SECTION_NAMES,
    SECTION_TAIL,
    name_of,
    part_of_layer,
    read_section,
    section_bytes,
)
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
        patches: patches body, see `pillow_sdz.container.patches`; None if the header announces none, or if the end of a
            truncated file lacks it.
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
    patches: bytes | None = None

    @property
    def lacks_patches(self) -> bool:
        """Whether the header announces patches that a truncated file does not hold."""
        return self.header.patched and self.patches is None


def parse(data: bytes, *, allow_truncated: bool = False) -> Container:
    """Read a file: structure, limits and checksums, without decoding any body.

    Args:
        data: the whole file.
        allow_truncated: accept a file whose end is missing or damaged as long as its first layer is whole, or if the
            payload is progressive, a part of it is there. The other layers have a valid checksum. Patches that are
            missing or damaged are left out.

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
            section_type, body, offset, crc = read_section(view, offset, crc)
        except SdzFormatError as error:
            part = part_of_layer(view, offset) if isinstance(error, SdzTruncatedError) else None
            if not container.layers:
                progressive = kinds.payload(header.payload).progressive
                if not (progressive and part and _is_layer_due(header, seen)):
                    raise
            if allow_truncated:
                missing = header.layer_count - len(container.layers)
                return replace(container, truncation=Truncation(missing, part or b""))
            whole = len(container.layers)
            arrived = f"{whole} of {header.layer_count} layers arrived" if whole else "a part of layer 1 arrived"
            raise _with_remedy(error, arrived, "decodes what there is") from error
        _place_section(container, seen, section_type, body)
    if header.patched:
        try:
            section_type, body, offset, crc = read_section(view, offset, crc)
        except SdzFormatError as error:
            if allow_truncated:
                return container
            raise _with_remedy(error, "all layers arrived", "leaves out the patches") from error
        _place_section(container, seen, section_type, body)
    if offset != len(view):
        raise SdzFormatError(
            f"there are bytes after the {'patches' if header.patched else 'last layer'}",
            field="end of file",
            found=f"{len(view)} bytes",
            expected=f"{offset} bytes",
        )
    return container


def _with_remedy(error: SdzFormatError, arrived: str, effect: str) -> SdzFormatError:
    """An error about the end of a file, with what arrived, and what decoding a truncated file would do."""
    remedy = f"get the file again; {arrived}, PIL.ImageFile.LOAD_TRUNCATED_IMAGES = True {effect}"
    return type(error)(error.problem, field=error.field, found=error.found, expected=error.expected, remedy=remedy)


def build(container: Container) -> bytes:
    """Serialise a file: the header, the sections before the layers in rising order of types, layers, patches.

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
    if header.patched != (container.patches is not None):
        expected = f"{'a' if header.patched else 'no'} patches section, by the flags of the header"
        raise SdzFormatError("contradicts the header", field="patches", expected=expected)
    for section_type, _ in container.unknown:
        if section_type in SECTION_NAMES:
            raise SdzFormatError("is not an unknown type", field="unknown", found=f"{name_of(section_type)} section")
    checked = Container(header, [])  # filled only for the checks of `_place_section`
    seen: set[int] = set()
    out = bytearray(header_bytes(header))
    crc = zlib.crc32(out)
    for section_type, body in _in_order(container):
        if len(body) > limits.MAX_SECTION_BYTES:
            raise SdzLimitError(
                "the section is too long",
                field=name_of(section_type),
                found=f"{len(body)} bytes",
                expected=f"at most {limits.MAX_SECTION_BYTES} bytes",
            )
        _place_section(checked, seen, section_type, body)
        section = build_box(SECTION_HEAD, type=section_type, length=len(body)) + body
        crc = zlib.crc32(section, crc)
        out += section
        out += build_box(SECTION_TAIL, crc=crc)
    return bytes(out)


def parts_of(container: Container) -> list[tuple[str, int]]:
    """Name and bytes of each part of a file, in the order in which `build` writes them; together the whole file."""
    sections = ((name_of(section_type), section_bytes(len(body))) for section_type, body in _in_order(container))
    return [("header", HEADER_BYTES), *sections]


def _in_order(container: Container) -> list[tuple[int, bytes]]:
    """Types and bodies of all sections in the order of a file: those before the layers by type, layers, patches."""
    known = {section_type: getattr(container, name) for section_type, name in FIELDS.items()}
    known |= {section_type: container.metadata.get(kind) for section_type, kind in METADATA_SECTIONS.items()}
    sections = [(section_type, body) for section_type, body in known.items() if body is not None]
    sections = sorted(sections + container.unknown, key=lambda section: section[0])
    sections += [(LAYER, body) for body in container.layers]
    if container.patches is not None:
        sections.append((PATCHES, container.patches))
    return sections


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
        return SdzFormatError(problem, field=f"{name_of(section_type)} section", found=found, expected=expected)

    header = container.header
    if section_type == PATCHES or (header.patched and len(container.layers) == header.layer_count):
        if not header.patched:
            raise fault("is not announced by the flags of the header")
        if section_type != PATCHES:
            raise fault("stands where the header announces patches")
        if len(container.layers) < header.layer_count:
            raise fault("stands before the last layer")
        container.patches = body
        return
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
    if section_type == PREVIEW and not kinds.payload(header.payload).needs_model:
        raise fault(f"means nothing with payload {header.payload}")
    if section_type == PREVIEW and len(body) != (header.channels + 1) * 3:
        raise fault("has the wrong length", f"{len(body)} bytes", f"{(header.channels + 1) * 3} bytes")
    if section_type in FIELDS:
        setattr(container, FIELDS[section_type], body)
    else:
        container.metadata[METADATA_SECTIONS[section_type]] = body
