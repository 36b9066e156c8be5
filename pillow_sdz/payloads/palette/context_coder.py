"""Index coding 2: an index plane <-> bytes, with the palette's geometry as context.

The plane is coded in the waves of `wavefront`, transposed if it is higher than wide; `context_model` gives the
probabilities, `range_coder` the bytes. Palettes of more than 1,024 entries are coded in groups of consecutive entries,
and then the place in the group with uniform probability, so that time and memory stay bounded; a palette in an order
that keeps near entries together (`palette_coder.canonical_order`) loses little by that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pillow_sdz import limits
from pillow_sdz.coding.range_coder import RangeDecoder, RangeEncoder
from pillow_sdz.errors import SdzLimitError
from pillow_sdz.payloads.palette.context_model import NEIGHBOURS, ContextModel
from pillow_sdz.payloads.palette.wavefront import WavePlane

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_DIRECT: Final = 1024


def cost(indices: int, entries: int) -> int:
    """How many frequencies a plane asks for, which `limits.MAX_CONTEXT_FREQUENCIES` bounds."""
    return indices * min(entries, _MOST_DIRECT)


def fits(indices: int, entries: int, layers: int = 1) -> bool:
    """Whether the limits allow a plane this coding, if as many layers as this have one like it."""
    within = layers * cost(indices, entries) <= limits.MAX_CONTEXT_FREQUENCIES
    return within and indices <= limits.MAX_CONTEXT_INDICES


def _grouped(palette: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], int]:
    """The palette of groups (rounded-down means of 2**bits consecutive entries), and bits."""
    bits = 0
    while len(palette) > _MOST_DIRECT << bits:
        bits += 1
    starts = np.arange(0, len(palette), 1 << bits)
    sizes = np.minimum(len(palette) - starts, 1 << bits)
    sums = np.add.reduceat(palette.astype(np.int64), starts, axis=0)
    return (sums // sizes[:, None]).astype(np.uint8), bits


def encode(indices: NDArray[np.uint16], palette: NDArray[np.uint8]) -> bytes:
    """Code an index plane losslessly.

    Args:
        indices: (h, w), each below N; no more than `fits` allows.
        palette: (N, C) uint8, 2 <= N <= 4096.

    Returns:
        The bytes; `decode` needs shape and palette to read them. They may be empty.

    Raises:
        SdzLimitError: the plane is too large.
    """
    _check_size(indices.size, len(palette), "indices")
    groups, bits = _grouped(palette)
    numbers = indices.astype(np.intp)
    if numbers.shape[0] > numbers.shape[1]:
        numbers = numbers.T
    height, width = numbers.shape
    model = ContextModel(groups)
    known = WavePlane(height, width, 0, NEIGHBOURS)
    known.values[:] = numbers
    plane = WavePlane(height, width, model.middle, NEIGHBOURS)
    coder = RangeEncoder()
    for where, around in plane.waves(model.most_positions):
        values = known.part(where)
        symbols = values >> bits
        _put(coder, model.frequencies(around), symbols)
        if bits:
            _put(coder, _places(symbols, len(palette), bits), values & ((1 << bits) - 1))
        model.learn(symbols)
        plane.store(where, symbols)
    return coder.finish()


def decode(
    data: bytes, shape: tuple[int, int], palette: NDArray[np.uint8], *, field: str = "indices"
) -> NDArray[np.uint16]:
    """Read the bytes of `encode`.

    Args:
        data: the bytes.
        shape: (h, w), both at least 1.
        palette: (N, C) uint8, 2 <= N <= 4096.
        field: named in errors.

    Returns:
        (h, w) indices, each below N.

    Raises:
        SdzFormatError: no encoder writes these bytes.
        SdzLimitError: the plane is too large.
    """
    _check_size(shape[0] * shape[1], len(palette), field)
    groups, bits = _grouped(palette)
    model = ContextModel(groups)
    plane = WavePlane(min(shape), max(shape), model.middle, NEIGHBOURS)
    places = WavePlane(min(shape), max(shape), 0, NEIGHBOURS) if bits else None
    coder = RangeDecoder(data, field=field)
    for where, around in plane.waves(model.most_positions):
        symbols = _get(coder, model.frequencies(around))
        if places is not None:
            places.store(where, _get(coder, _places(symbols, len(palette), bits)))
        model.learn(symbols)
        plane.store(where, symbols)
    coder.finish()
    result = plane.values if places is None else (plane.values << bits) + places.values
    if shape[0] > shape[1]:
        result = result.T
    return np.ascontiguousarray(result, np.uint16)


def _check_size(indices: int, entries: int, field: str) -> None:
    if not fits(indices, entries):
        raise SdzLimitError(
            "the plane is too large for index coding 2",
            field=field,
            found=f"{indices} indices, {entries} entries",
            expected=f"at most {limits.MAX_CONTEXT_INDICES}, and {limits.MAX_CONTEXT_FREQUENCIES} frequencies",
        )


def _places(symbols: NDArray[np.intp], entries: int, bits: int) -> NDArray[np.int32]:
    """Frequencies of the place in the group: 1, or 0 beyond the end of the last group."""
    numbers = (symbols[:, None] << bits) + np.arange(1 << bits)
    return (numbers < entries).astype(np.int32)


def _ends(frequencies: NDArray[np.int32]) -> NDArray[np.int32]:
    """(N, M) ends of the intervals: sums run faster down columns than along rows."""
    return np.cumsum(np.ascontiguousarray(frequencies.T), axis=0, dtype=np.int32)


def _put(coder: RangeEncoder, frequencies: NDArray[np.int32], symbols: NDArray[np.intp]) -> None:
    ends = _ends(frequencies)
    lines = np.arange(len(symbols))
    highs = ends[symbols, lines]
    lows = highs - frequencies[lines, symbols]
    coder.put(lows.tolist(), highs.tolist(), ends[-1].tolist())


def _get(coder: RangeDecoder, frequencies: NDArray[np.int32]) -> NDArray[np.intp]:
    ends = np.ascontiguousarray(_ends(frequencies).T)
    return np.array(coder.get(ends.reshape(-1).data, *ends.shape), np.intp)
