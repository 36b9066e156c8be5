"""Layer bodies of a palette payload <-> palettes and index planes, and the codes that layers add up to.

The palette of the first layer holds codes. Palettes of later layers hold residuals (codes less the sum of the layers
before), -128 to 127, stored with 128 added.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from construct import BitStruct, If, Int16ul, Nibble, Struct, Tell, VarInt, this

from pillow_sdz import limits
from pillow_sdz.coding.boxes import build_box, parse_box, with_varint
from pillow_sdz.errors import NEEDS_NEWER_VERSION, SdzFormatError, SdzTruncatedError, SdzVersionError
from pillow_sdz.payloads.palette import index_codings, palette_coder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from pillow_sdz.payloads.protocol import Shape

RESERVED_CODING: Final = 15
"""Reserved palette coding: early drafts of the format stored the number of a palette of the model under it."""

LAYER_HEAD: Final = with_varint(
    Struct(
        "last_entry" / Int16ul,
        "coding" / BitStruct("palette" / Nibble, "indices" / Nibble),
        "palette_length"
        / If((this.coding.palette != palette_coder.RAW) & (this.coding.palette != RESERVED_CODING), VarInt),
        "end" / Tell,
    ),
    longest=7,  # two bytes of entries, one of codings, a varint of at most four
)

RESIDUAL_ZERO: Final = 128
"""Stored value of a residual of zero."""


@dataclass(frozen=True)
class LayerHead:
    """The parsed head of a layer body.

    Attributes:
        entries: palette entries, 2 to 4096.
        palette_coding: number of the coding, see `pillow_sdz.payloads.palette.palette_coder`.
        index_coding: number of the coding, see `pillow_sdz.payloads.palette.index_codings`.
        palette_start: offset of the palette bytes in the body.
        index_start: offset of the index bytes in the body, which end with it.
    """

    entries: int
    palette_coding: int
    index_coding: int
    palette_start: int
    index_start: int

    @property
    def palette_bytes(self) -> int:
        """Size of the coded palette."""
        return self.index_start - self.palette_start


@dataclass
class Layer:
    """A palette and an index plane.

    Attributes:
        palette: (N, C) uint8, codes in the first layer, residuals + 128 in later ones.
        indices: (h, w), each below N.
    """

    palette: NDArray[np.uint8]
    indices: NDArray[np.uint16]


def read_head(body: bytes, channels: int, position: int = 0) -> LayerHead:
    """Parse and check the head of a layer body; decode nothing.

    Args:
        body: the body of the layer section.
        channels: channels of the latent.
        position: number of the layer, 0 for the first.

    Raises:
        SdzFormatError: the head is malformed.
        SdzTruncatedError: the palette is longer than the body.
        SdzVersionError: the palette's coding is reserved.
    """
    field = f"layer {position + 1}"
    head = parse_box(LAYER_HEAD, body, 0, field=field)
    entries = head.last_entry + 1
    if not limits.MIN_ENTRIES <= entries <= limits.MAX_ENTRIES:
        raise SdzFormatError(
            "is out of range", field=f"{field}, palette entries", found=entries,
            expected=f"{limits.MIN_ENTRIES} to {limits.MAX_ENTRIES}",
        )  # fmt: skip
    if head.coding.palette == RESERVED_CODING:
        raise SdzVersionError(NEEDS_NEWER_VERSION, field=f"{field}, palette coding", found=RESERVED_CODING)
    palette_bytes = entries * channels if head.coding.palette == palette_coder.RAW else head.palette_length
    if head.end + palette_bytes > len(body):
        raise SdzTruncatedError(
            "the palette does not fit the section", field=f"{field}, palette",
            found=f"{len(body) - head.end} bytes", expected=f"{palette_bytes} bytes",
        )  # fmt: skip
    return LayerHead(
        entries=entries,
        palette_coding=head.coding.palette,
        index_coding=head.coding.indices,
        palette_start=head.end,
        index_start=head.end + palette_bytes,
    )


def encode_layer(layer: Layer, *, effort: int = 4, layers: int = 1) -> bytes:
    """Write the body of a layer section.

    Args:
        layer: the layer.
        effort: 0 (fast) to 9 (small).
        layers: number of layers of the file, see `pillow_sdz.payloads.palette.index_codings.encode`.

    Raises:
        ValueError: the palette has too few or too many entries or channels, or an index is not below N.
    """
    entries, channels = layer.palette.shape
    if not (limits.MIN_ENTRIES <= entries <= limits.MAX_ENTRIES and 1 <= channels <= limits.MAX_CHANNELS):
        raise ValueError(f"the palette has a shape that the format cannot hold: {layer.palette.shape}")
    index_coding, index_bytes = index_codings.encode(layer.indices, layer.palette, effort, layers=layers)
    palette_coding, palette_bytes = palette_coder.encode(layer.palette)
    head = build_box(
        LAYER_HEAD,
        last_entry=entries - 1,
        coding={"palette": palette_coding, "indices": index_coding},
        palette_length=len(palette_bytes),
    )
    return head + palette_bytes + index_bytes


def decode_layer(body: bytes, head: LayerHead, shape: Shape, position: int = 0) -> Layer:
    """Decode the body of a layer section.

    Args:
        body: the body.
        head: from `read_head`.
        shape: (h, w, C) of the latent.
        position: number of the layer, 0 for the first.

    Raises:
        SdzFormatError: the body is damaged.
        SdzLimitError: the index plane is too large for index coding 2.
        SdzVersionError: a coding is unknown.
    """
    field = f"layer {position + 1}"
    height, width, channels = shape
    view = memoryview(body)
    coded = bytes(view[head.palette_start : head.index_start])
    palette = palette_coder.decode(head.palette_coding, coded, head.entries, channels, field=f"{field}, palette")
    if position > 0 and (palette[0] != RESIDUAL_ZERO).any():
        raise SdzFormatError(
            "the first entry of a residual palette must be zero", field=f"{field}, palette",
            found=palette[0].tolist(), expected=f"all {RESIDUAL_ZERO}",
        )  # fmt: skip
    indices = index_codings.decode(
        head.index_coding, view[head.index_start :], (height, width), palette, field=f"{field}, indices"
    )
    return Layer(palette, indices)


def codes_from_layers(layers: Iterable[Layer]) -> NDArray[np.uint8]:
    """Reconstruct codes: those of the first layer plus the residuals of the others, clipped to 0..255 after the sum.

    Args:
        layers: at least one, most important first.

    Returns:
        Shape (h, w, C).
    """
    remaining = iter(layers)
    first = next(remaining)
    codes: NDArray[np.uint8] = first.palette[first.indices]
    total: NDArray[np.int16] | None = None
    for layer in remaining:
        total = codes.astype(np.int16) if total is None else total
        total += (layer.palette.astype(np.int16) - RESIDUAL_ZERO)[layer.indices]
    return codes if total is None else np.clip(total, 0, 255).astype(np.uint8)
