"""Reading ICC profiles (ICC.1:2022) that consist of colorants and tone curves; every byte of them is hostile.

Nothing here raises errors: a profile of another form, or a damaged one, is None, and is kept as it is.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from construct import Bytes, ConstructError, Int16ub, Int32sb, Int32ub, Padding, Struct

from pillow_sdz.plugin.colour.spaces import FIXED

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLES: Final = 256
"""Points at which tone curves are compared: those of 8-bit samples."""

_HEADER: Final = Struct(
    "size" / Int32ub, Padding(4), "version" / Bytes(4), "device_class" / Bytes(4), "space" / Bytes(4),
    "connection_space" / Bytes(4), Padding(12), "signature" / Bytes(4), Padding(88), "tag_count" / Int32ub,
)  # fmt: skip
_TAG: Final = Struct("name" / Bytes(4), "offset" / Int32ub, "size" / Int32ub)
_XYZ: Final = Struct("type" / Bytes(4), Padding(4), "x" / Int32sb, "y" / Int32sb, "z" / Int32sb)
_CURVE: Final = Struct("type" / Bytes(4), Padding(4), "count" / Int32ub)
_PARAMETRIC: Final = Struct("type" / Bytes(4), Padding(4), "function" / Int16ub, Padding(2))
_CICP: Final = Struct("type" / Bytes(4), Padding(4), "content" / Bytes(4))

_MOST_TAGS: Final = 200
"""More tags than any profile of this form has."""

_MOST_ENTRIES: Final = 1 << 16
"""Most entries of a tone curve; more than one for each 16-bit sample make no sense."""

_CLASSES: Final = (b"mntr", b"scnr", b"spac")
"""Device classes of the profiles of pictures."""

_OVERRIDING: Final = (b"A2B", b"B2A", b"D2B", b"B2D")
"""Starts of the names of tables, which take precedence over colorants and tone curves."""

_PARAMETERS: Final = (1, 3, 4, 5, 7)
"""Number of parameters, by type of parametric curve."""


@dataclass(frozen=True)
class MatrixProfile:
    """A profile that consists of tone curves and colorants.

    Attributes:
        curves: for red, green and blue, or for grey alone: linear light of `SAMPLES` samples, from 0 to 1.
        colorants: X, Y, Z of red, green and blue, in 65536ths; None for grey.
        cicp: colour primaries and transfer characteristics (ITU-T H.273), if the profile names them.
    """

    curves: tuple[tuple[float, ...], ...]
    colorants: tuple[tuple[int, int, int], ...] | None
    cicp: tuple[int, int] | None


def read_profile(data: bytes) -> MatrixProfile | None:
    """Read a profile, in time and memory that do not depend on what it holds.

    Args:
        data: the profile.

    Returns:
        None if it is damaged, of another form, or describes something else than grey or RGB pictures.
    """
    try:
        return _read(data)
    except (ConstructError, ArithmeticError, ValueError, KeyError):
        return None


def _read(data: bytes) -> MatrixProfile | None:
    header = _HEADER.parse(data[: _HEADER.sizeof()])
    plain = header.signature == b"acsp" and header.size <= len(data) and header.tag_count <= _MOST_TAGS
    if not plain or header.device_class not in _CLASSES or header.connection_space != b"XYZ ":
        return None
    tags = dict(_tags(data, header.tag_count))
    if any(name[:3] in _OVERRIDING for name in tags):
        return None
    cicp = None
    if b"cicp" in tags:
        primaries, transfer, matrix, full_range = _CICP.parse(tags[b"cicp"]).content
        if (matrix, full_range) != (0, 1):
            return None
        cicp = primaries, transfer
    if header.space == b"GRAY":
        return MatrixProfile((_curve(tags[b"kTRC"]),), None, cicp)
    if header.space != b"RGB ":
        return None
    read: dict[bytes, tuple[float, ...]] = {}  # the three curves are usually the same bytes
    for name in (b"rTRC", b"gTRC", b"bTRC"):
        if tags[name] not in read:
            read[tags[name]] = _curve(tags[name])
    curves = tuple(read[tags[name]] for name in (b"rTRC", b"gTRC", b"bTRC"))
    boxes = [_XYZ.parse(tags[name]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
    if any(box.type != b"XYZ " for box in boxes):
        return None
    return MatrixProfile(curves, tuple((box.x, box.y, box.z) for box in boxes), cicp)


def _tags(data: bytes, count: int) -> Iterator[tuple[bytes, bytes]]:
    """Name and data of each tag, checked to lie within the profile.

    Raises:
        ValueError: a tag lies outside.
    """
    for number in range(count):
        start = _HEADER.sizeof() + number * _TAG.sizeof()
        tag = _TAG.parse(data[start : start + _TAG.sizeof()])
        if tag.offset + tag.size > len(data):
            raise ValueError("a tag lies outside of the profile")
        yield tag.name, data[tag.offset : tag.offset + tag.size]


def _curve(data: bytes) -> tuple[float, ...]:
    """A tone curve at `SAMPLES` samples.

    Raises:
        ConstructError, ArithmeticError, ValueError: it is damaged, or not defined everywhere.
    """
    samples = [number / (SAMPLES - 1) for number in range(SAMPLES)]
    values = _parametric(data, samples) if data[:4] == b"para" else _table(data, samples)
    if not all(math.isfinite(value) for value in values):
        raise ValueError("the curve is not finite")
    return tuple(min(1.0, max(0.0, value)) for value in values)


def _parametric(data: bytes, samples: list[float]) -> list[float]:
    """A parametric curve at samples from 0 to 1 (ICC.1:2022, 10.18)."""
    head = _PARAMETRIC.sizeof()
    function = _PARAMETRIC.parse(data[:head]).function
    if function >= len(_PARAMETERS):
        raise ValueError("an unknown type of parametric curve")
    count = _PARAMETERS[function]
    packed = data[head : head + 4 * count]
    if len(packed) < 4 * count:
        raise ValueError("the curve ends too early")
    numbers = [number / FIXED for number in struct.unpack(f">{count}i", packed)]
    gamma, a, b, c, d, e, f = numbers + [0.0] * (7 - count)
    if function == 0:
        return [math.pow(sample, gamma) for sample in samples]
    if function in (1, 2):  # the parameter after gamma, a and b is added to the whole
        return [(math.pow(a * sample + b, gamma) if sample >= -b / a else 0.0) + c for sample in samples]
    return [math.pow(a * sample + b, gamma) + e if sample >= d else c * sample + f for sample in samples]


def _table(data: bytes, samples: list[float]) -> list[float]:
    """A curve of type curv (ICC.1:2022, 10.6) at samples from 0 to 1: the identity, a gamma, or a table."""
    head = _CURVE.sizeof()
    box = _CURVE.parse(data[:head])
    if box.type != b"curv" or box.count > _MOST_ENTRIES or head + 2 * box.count > len(data):
        raise ValueError("not a tone curve")
    if box.count == 0:
        return samples
    entries = struct.unpack(f">{box.count}H", data[head : head + 2 * box.count])
    if box.count == 1:
        return [float(sample ** (entries[0] / 256)) for sample in samples]
    last = box.count - 1
    values = []
    for sample in samples:
        below = min(int(sample * last), last - 1)
        part = sample * last - below
        values.append((entries[below] * (1 - part) + entries[below + 1] * part) / 65535)
    return values
