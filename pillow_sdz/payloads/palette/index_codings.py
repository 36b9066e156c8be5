"""Index planes <-> bytes: three codings, of which the encoder keeps the smallest.

- 0, raw: packed indices, see `pillow_sdz.coding.bitpack`.
- 1, deflate: a DEFLATE stream of one byte per index, or with more than 256 entries of the packed indices. Other layouts
  (low and high bytes in separate planes, or interleaved) were larger on index planes of photos.
- 2, context: `pillow_sdz.payloads.palette.context_index_coder`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pillow_sdz.coding.bitpack import bits_for, pack, packed_size, unpack
from pillow_sdz.coding.deflate import deflate, inflate
from pillow_sdz.errors import NEEDS_NEWER_VERSION, SdzFormatError, SdzVersionError
from pillow_sdz.payloads.palette import context_index_coder

if TYPE_CHECKING:
    from numpy.typing import NDArray

RAW: Final = 0
DEFLATE: Final = 1
CONTEXT: Final = 2
NAMES: Final = {RAW: "raw", DEFLATE: "deflate", CONTEXT: "context"}

_BYTE_ENTRIES: Final = 256
"""Largest palette whose indices fit one byte."""

_CONTEXT_EFFORT: Final = 2
"""Lowest effort that tries the context coder, which is slow."""


def encode(
    indices: NDArray[np.uint16], palette: NDArray[np.uint8], effort: int = 4, *, layers: int = 1
) -> tuple[int, bytes]:
    """Code an index plane, in as few bytes as the effort allows.

    Args:
        indices: shape (h, w), each below N.
        palette: shape (N, C), the palette they point into.
        effort: 0 (fast) to 9 (small); from 2 on the context coder is tried.
        layers: number of layers of the file; the context coder is tried if as many planes like this one are within its
            limits.

    Returns:
        The number of the coding and the coded bytes; of equally small ones, the lowest number.

    Raises:
        ValueError: an index is not below N, or the plane is empty or not two-dimensional.
    """
    entries = len(palette)
    if indices.ndim != 2 or indices.size == 0 or int(indices.max()) >= entries:
        raise ValueError(f"indices must have shape (h, w) and be below {entries}")
    packed = pack(indices, bits_for(entries))
    flat = indices.astype(np.uint8).tobytes() if entries <= _BYTE_ENTRIES else packed
    candidates = [(RAW, packed), (DEFLATE, deflate(flat, effort))]
    if effort >= _CONTEXT_EFFORT and context_index_coder.fits(indices.size, entries, layers):
        candidates.append((CONTEXT, context_index_coder.encode(indices, palette)))
    return min(candidates, key=lambda candidate: (len(candidate[1]), candidate[0]))


def decode(
    coding: int,
    data: bytes | memoryview,
    shape: tuple[int, int],
    palette: NDArray[np.uint8],
    *,
    field: str = "indices",
) -> NDArray[np.uint16]:
    """Undo `encode`.

    Args:
        coding: the number of the coding.
        data: the coded bytes, all of them.
        shape: (h, w), from the checked header.
        palette: shape (N, C).
        field: the field that errors name.

    Returns:
        Shape (h, w), each below N.

    Raises:
        SdzFormatError: the bytes do not give exactly this plane, or an index is not below N.
        SdzVersionError: the coding is unknown.
    """
    entries = len(palette)
    count = shape[0] * shape[1]
    bits = bits_for(entries)
    indices: NDArray[np.uint16]
    if coding == CONTEXT:
        indices = context_index_coder.decode(bytes(data), shape, palette, field=field)
    elif coding == DEFLATE and entries <= _BYTE_ENTRIES:
        flat = inflate(data, count, field=field)
        indices = np.frombuffer(flat, np.uint8).astype(np.uint16)
    elif coding in (RAW, DEFLATE):
        size = packed_size(count, bits)
        packed = data if coding == RAW else inflate(data, size, field=field)
        try:
            indices = unpack(packed, count, bits)
        except ValueError as error:
            raise SdzFormatError(f"the packed indices are damaged: {error}", field=field) from error
    else:
        raise SdzVersionError(NEEDS_NEWER_VERSION, field=f"{field} coding", found=coding)
    if int(indices.max()) >= entries:
        raise SdzFormatError(
            "an index points past the palette",
            field=field,
            found=int(indices.max()),
            expected=f"below {entries}",
        )
    return indices.reshape(shape)
