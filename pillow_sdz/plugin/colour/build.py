"""A small ICC profile (ICC.1:2022, version 4) of each colour space that the header can name: always the same bytes."""

from __future__ import annotations

import hashlib
import struct
from functools import cache
from typing import TYPE_CHECKING, Final

from pillow_sdz.plugin.colour.spaces import D50, D65_TO_D50, SPACES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pillow_sdz.plugin.colour.spaces import Curve

_HEADER_BYTES: Final = 128
_TAG_BYTES: Final = 12
_VERSION: Final = 0x04400000
_CREATED: Final = (2026, 1, 1, 0, 0, 0)
_COPYRIGHT: Final = "CC0"


@cache
def profile_of(name: str) -> bytes:
    """The profile of a colour space.

    Args:
        name: one of `pillow_sdz.container.colour_spaces.COLOUR_SPACES`, but not None.

    Returns:
        328 to 480 bytes, which `pillow_sdz.plugin.colour.recognise` recognises again.
    """
    space = SPACES[name]
    tags = {b"desc": _text(name), b"cprt": _text(_COPYRIGHT), b"wtpt": _xyz(D50)}
    tags[b"chad"] = b"sf32" + bytes(4) + _numbers(value for row in D65_TO_D50 for value in row)
    if space.colorants is None:
        tags[b"kTRC"] = _curve(space.curve)
    else:
        for channel, colorant in zip((b"r", b"g", b"b"), space.colorants, strict=True):
            tags[channel + b"XYZ"] = _xyz(colorant)
            tags[channel + b"TRC"] = _curve(space.curve)
    start = _HEADER_BYTES + 4 + _TAG_BYTES * len(tags)
    table, content = struct.pack(">I", len(tags)), b""
    placed: dict[bytes, int] = {}  # the three tone curves are one
    for tag, data in tags.items():
        if data not in placed:
            placed[data] = start + len(content)
            content += data + bytes(-len(data) % 4)
        table += tag + struct.pack(">II", placed[data], len(data))
    body = table + content
    header = _header(_HEADER_BYTES + len(body), b"GRAY" if space.colorants is None else b"RGB ")
    identity = hashlib.md5(header + body, usedforsecurity=False).digest()  # ICC.1:2022, 7.2.18
    return header[:84] + identity + header[100:] + body


def _header(size: int, space: bytes) -> bytes:
    """The header of a profile (ICC.1:2022, 7.2), without its identity."""
    return struct.pack(
        ">I4xI4s4s4s6H4s28x12s48x", size, _VERSION, b"mntr", space, b"XYZ ", *_CREATED, b"acsp", _numbers(D50)
    )  # fmt: skip


def _numbers(values: Iterable[int]) -> bytes:
    return b"".join(struct.pack(">i", value) for value in values)


def _xyz(value: tuple[int, int, int]) -> bytes:
    return b"XYZ " + bytes(4) + _numbers(value)


def _text(text: str) -> bytes:
    data = text.encode("utf-16-be")
    return b"mluc" + struct.pack(">IIIHHII", 0, 1, 12, 0x656E, 0x5553, len(data), 28) + data  # English, USA


def _curve(curve: Curve) -> bytes:
    if curve.slope:
        return b"para" + struct.pack(">4xHxx", 3) + _numbers(
            (curve.gamma, curve.scale, curve.offset, curve.slope, curve.start)
        )  # fmt: skip
    return b"para" + struct.pack(">4xHxx", 0) + _numbers((curve.gamma,))
