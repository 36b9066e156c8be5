"""Headers of AV1, VP8 and VP8L with any numbers in them, and the OBUs around, bit by bit."""

from __future__ import annotations

from functools import cache

import numpy as np
from pixel_samples import HEIGHT, WIDTH, letters, pixels_header

from pillow_sdz.container.sections import Container, build
from pillow_sdz.payloads.pixels import streams

SEQUENCE = {
    "seq_profile": (3, 0), "still_picture": (1, 1), "reduced_still_picture_header": (1, 1), "seq_level_idx": (5, 0),
    "frame_width_bits_minus_1": (4, 6), "frame_height_bits_minus_1": (4, 5),
    "max_frame_width_minus_1": (7, WIDTH - 1), "max_frame_height_minus_1": (6, HEIGHT - 1),
    "tools": (6, 0), "high_bitdepth": (1, 0),
    "mono_chrome": (1, 0), "color_description_present_flag": (1, 1), "color_primaries": (8, 1),
    "transfer_characteristics": (8, 13), "matrix_coefficients": (8, 6), "color_range": (1, 1),
    "chroma_sample_position": (2, 0), "separate_uv_delta_q": (1, 0), "film_grain_params_present": (1, 0),
}  # fmt: skip
"""The fields of a sequence header: bits and value, in their order. The six tools are single bits."""


def sequence_header(**changes: tuple[int, int]) -> bytes:
    """The contents of the OBU, with its trailing bits; with other widths and values of some fields."""
    fields = {**SEQUENCE, "tools": (6, tools()), **changes}
    bits = "".join(f"{value:0{count}b}" for count, value in fields.values() if count) + "1"
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


@cache
def tools() -> int:
    """The coding tools that the encoder here enables: a frame is decoded as the sequence header says."""
    stream = streams.encode(letters(), "av1", 60)
    bits = f"{int.from_bytes(stream[2 : 2 + stream[1]], 'big'):0{8 * stream[1]}b}"
    start = 18 + int(bits[10:14], 2) + 1 + int(bits[14:18], 2) + 1
    return int(bits[start : start + 6], 2)


def leb128(value: int) -> bytes:
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        out.append(low | 0x80 * (value > 0))
        if not value:
            return bytes(out)


def obu(kind: int, contents: bytes, *, head: int = 0b010) -> bytes:
    """An OBU with a size field."""
    return bytes([kind << 3 | head]) + leb128(len(contents)) + contents


def frame() -> bytes:
    """The contents of the frame of a real stream."""
    stream = streams.encode(letters(), "av1", 60)
    rest = stream[2 + stream[1] :]
    return rest[1 + len(leb128(len(rest) - 2)) :]


def av1_stream(**changes: tuple[int, int]) -> bytes:
    """A sequence header with changes, and a frame, which may not fit it."""
    return obu(1, sequence_header(**changes)) + obu(6, frame())


def pixels_of(stream: bytes, coding: int, width: int = WIDTH, height: int = HEIGHT) -> bytes:
    """A file of payload kind pixels with any stream, and with valid checksums."""
    return build(Container(pixels_header(width, height), [bytes([coding]) + stream]))


def real(coding: int) -> bytes:
    """A real stream."""
    return streams.encode(letters(), ("av1", "vp8", "vp8l")[coding], 60)


def flipped(stream: bytes, at: int, mask: int) -> bytes:
    """A stream with some bits of a byte changed."""
    changed = np.frombuffer(stream, np.uint8).copy()
    changed[at] ^= mask
    return changed.tobytes()
