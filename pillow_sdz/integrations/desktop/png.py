"""PNG files (ISO/IEC 15948) of 8 bits, written with zlib alone."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"

_COLOUR_TYPES: Final = {1: 0, 2: 4, 3: 2, 4: 6}
"""Channels -> colour type: grey, grey and alpha, RGB, RGBA."""

_UP: Final = 2
"""The filter that stores differences from the row above."""

_PROFILE_SPACES: Final = {1: b"GRAY", 2: b"GRAY", 3: b"RGB ", 4: b"RGB "}
_PROFILE_BYTES: Final = range(128, 1 << 20)
"""Lengths of profiles that are kept: larger ones do not belong into a thumbnail."""


def png_of(pixels: NDArray[np.uint8], profile: bytes | None = None) -> bytes:
    """A PNG file.

    Args:
        pixels: (H, W, C); C is 1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGBA). Alpha is not premultiplied.
        profile: ICC profile of the pixels. It is left out if it is none, or is not for such pixels.
    """
    height, width, channels = pixels.shape
    head = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    rows = np.full((height, 1 + width * channels), _UP, np.uint8)
    rows[:, 1:] = pixels.reshape(height, -1)
    rows[1:, 1:] -= pixels.reshape(height, -1)[:-1]
    parts = [SIGNATURE, _chunk(b"IHDR", head)]
    if profile is not None and _suits(profile, channels):
        parts.append(_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(profile)))
    parts += [_chunk(b"IDAT", zlib.compress(rows.tobytes())), _chunk(b"IEND", b"")]
    return b"".join(parts)


def _suits(profile: bytes, channels: int) -> bool:
    """Whether this is an ICC profile (ICC.1:2022, 7.2) for such pixels, as far as its header says."""
    return (
        len(profile) in _PROFILE_BYTES
        and int.from_bytes(profile[:4], "big") == len(profile)
        and profile[16:20] == _PROFILE_SPACES[channels]
        and profile[36:40] == b"acsp"
    )


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
