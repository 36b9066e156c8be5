"""Packed indices: all with the same number of bits, most significant bit first, in raster order without gaps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CHUNK: Final = 1 << 18  # indices packed at a time, which bounds memory; a multiple of 8, so that chunks end at bytes


def bits_for(entries: int) -> int:
    """Bits of an index into a palette of ``entries`` entries (2 or more): ceil(log2(entries)).

    >>> [bits_for(n) for n in (2, 3, 16, 17, 256, 4096)]
    [1, 2, 4, 5, 8, 12]
    """
    return (entries - 1).bit_length()


def packed_size(count: int, bits: int) -> int:
    """Bytes that ``count`` indices of ``bits`` bits take, the last byte padded.

    >>> packed_size(3, 3)
    2
    """
    return -(-count * bits // 8)


def pack(indices: NDArray[np.uint16], bits: int) -> bytes:
    """Pack indices; the padding bits of the last byte are zero.

    Args:
        indices: any shape, packed in raster order; each below 2**bits.
        bits: 1 to 16.

    >>> import numpy as np
    >>> pack(np.array([1, 2, 3], np.uint16), 3).hex(" ")
    '29 80'
    """
    flat = np.ascontiguousarray(indices, dtype=np.uint16).reshape(-1)
    if bits == 8:
        return flat.astype(np.uint8).tobytes()
    shifts = np.arange(bits - 1, -1, -1, dtype=np.uint16)
    pieces = []
    for start in range(0, flat.size, _CHUNK):
        chunk = flat[start : start + _CHUNK, None]
        pieces.append(np.packbits(((chunk >> shifts) & 1).astype(np.uint8)).tobytes())
    return b"".join(pieces)


def unpack(data: bytes | memoryview, count: int, bits: int) -> NDArray[np.uint16]:
    """Undo `pack`.

    Args:
        data: exactly `packed_size(count, bits)` bytes.
        count: number of indices.
        bits: 1 to 16.

    Returns:
        Shape (count,).

    Raises:
        ValueError: the number of bytes is wrong, or a padding bit of the last byte is set.

    >>> unpack(bytes.fromhex("2980"), 3, 3)
    array([1, 2, 3], dtype=uint16)
    """
    if len(data) != packed_size(count, bits):
        raise ValueError(f"{len(data)} bytes instead of {packed_size(count, bits)}")
    packed = np.frombuffer(data, np.uint8)
    padding = -count * bits % 8
    if padding and packed[-1] & ((1 << padding) - 1):
        raise ValueError("the bits after the last index are not zero")
    out = np.empty(count, np.uint16)
    if bits == 8:
        out[:] = packed
        return out
    weights = (1 << np.arange(bits - 1, -1, -1)).astype(np.uint16)
    for start in range(0, count, _CHUNK):
        size = min(_CHUNK, count - start)
        first = start * bits // 8
        digits = np.unpackbits(packed[first : first + packed_size(size, bits)], count=size * bits).reshape(size, bits)
        out[start : start + size] = digits @ weights
    return out
