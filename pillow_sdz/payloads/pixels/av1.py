"""AV1 still pictures without the boxes of AVIF: what streams are accepted, and the AVIF file around one of them.

A stream is what an AVIF file holds in its ``mdat``: a sequence header and a frame. The boxes, about 280 bytes, say
nothing that the sequence header does not, so that a reader can make them: `avif_of`. Names and bits are those of the
AV1 Bitstream & Decoding Process Specification (sections 5.3 to 5.5), of ISO/IEC 14496-12 and 23008-12 (boxes), and of
the AV1 Codec ISO Media File Format Binding (``av1C``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from construct import BitsInteger, BitStruct, Bytes, Const, Int8ub, Int16ub, Int32ub, Padding, Struct

from pillow_sdz.coding.boxes import parse_varints
from pillow_sdz.errors import NEEDS_NEWER_VERSION, SdzFormatError, SdzTruncatedError, SdzVersionError
from pillow_sdz.payloads.pixels.bits import BitReader

if TYPE_CHECKING:
    from collections.abc import Iterator

SEQUENCE_HEADER: Final = 1
TEMPORAL_DELIMITER: Final = 2
FRAME: Final = 6

_HAS_SIZE: Final = 0b010
"""The three low bits of an OBU's first byte: no extension, a size field, a reserved bit that is 0."""

_LONGEST_SEQUENCE: Final = 16
"""Bytes that a sequence header may have; those that are accepted need at most 13."""

COLOUR_DESCRIPTION: Final = (1, 13, 6)
"""Primaries of BT.709, transfer of sRGB, matrix of BT.601: what Pillow writes. The samples' colour space is that of the
.sdz file; only the matrix matters to a decoder."""


@dataclass(frozen=True)
class Sequence:
    """What a sequence header says.

    Attributes:
        width, height: of the picture in pixels.
        profile: 0, with 4:2:0 or grey; or 1, with 4:4:4.
        level: ``seq_level_idx``, 0 to 31.
        monochrome: whether there is no chroma.
        chroma_position: ``chroma_sample_position``, 0 to 3; 0 without subsampled chroma.
    """

    width: int
    height: int
    profile: int
    level: int
    monochrome: bool
    chroma_position: int

    @property
    def subsampling(self) -> str:
        """``4:0:0``, ``4:2:0`` or ``4:4:4``."""
        return "4:0:0" if self.monochrome else "4:4:4" if self.profile else "4:2:0"


def parse_stream(stream: bytes, field: str) -> Sequence:
    """Check that a stream is a sequence header and one frame, and parse the header. Costs microseconds.

    The frame has the size of the sequence header: the reduced still picture header leaves no other.

    Args:
        stream: the OBUs.
        field: what errors name.

    Raises:
        SdzFormatError: other OBUs, or a sequence header that the format does not admit.
        SdzTruncatedError: the stream ends within an OBU.
        SdzVersionError: a profile or a bit depth that the format does not know.
    """
    obus = list(_obus(stream, field))
    kinds = [kind for kind, _, _ in obus]
    if kinds != [SEQUENCE_HEADER, FRAME]:
        raise SdzFormatError(
            "holds other units", field=field, found=f"OBUs of types {kinds}",
            expected=f"one sequence header ({SEQUENCE_HEADER}) and one frame ({FRAME})",
        )  # fmt: skip
    (_, start, end), (_, frame_start, frame_end) = obus
    if frame_start == frame_end:
        raise SdzTruncatedError("the frame is empty", field=field, remedy="get the file again")
    name = f"{field}, sequence header"
    if end - start > _LONGEST_SEQUENCE:
        raise SdzFormatError(
            "is too long", field=name, found=f"{end - start} bytes", expected=f"at most {_LONGEST_SEQUENCE} bytes"
        )
    return _sequence(BitReader(stream[start:end], name), name)


def without_delimiter(stream: bytes) -> bytes:
    """A stream without the temporal delimiter that encoders put in front of it."""
    return stream.removeprefix(bytes([TEMPORAL_DELIMITER << 3 | _HAS_SIZE, 0]))


def _obus(stream: bytes, field: str) -> Iterator[tuple[int, int, int]]:
    """Type, start and end of the contents of each OBU, at most three: more than two are refused.

    Sizes are leb128 numbers of AV1, here of at most four bytes and in their shortest form, as all of this format.
    """
    offset = 0
    for _ in range(3):
        if offset == len(stream):
            return
        head = stream[offset]
        if head & 0x87 != _HAS_SIZE:
            raise SdzFormatError(
                "has an OBU header that is not allowed", field=field, found=f"0x{head:02x} at byte {offset}",
                expected="a size field, no extension, and reserved bits of 0",
            )  # fmt: skip
        (size,), start = parse_varints(stream, offset + 1, 1, field=field)
        offset = start + size
        if offset > len(stream):
            raise SdzTruncatedError(
                "ends within an OBU", field=field, found=f"{len(stream) - start} bytes", expected=f"{size} bytes",
                remedy="get the file again",
            )  # fmt: skip
        yield head >> 3, start, offset


