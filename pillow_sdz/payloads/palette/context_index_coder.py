"""Index coding 2: an index plane <-> bytes, by an adaptive context model and a range coder.

The plane is coded in the order of `wavefront`, transposed if it is higher than wide, with the frequencies of
`context_model`. Of a palette with more than 1,024 entries the model sees a coarse one: the means of 2**low_bits
consecutive entries. The low bits of an index are then coded with uniform probability. This bounds time and memory, and
costs little if consecutive entries are near each other (`palette_coder.canonical_order`). `spec/sdz.md` gives the same
steps (Context index coding).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pillow_sdz import limits
from pillow_sdz.coding.range_coder import RangeDecoder, RangeEncoder
from pillow_sdz.errors import SdzLimitError
from pillow_sdz.payloads.palette.context_model import NEIGHBOUR_OFFSETS, ContextModel
from pillow_sdz.payloads.palette.wavefront import WavePlane

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAX_COARSE_ENTRIES: Final = 1024


def cost(indices: int, entries: int) -> int:
    """Number of frequencies that coding a plane computes: indices times entries of the context model."""
    return indices * min(entries, _MAX_COARSE_ENTRIES)


def fits(indices: int, entries: int, layers: int = 1) -> bool:
    """Whether `pillow_sdz.limits` allow this coding for ``layers`` layers with planes and palettes of this size."""
    within = layers * cost(indices, entries) <= limits.MAX_CONTEXT_FREQUENCIES
    return within and indices <= limits.MAX_CONTEXT_INDICES


def _coarse_palette(palette: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], int]:
    """The palette that the context model sees, (at most 1024, C), and low_bits, the bits that it does not."""
    low_bits = 0
    while len(palette) > _MAX_COARSE_ENTRIES << low_bits:
        low_bits += 1
    starts = np.arange(0, len(palette), 1 << low_bits)
    sizes = np.minimum(len(palette) - starts, 1 << low_bits)
    sums = np.add.reduceat(palette.astype(np.int64), starts, axis=0)
    return (sums // sizes[:, None]).astype(np.uint8), low_bits


def encode(indices: NDArray[np.uint16], palette: NDArray[np.uint8]) -> bytes:
    """Code an index plane losslessly.

    Args:
        indices: (h, w), each below N; no more than `fits` allows.
        palette: (N, C) uint8, 2 <= N <= 4096.

    Returns:
        The bytes, without shape and palette; they may be empty.

    Raises:
        SdzLimitError: the plane is too large.
    """
    _check_size(indices.size, len(palette), "indices")
    coarse, low_bits = _coarse_palette(palette)
    plane = indices.astype(np.intp)
    if plane.shape[0] > plane.shape[1]:
        plane = plane.T
    height, width = plane.shape
    model = ContextModel(coarse)
    source = WavePlane(height, width, 0, NEIGHBOUR_OFFSETS)
    source.values[:] = plane
    coded = WavePlane(height, width, model.central, NEIGHBOUR_OFFSETS)  # symbols, as the decoder knows them
    coder = RangeEncoder()
    for positions, neighbours in coded.waves(model.max_positions):
        values = source.get(positions)
        symbols = values >> low_bits
        _put(coder, model.frequencies(neighbours), symbols)
        if low_bits:
            _put(coder, _low_bit_frequencies(symbols, len(palette), low_bits), values & ((1 << low_bits) - 1))
        model.learn(symbols)
        coded.store(positions, symbols)
    return coder.finish()


def decode(
    data: bytes, shape: tuple[int, int], palette: NDArray[np.uint8], *, field: str = "indices"
) -> NDArray[np.uint16]:
    """Decode the bytes of `encode`.

    Args:
        data: the bytes.
        shape: (h, w), both at least 1.
        palette: (N, C) uint8, 2 <= N <= 4096.
        field: the field that errors name.

    Returns:
        (h, w) indices, each below N.

    Raises:
        SdzFormatError: the bytes are no output of `encode`.
        SdzLimitError: the plane is too large.
    """
    _check_size(shape[0] * shape[1], len(palette), field)
    coarse, low_bits = _coarse_palette(palette)
    model = ContextModel(coarse)
    coded = WavePlane(min(shape), max(shape), model.central, NEIGHBOUR_OFFSETS)
    low = WavePlane(min(shape), max(shape), 0, NEIGHBOUR_OFFSETS) if low_bits else None
    coder = RangeDecoder(data, field=field)
    for positions, neighbours in coded.waves(model.max_positions):
        symbols = _get(coder, model.frequencies(neighbours))
        if low is not None:
            low.store(positions, _get(coder, _low_bit_frequencies(symbols, len(palette), low_bits)))
        model.learn(symbols)
        coded.store(positions, symbols)
    coder.finish()
    result = coded.values if low is None else (coded.values << low_bits) + low.values
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


def _low_bit_frequencies(symbols: NDArray[np.intp], entries: int, low_bits: int) -> NDArray[np.int32]:
    """(M, 2**low_bits) frequencies of the low bits of M indices: 1, or 0 where the index would exceed the palette."""
    numbers = (symbols[:, None] << low_bits) + np.arange(1 << low_bits)
    return (numbers < entries).astype(np.int32)


def _cumulative(frequencies: NDArray[np.int32]) -> NDArray[np.int32]:
    """(N, M) cumulative sums of (M, N) frequencies; transposed, because numpy sums faster along the first axis."""
    return np.cumsum(np.ascontiguousarray(frequencies.T), axis=0, dtype=np.int32)


def _put(coder: RangeEncoder, frequencies: NDArray[np.int32], symbols: NDArray[np.intp]) -> None:
    cumulative = _cumulative(frequencies)
    rows = np.arange(len(symbols))
    highs = cumulative[symbols, rows]
    lows = highs - frequencies[rows, symbols]
    coder.put(lows.tolist(), highs.tolist(), cumulative[-1].tolist())


def _get(coder: RangeDecoder, frequencies: NDArray[np.int32]) -> NDArray[np.intp]:
    cumulative = np.ascontiguousarray(_cumulative(frequencies).T)
    return np.array(coder.get(cumulative.reshape(-1).data, *cumulative.shape), np.intp)
