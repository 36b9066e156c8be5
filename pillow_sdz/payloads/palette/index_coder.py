"""Index planes <-> bytes, each coding behind its own id; the encoder keeps the smallest.

0 raw: the packed indices. 1 deflate: one byte per index, or the packed indices above 256 entries (of the forms tried
on real planes, low and high bytes apart or interleaved among them, each of these was the smallest in its range).
2 context: `pillow_sdz.payloads.palette.context_coder`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pillow_sdz.coding.bitpack import bits_for, pack, packed_size, unpack
from pillow_sdz.coding.deflate import deflate, inflate
from pillow_sdz.errors import NEWER, SdzFormatError, SdzVersionError
from pillow_sdz.payloads.palette import context_coder

if TYPE_CHECKING:
    from numpy.typing import NDArray

RAW: Final = 0
DEFLATE: Final = 1
CONTEXT: Final = 2
NAMES: Final = {RAW: "raw", DEFLATE: "deflate", CONTEXT: "context"}

_BYTE_ENTRIES: Final = 256
_CONTEXT_EFFORT: Final = 2  # below, saving is meant to be fast


def encode(
    indices: NDArray[np.uint16], palette: NDArray[np.uint8], effort: int = 4, *, layers: int = 1
) -> tuple[int, bytes]:
    """Code an index plane, in as few bytes as the effort allows.

    Args:
        indices: shape (h, w), each below N.
        palette: shape (N, C), the palette they point into.
        effort: 0 (fast) to 9 (small); from 2 on the context coder is tried.
        layers: how many layers like this one the file has; together they must stay within the context coder's limits.

    Returns:
        The coding id and the coded bytes; at equal size the lowest id.

    Raises:
        ValueError: an index is not below N.
    """
    entries = len(palette)
    if indices.ndim != 2 or indices.size == 0 or int(indices.max()) >= entries:
        raise ValueError(f"indices must have shape (h, w) and be below {entries}")
    packed = pack(indices, bits_for(entries))
    flat = indices.astype(np.uint8).tobytes() if entries <= _BYTE_ENTRIES else packed
    candidates = [(RAW, packed), (DEFLATE, deflate(flat, effort))]
    if effort >= _CONTEXT_EFFORT and context_coder.fits(indices.size, entries, layers):
        candidates.append((CONTEXT, context_coder.encode(indices, palette)))
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
        coding: the coding id.
        data: the coded bytes, all of them.
        shape: (h, w), from the checked header.
        palette: shape (N, C).
        field: name for error messages.

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
        indices = context_coder.decode(bytes(data), shape, palette, field=field)
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
        raise SdzVersionError(NEWER, field=f"{field} coding", found=coding)
    if int(indices.max()) >= entries:
        raise SdzFormatError(
            "an index points past the palette",
            field=field,
            found=int(indices.max()),
            expected=f"below {entries}",
        )
    return indices.reshape(shape)