def _sequence(reader: BitReader, field: str) -> Sequence:
    """Parse and check a sequence header, section 5.5 of the AV1 specification; the reduced form alone."""

    def demand(name: str, found: object, expected: object) -> None:
        if found != expected:
            raise SdzFormatError("is not allowed", field=f"{field}, {name}", found=found, expected=expected)

    profile = reader.read(3)
    if profile > 1:
        raise SdzVersionError(NEEDS_NEWER_VERSION, field=f"{field}, seq_profile", found=profile, expected="0 or 1")
    demand("still_picture", reader.read(1), 1)
    demand("reduced_still_picture_header", reader.read(1), 1)
    level = reader.read(5)
    width_bits, height_bits = reader.read(4) + 1, reader.read(4) + 1
    width, height = reader.read(width_bits) + 1, reader.read(height_bits) + 1
    reader.read(6)  # use_128x128_superblock, enable_filter_intra, _intra_edge_filter, _superres, _cdef, _restoration
    if reader.read(1):  # high_bitdepth
        raise SdzVersionError(NEEDS_NEWER_VERSION, field=f"{field}, bit depth", found="10 or 12", expected=8)
    monochrome = profile == 0 and bool(reader.read(1))
    if reader.read(1):  # color_description_present_flag: encoders before libavif 1.4 leave it to the boxes
        demand("colour description", tuple(reader.read(8) for _ in range(3)), COLOUR_DESCRIPTION)
    demand("color_range", reader.read(1), 1)
    chroma_position = reader.read(2) if profile == 0 and not monochrome else 0
    if not monochrome:
        reader.read(1)  # separate_uv_delta_q
    demand("film_grain_params_present", reader.read(1), 0)
    left = reader.left
    demand("trailing bits", f"{reader.read(left):0{left}b}", "1".ljust(min(left, 8), "0"))
    return Sequence(width, height, profile, level, monochrome, chroma_position)


# The AVIF file around a stream. All of its numbers are big-endian; sizes include the eight bytes of size and type.

_BOX: Final = Struct("size" / Int32ub, "type" / Bytes(4))
_ITEM: Final = 1
"""Number of the one item, the picture."""

_FTYP: Final = Struct(Const(b"avif"), Const(0, Int32ub), Const(b"avifmif1miaf"))
_HDLR: Final = Struct(Padding(8), Const(b"pict"), Padding(13))
_PITM: Final = Struct(Padding(4), Const(_ITEM, Int16ub))
_ILOC: Final = Struct(
    Padding(4),
    Const(0x4400, Int16ub),  # offsets and lengths of four bytes, no base offset
    Const(1, Int16ub), Const(_ITEM, Int16ub), Padding(2),  # one item, in this file,
    Const(1, Int16ub), "offset" / Int32ub, "length" / Int32ub,  # in one piece
)  # fmt: skip
_INFE: Final = Struct(Const(2, Int8ub), Padding(3), Const(_ITEM, Int16ub), Padding(2), Const(b"av01"), Padding(1))
_ISPE: Final = Struct(Padding(4), "width" / Int32ub, "height" / Int32ub)
_AV1C: Final = Struct(
    Const(0x81, Int8ub),
    "coding" / BitStruct(
        "profile" / BitsInteger(3), "level" / BitsInteger(5), Padding(3), "monochrome" / BitsInteger(1),
        "subsampled" / BitsInteger(2), "chroma_position" / BitsInteger(2),
    ),
    Padding(1),
)  # fmt: skip
_COLR: Final = Struct(Const(b"nclx"), *(Const(number, Int16ub) for number in COLOUR_DESCRIPTION), Const(0x80, Int8ub))
_IPMA: Final = Struct(
    Padding(4), Const(1, Int32ub), Const(_ITEM, Int16ub), Const(4, Int8ub), Const(bytes([1, 2, 0x83, 4]))
)  # fmt: skip


def avif_of(stream: bytes, sequence: Sequence) -> bytes:
    """The AVIF file around a stream: ``ftyp``, ``meta`` and ``mdat``; always the same bytes for the same stream.

    Args:
        stream: a stream that `parse_stream` accepts.
        sequence: what it gave.
    """
    channels = 1 if sequence.monochrome else 3
    coding = {
        "profile": sequence.profile,
        "level": sequence.level,
        "monochrome": int(sequence.monochrome),
        "subsampled": 0 if sequence.profile else 0b11,
        "chroma_position": sequence.chroma_position,
    }
    properties = (
        _box(b"ispe", _ISPE, width=sequence.width, height=sequence.height)
        + _wrap(b"pixi", bytes(4) + bytes([channels]) + bytes([8]) * channels)
        + _box(b"av1C", _AV1C, coding=coding)
        + _box(b"colr", _COLR)
    )
    file_type, media = _box(b"ftyp", _FTYP), _wrap(b"mdat", stream)

    def meta(offset: int) -> bytes:
        boxes = (
            _box(b"hdlr", _HDLR),
            _box(b"pitm", _PITM),
            _box(b"iloc", _ILOC, offset=offset, length=len(stream)),
            _wrap(b"iinf", bytes(4) + Int16ub.build(1) + _box(b"infe", _INFE)),
            _wrap(b"iprp", _wrap(b"ipco", properties) + _box(b"ipma", _IPMA)),
        )
        return _wrap(b"meta", bytes(4) + b"".join(boxes))

    offset = len(file_type) + len(meta(0)) + _BOX.sizeof()
    return file_type + meta(offset) + media


def _box(name: bytes, content: Any, **fields: object) -> bytes:
    return _wrap(name, content.build(fields))


def _wrap(name: bytes, content: bytes) -> bytes:
    return bytes(_BOX.build({"size": _BOX.sizeof() + len(content), "type": name})) + content


def media_of(avif: bytes, field: str) -> bytes:
    """The contents of the first ``mdat`` of an AVIF file that an encoder here has made.

    Raises:
        SdzFormatError: there is none.
    """
    offset = 0
    while offset + _BOX.sizeof() <= len(avif):
        head = _BOX.parse(avif[offset : offset + _BOX.sizeof()])
        if head.type == b"mdat":
            return avif[offset + _BOX.sizeof() : offset + head.size]
        if head.size < _BOX.sizeof():
            break
        offset += head.size
    raise SdzFormatError("the encoder's file has no media data", field=field, expected="a box mdat")
