"""The head of a palette layer: what the layer says about itself before anything is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pillow_sdz import limits
from pillow_sdz.coding.boxes import LAYER_HEAD, PALETTE_BY_NUMBER, parse_box
from pillow_sdz.errors import SdzFormatError, SdzTruncatedError

if TYPE_CHECKING:
    from pillow_sdz.container.header import Header

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
