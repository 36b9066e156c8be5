"""Small files, built box by box, so that tests of the bytes need neither a model nor the encoder's choices."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np
import toy_scalar

from pillow_sdz.codec.file import read
from pillow_sdz.coding import planes
from pillow_sdz.coding.boxes import CODED_HEAD, build_box
from pillow_sdz.container.framing import SECTION_HEAD
from pillow_sdz.container.header import HEADER_BYTES, Header
from pillow_sdz.container.metadata import TEXT_ENTRY, TEXT_HEAD
from pillow_sdz.container.sections import Container
from pillow_sdz.errors import naming_file
from pillow_sdz.payloads.palette.layers import LAYER_HEAD

if TYPE_CHECKING:
    from numpy.typing import NDArray

FINGERPRINT = bytes.fromhex("0011223344556677")


def layer_body(palette: list[list[int]], packed: bytes, *, palette_coding: int = 0, index_coding: int = 0) -> bytes:
    """A layer with its palette as plain bytes."""
    head = build_box(
        LAYER_HEAD,
        last_entry=len(palette) - 1,
        coding={"palette": palette_coding, "indices": index_coding},
        palette_length=None,
    )
    return head + bytes(np.array(palette, np.uint8)) + packed


def text_body(*entries: tuple[bytes, bytes]) -> bytes:
    """A stored text section, whatever its entries are."""
    body = build_box(CODED_HEAD, coding=0) + build_box(TEXT_HEAD, count=len(entries))
    for key, value in entries:
        body += build_box(TEXT_ENTRY, key_length=len(key), value_length=len(value)) + key + value
    return body


def header(**changes: object) -> Header:
    """16x8 pixels, LA, latent 2x1x4, two layers; with changes."""
    fields: dict[str, object] = {
        "mode": "LA",
        "payload": "palette",
        "layer_count": 2,
        "width": 16,
        "height": 8,
        "factor": 8,
        "channels": 4,
        "latent_width": 2,
        "latent_height": 1,
        "fingerprint": FINGERPRINT,
        "noise": 3,
        "denoise_steps": 1,
    }
    return Header(**{**fields, **changes})  # type: ignore[arg-type]


def assemble(head: bytes, *sections: tuple[int, bytes]) -> bytes:
    """Header bytes and sections with correct lengths and checksums, whatever their contents."""
    data, crc = head, zlib.crc32(head)
    for kind, body in sections:
        piece = build_box(SECTION_HEAD, type=kind, length=len(body)) + body
        crc = zlib.crc32(piece, crc)
        data += piece + crc.to_bytes(4, "little")
    return data


def sections_of(data: bytes) -> list[tuple[int, bytes]]:
    """Types and bodies of the sections of an undamaged file; nothing is checked."""
    sections, offset = [], HEADER_BYTES
    while offset < len(data):
        head = SECTION_HEAD.parse(data[offset:])
        start = offset + head.end
        sections.append((head.type, data[start : start + head.length]))
        offset = start + head.length + 4
    return sections


def example() -> Container:
    """The file of the worked example in spec/sdz.md."""
    matrix = np.array([[24, 12, 6], [-8, 20, 3], [4, 4, 30], [0, -2, 5], [-6, 0, 9]], np.int8)
    return Container(
        header=header(),
        layers=[
            layer_body([[10, 20, 30, 40], [250, 180, 170, 160]], b"\x40"),
            layer_body([[128] * 4, [130, 128, 128, 123]], b"\x40"),
        ],
        alpha=build_box(CODED_HEAD, coding=planes.CONSTANT) + b"\xff",
        preview=matrix.tobytes(),
        metadata={"text": text_body((b"Title", b"Hi"))},
    )


EXAMPLE_CODES = [[[10, 20, 30, 40], [252, 180, 170, 155]]]


def small() -> Container:
    """16x16 pixels, RGBA, latent 2x2x4, two layers, an alpha plane that is not constant, text and an ICC profile."""
    alpha = np.arange(256, dtype=np.uint8).reshape(16, 16)[:, ::-1] // 3
    return Container(
        header=header(mode="RGBA", height=16, latent_height=2),
        layers=[
            layer_body([[1, 2, 3, 4], [50, 60, 70, 80], [255, 0, 128, 9]], bytes([0b00_01_10_01])),
            layer_body([[128] * 4, [0, 255, 128, 127]], bytes([0b1010_0000])),
        ],
        alpha=planes.encode_planes(np.ascontiguousarray(alpha)[None]),
        metadata={"icc": b"\x00profile", "text": text_body((b"key", b"value"))},
    )


def decode_everything(data: bytes, *, allow_truncated: bool = False) -> tuple[NDArray[np.uint8], object]:
    """Read a file and decode all that it holds: the codes, and the rest in a form that can be compared.

    Scalar payloads are decoded with the prior of `toy_scalar`, whatever model the file names.
    """
    with naming_file("test.sdz"):
        file = read(data, allow_truncated=allow_truncated)
        alpha = file.alpha()
        file.error()
        file.error_map()
        rest = (None if alpha is None else alpha.tolist(), file.metadata())
        return file.payload.decode(toy_scalar.ModelData()), rest
