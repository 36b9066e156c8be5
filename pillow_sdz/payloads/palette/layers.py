"""Layer sections <-> palettes and index planes, direct sections <-> codes, and codes from any payload.

A code is a latent value quantised to 8 bits. The first layer's palette holds codes; the palettes of later layers hold
residuals from -128 to 127, stored with 128 added. Everything here is integer arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pillow_sdz import limits
from pillow_sdz.coding.boxes import LAYER_HEAD, PALETTE_BY_NUMBER, build_box, parse_box
from pillow_sdz.coding.planes import decode_planes, encode_planes
from pillow_sdz.errors import SdzFormatError, SdzLimitError, SdzModelError, SdzTruncatedError
from pillow_sdz.payloads.palette import index_coder as index_coding
from pillow_sdz.payloads.scalar.layer import decode_scalar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from pillow_sdz.container.header import Header
    from pillow_sdz.container.sections import Container
    from pillow_sdz.payloads.scalar.prior import Prior


_RAW_PALETTE: Final = 0


@dataclass(frozen=True)
class LayerHead:
    """What a layer says about itself.

    Attributes:
        entries: palette entries, 2 to 4096.
        palette_coding: 0 raw, 15 by number, others: `pillow_sdz.payloads.palette.palette_coder`.
        index_coding: see `pillow_sdz.payloads.palette.index_coder`.
        palette_number: number of the model's palette, or None.
        palette_start: offset of the palette bytes in the body.
        index_start: offset of the index bytes in the body; they go to its end.
    """

    entries: int
    palette_coding: int
    index_coding: int
    palette_number: int | None
    palette_start: int
    index_start: int


def read_head(body: bytes, header: Header, position: int = 0, *, file: str = "<bytes>") -> LayerHead:
    """Read what a layer says about itself, in microseconds.

    Args:
        body: the body of the layer section.
        header: the checked header.
        position: 0 for the first layer.
        file: name for error messages.

    Raises:
        SdzFormatError: the head is malformed, or the palette does not fit the body.
    """
    field = f"layer {position + 1}"
    head = parse_box(LAYER_HEAD, body, 0, field=field, file=file)
    entries = head.last_entry + 1
    if not limits.MIN_ENTRIES <= entries <= limits.MAX_ENTRIES:
        raise SdzFormatError(
            "is out of range",
            file=file,
            field=f"{field}, palette entries",
            found=entries,
            expected=f"{limits.MIN_ENTRIES} to {limits.MAX_ENTRIES}",
        )
    if head.coding.palette == PALETTE_BY_NUMBER:
        palette_bytes = 0
    elif head.coding.palette == _RAW_PALETTE:
        palette_bytes = entries * header.channels
    else:
        palette_bytes = head.palette_length
    if head.end + palette_bytes > len(body):
        raise SdzTruncatedError(
            "the palette does not fit the section",
            file=file,
            field=f"{field}, palette",
            found=f"{len(body) - head.end} bytes",
            expected=f"{palette_bytes} bytes",
        )
    return LayerHead(
        entries=entries,
        palette_coding=head.coding.palette,
        index_coding=head.coding.indices,
        palette_number=head.palette_number,
        palette_start=head.end,
        index_start=head.end + palette_bytes,
    )


__all__ = [
    "Layer",
    "LayerHead",
    "codes_from_layers",
    "decode_codes",
    "decode_direct",
    "decode_layer",
    "encode_direct",
    "encode_layer",
    "read_head",
]

RESIDUAL_ZERO: Final = 128
"""Stored value of a residual of zero."""


@dataclass
class Layer:
    """One palette and one index plane.

    Attributes:
        palette: shape (N, C), codes in the first layer, residuals + 128 in later ones; None if only the number of one
            of the model's palettes is known.
        palette_number: number of the palette among the model's, or None if the palette lies in the file.
        indices: shape (h, w), each below N.
    """

    palette: NDArray[np.uint8] | None
    palette_number: int | None
    indices: NDArray[np.uint16]


def encode_layer(
    layer: Layer, *, effort: int = 4, model_palette: NDArray[np.uint8] | None = None, layers: int = 1
) -> bytes:
    """Write the body of a layer section.

    Args:
        layer: the layer. With a palette number the palette is not written, but the index coder needs it.
        effort: 0 (fast) to 9 (small).
        model_palette: the palette with that number, if the layer does not hold it.
        layers: how many layers like this one the file has.

    Raises:
        ValueError: no palette, or indices that do not fit it.
    """
    palette = layer.palette if layer.palette is not None else model_palette
    if palette is None:
        raise ValueError("the layer has no palette")
    entries, channels = palette.shape
    if not (limits.MIN_ENTRIES <= entries <= limits.MAX_ENTRIES and 1 <= channels <= limits.MAX_CHANNELS):
        raise ValueError(f"the palette has a shape that the format cannot hold: {palette.shape}")
    indices_id, index_bytes = index_coding.encode(layer.indices, palette, effort, layers=layers)
    if layer.palette_number is not None:
        palette_id, palette_bytes = PALETTE_BY_NUMBER, b""
    else:
        from pillow_sdz.payloads.palette import palette_coder as palette_coding

        palette_id, palette_bytes = palette_coding.encode(palette)
    head = build_box(
        LAYER_HEAD,
        last_entry=entries - 1,
        coding={"palette": palette_id, "indices": indices_id},
        palette_number=layer.palette_number,
        palette_length=len(palette_bytes),
    )
    return head + palette_bytes + index_bytes


def decode_layer(
    body: bytes,
    header: Header,
    position: int = 0,
    *,
    palette_lookup: Callable[[int], NDArray[np.uint8]] | None = None,
    file: str = "<bytes>",
) -> Layer:
    """Decode the body of a layer section.

    Args:
        body: the body.
        header: the checked header.
        position: 0 for the first layer.
        palette_lookup: gives the palette of the model by its number, shape (N, C); None if there is no model.
        file: name for error messages.

    Returns:
        The layer with its palette.

    Raises:
        SdzFormatError: the body is damaged.
        SdzVersionError: a coding is unknown.
        SdzModelError: the palette belongs to the model, and there is none, or it has another shape.
    """
    field = f"layer {position + 1}"
    head = read_head(body, header, position, file=file)
    view = memoryview(body)
    if head.palette_number is None:
        from pillow_sdz.payloads.palette import palette_coder as palette_coding

        coded = bytes(view[head.palette_start : head.index_start])
        palette = palette_coding.decode(
            head.palette_coding, coded, head.entries, header.channels, file, field=f"{field}, palette"
        )
    elif palette_lookup is None:
        raise SdzModelError(
            "the palette is one of the model's, and no model is at hand",
            file=file,
            field=f"{field}, palette",
            found=f"number {head.palette_number}",
        )
    else:
        palette = palette_lookup(head.palette_number)
        if palette.shape != (head.entries, header.channels):
            raise SdzModelError(
                f"the model's palette {head.palette_number} has another shape than the file says",
                file=file,
                field=f"{field}, palette",
                found=palette.shape,
                expected=(head.entries, header.channels),
            )
    if position > 0 and (palette[0] != RESIDUAL_ZERO).any():
        raise SdzFormatError(
            "the first entry of a residual palette must be zero",
            file=file,
            field=f"{field}, palette",
            found=palette[0].tolist(),
            expected=f"all {RESIDUAL_ZERO}",
        )
    shape = (header.latent_height, header.latent_width)
    indices = index_coding.decode(
        head.index_coding, view[head.index_start :], shape, palette, file, field=f"{field}, indices"
    )
    return Layer(palette, head.palette_number, indices)


def codes_from_layers(layers: Iterable[Layer]) -> NDArray[np.uint8]:
    """Sum layers to codes: the first palette's codes plus the later palettes' residuals, clipped to 0..255 at the end.

    Args:
        layers: at least one, each with its palette, most important first.

    Returns:
        Shape (h, w, C).
    """
    remaining = iter(layers)
    first = next(remaining)
    assert first.palette is not None
    codes: NDArray[np.uint8] = first.palette[first.indices]
    total: NDArray[np.int16] | None = None
    for layer in remaining:
        assert layer.palette is not None
        total = codes.astype(np.int16) if total is None else total
        total += (layer.palette.astype(np.int16) - RESIDUAL_ZERO)[layer.indices]
    return codes if total is None else np.clip(total, 0, 255).astype(np.uint8)


def encode_direct(codes: NDArray[np.uint8], effort: int = 4) -> bytes:
    """Write the body of the one layer section of a direct payload.

    Args:
        codes: shape (h, w, C).
        effort: 0 (fast) to 9 (small).
    """
    return encode_planes(np.ascontiguousarray(codes.transpose(2, 0, 1)), effort)


def decode_direct(body: bytes, header: Header, file: str = "<bytes>") -> NDArray[np.uint8]:
    """Undo `encode_direct`.

    Returns:
        Shape (h, w, C).

    Raises:
        SdzFormatError: the body does not give exactly these codes.
        SdzVersionError: the coding is unknown.
    """
    shape = (header.channels, header.latent_height, header.latent_width)
    planes = decode_planes(body, shape, field="direct codes", file=file)
    return np.ascontiguousarray(planes.transpose(1, 2, 0))


def decode_codes(
    container: Container,
    palette_lookup: Callable[[int], NDArray[np.uint8]] | None = None,
    file: str = "<bytes>",
    *,
    prior_lookup: Callable[[], Prior] | None = None,
) -> NDArray[np.uint8]:
    """Decode the codes of a file, whatever its payload; of a truncated one, from the layers that arrived.

    Args:
        container: from `pillow_sdz.container.sections.parse`.
        palette_lookup: see `decode_layer`.
        file: name for error messages.
        prior_lookup: see `pillow_sdz.payloads.scalar.layer.decode_scalar`.

    Returns:
        Shape (latent_height, latent_width, channels).

    Raises:
        SdzError: see `decode_layer`, `decode_direct` and `pillow_sdz.payloads.scalar.layer.decode_scalar`.
    """
    header = container.header
    if header.payload == "direct":
        return decode_direct(container.layers[0], header, file=file)
    if header.payload == "scalar":
        return decode_scalar(container.layers[0], header, prior_lookup, file=file)
    check_cost(container, file)
    return codes_from_layers(
        decode_layer(body, header, position, palette_lookup=palette_lookup, file=file)
        for position, body in enumerate(container.layers)
    )


def check_cost(container: Container, file: str = "<bytes>") -> None:
    """Check what the layers of a palette payload ask for together, before the first one is decoded.

    Raises:
        SdzLimitError: more than `limits.MAX_CONTEXT_FREQUENCIES`.
        SdzFormatError: a layer is damaged.
    """
    from pillow_sdz.payloads.palette import context_coder as context_coding

    header, total = container.header, 0
    for position, body in enumerate(container.layers):
        head = read_head(body, header, position, file=file)
        if head.index_coding == index_coding.CONTEXT:
            total += context_coding.cost(header.latent_width * header.latent_height, head.entries)
    if total > limits.MAX_CONTEXT_FREQUENCIES:
        raise SdzLimitError(
            "the index planes would take too long to decode", file=file, field="layers", found=f"{total} frequencies",
            expected=f"at most {limits.MAX_CONTEXT_FREQUENCIES}",
        )  # fmt: skip
