"""Palettes <-> bytes: raw (coding 0), or compact as a set of points without order (coding 1).

The encoder may choose the order of the entries, because indices are adapted to it; coding 1 spends no bits on it. It is
a k-d tree of point counts: the box of all values is halved again and again, in the channels in turn, and each time only
the number of points in the lower half is coded, by a range coder. Its frequencies follow from a normal density (bell
curve) for each channel, whose mean and deviation come first. Low bits that all values share are stored once.
`spec/sdz.md` gives the same steps (Compact palette coding).
"""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from pillow_sdz.coding.fixed_point import POWERS, logarithm, powers
from pillow_sdz.coding.range_coder import RangeDecoder, RangeEncoder
from pillow_sdz.errors import NEEDS_NEWER_VERSION, SdzError, SdzFormatError, SdzTruncatedError, SdzVersionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

RAW: Final = 0
COMPACT: Final = 1

_FIELD: Final = "palette"
_ZERO_BYTE: Final = 128
_PARAMETERS: Final = 64
"""Values of a stored parameter of a bell curve: the mean is 2, 6, .. 254, the deviation 2, 4, .. 128."""

_CURVE_FLOOR: Final = 512
"""Added to the bell curve, whose maximum is 2**20, so that no value has frequency 0."""


class _Coder(Protocol):
    def symbol(self, ends: Sequence[int], known: int) -> int:
        """Encode ``known`` and return it, or decode a symbol (``known`` is then ignored).

        Args:
            ends: cumulative frequencies: number k is the sum of the frequencies of the symbols 0 .. k.
            known: the symbol to encode.
        """


class _Writer:
    def __init__(self) -> None:
        self.coder = RangeEncoder()

    def symbol(self, ends: Sequence[int], known: int) -> int:
        self.coder.put([ends[known - 1] if known else 0], [ends[known]], [ends[-1]])
        return known


class _Reader:
    def __init__(self, coder: RangeDecoder) -> None:
        self.coder = coder

    def symbol(self, ends: Sequence[int], known: int) -> int:
        del known
        return self.coder.get(ends, 1, len(ends))[0]


def canonical_order(
    palette: NDArray[np.uint8], indices: NDArray[np.uint16], *, keep_first: bool = False
) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """Sort a palette into the order that coding 1 needs, and adapt the indices.

    The order is that of Morton codes (Z-order): by the highest bits of channels 0, 1, .., then by the next bits.

    Args:
        palette: (N, C).
        indices: (h, w), each below N.
        keep_first: keep entry 0 in its place (the zero vector of a residual layer).

    Returns:
        Palette and indices that give the same codes.
    """
    zero_first = int(keep_first)
    order = np.concatenate([np.arange(zero_first), _morton_order(palette[zero_first:]) + zero_first])
    places = np.empty(len(palette), np.uint16)
    places[order] = np.arange(len(palette), dtype=np.uint16)
    return palette[order], places[indices]


def _morton_order(palette: NDArray[np.uint8]) -> NDArray[np.intp]:
    keys = [(palette[:, channel] >> bit) & 1 for bit in range(8) for channel in reversed(range(palette.shape[1]))]
    return np.lexsort(keys)


def encode(palette: NDArray[np.uint8]) -> tuple[int, bytes]:
    """Code a palette by the smaller of the two codings.

    Args:
        palette: (N, C) uint8. Compact coding needs `canonical_order`, from which a first entry of all 128 is exempt.

    Returns:
        The number of the coding and the coded bytes.
    """
    raw = palette.tobytes()
    zero_first = int(bool((palette[0] == _ZERO_BYTE).all()))
    rest = palette[zero_first:]
    if zero_first and not _sorted(rest):
        zero_first, rest = 0, palette
    if not _sorted(rest):
        return RAW, raw
    shift = next(shift for shift in range(7, -1, -1) if bool(((rest & ((1 << shift) - 1)) == (1 << shift) >> 1).all()))
    coder = _Writer()
    coder.symbol((1, 2), zero_first)
    coder.symbol(_SHIFTS, shift)
    wide = rest.astype(np.int64)
    means = wide.sum(axis=0) // len(rest)
    squares = ((wide - means) ** 2).sum(axis=0) // len(rest)
    curves = [
        _curve(coder, shift, int(mean) // 4, max(0, isqrt(int(square)) // 2 - 1))
        for mean, square in zip(means, squares, strict=True)
    ]
    _points(coder, len(rest), shift, curves, (rest >> shift).astype(np.uint8))
    compact = coder.coder.finish()
    return (COMPACT, compact) if len(compact) < len(raw) else (RAW, raw)


def _sorted(palette: NDArray[np.uint8]) -> bool:
    return bool((palette[_morton_order(palette)] == palette).all())


def decode(coding: int, data: bytes, entries: int, channels: int, *, field: str = _FIELD) -> NDArray[np.uint8]:
    """Undo `encode`.

    Args:
        coding: the number of the coding.
        data: the bytes, all of them.
        entries: N, 2 to 4096.
        channels: C, 1 to 64.
        field: the field that errors name.

    Returns:
        (N, C) uint8.

    Raises:
        SdzFormatError: the bytes are no output of `encode`.
        SdzVersionError: the coding is unknown.
    """
    if coding == RAW:
        return _decode_raw(data, entries, channels, field)
    if coding != COMPACT:
        raise SdzVersionError(NEEDS_NEWER_VERSION, field=f"{field} coding", found=coding)
    reader = _Reader(RangeDecoder(data, field=field))
    zero_first = reader.symbol((1, 2), 0)
    shift = reader.symbol(_SHIFTS, 0)
    curves = [_curve(reader, shift, 0, 0) for _ in range(channels)]
    points = _points(reader, entries - zero_first, shift, curves, None)
    reader.coder.finish()
    rest = (np.array(points, np.int64) << shift) + (1 << shift >> 1)
    return np.concatenate([np.full((zero_first, channels), _ZERO_BYTE), rest]).astype(np.uint8)


def _decode_raw(data: bytes, entries: int, channels: int, field: str) -> NDArray[np.uint8]:
    expected = entries * channels
    if len(data) != expected:
        kind: type[SdzError] = SdzTruncatedError if len(data) < expected else SdzFormatError
        raise kind("has the wrong length", field=field, found=len(data), expected=f"{expected} bytes")
    return np.frombuffer(data, np.uint8).reshape(entries, channels)


_SHIFTS: Final = tuple(range(1, 9))
_UNIFORM: Final = tuple(range(1, _PARAMETERS + 1))
"""Cumulative frequencies of 8 and of 64 equally likely symbols."""


def _curve(coder: _Coder, shift: int, mean: int, width: int) -> list[int]:
    """Code the parameters of a channel's bell curve.

    Args:
        coder: encodes or decodes.
        shift: number of low bits that all values share.
        mean: the parameter of the mean, 0 to 63, when encoding.
        width: the parameter of the standard deviation, clipped to 63, when encoding.

    Returns:
        The cumulative curve: its sums over the values below 0, 2**shift, .., 256.
    """
    mean = 4 * coder.symbol(_UNIFORM, mean) + 2
    width = 2 * (coder.symbol(_UNIFORM, min(width, _PARAMETERS - 1)) + 1)
    # 185 / 256 = log2(e) / 2: powers()[d] = 2**20 * exp(-(v - mean)**2 / (2 * width**2))
    falls = np.minimum(185 * (np.arange(256, dtype=np.int64) - mean) ** 2 // width**2, POWERS - 1)
    sums: list[int] = np.cumsum(powers().take(falls) + _CURVE_FLOOR, dtype=np.int64).tolist()
    return [0, *sums][:: 1 << shift]


def _points(
    coder: _Coder, count: int, shift: int, curves: list[list[int]], points: NDArray[np.uint8] | None
) -> list[list[int]]:
    """Encode the points (count, C), values below 256 >> shift in canonical order; or decode them if they are None."""
    channels = len(curves)
    frequencies: dict[tuple[int, int, int, int], list[int]] = {}
    decoded: list[list[int]] = []
    boxes = [(count, 0, [0] * channels, [256 >> shift] * channels)]
    while boxes:
        count, depth, lows, highs = boxes.pop()
        if count == 0:
            continue
        first = len(decoded)
        if count == 1:
            point = [0] * channels if points is None else points[first].tolist()
            decoded.append(
                [
                    _value(coder, curve, low, high, value)
                    for curve, low, high, value in zip(curves, lows, highs, point, strict=True)
                ]
            )
            continue
        if depth == (8 - shift) * channels:
            decoded.extend([lows] * count)
            continue
        channel = depth % channels
        low, high = lows[channel], highs[channel]
        middle = (low + high) // 2
        key = (channel, low, high, count)
        if key not in frequencies:
            curve = curves[channel]
            frequencies[key] = _half_count_frequencies(count, curve[middle] - curve[low], curve[high] - curve[middle])
        lower = 0 if points is None else int((points[first : first + count, channel] < middle).sum())
        lower = coder.symbol(frequencies[key], lower)
        upper_lows = [*lows[:channel], middle, *lows[channel + 1 :]]
        boxes.append((count - lower, depth + 1, upper_lows, highs))
        boxes.append((lower, depth + 1, lows, [*highs[:channel], middle, *highs[channel + 1 :]]))
    return decoded


def _value(coder: _Coder, curve: list[int], low: int, high: int, known: int) -> int:
    """Code one value in [low, high), with the frequencies of the curve; ``known`` when encoding."""
    if high - low == 1:
        return low
    ends = [end - curve[low] for end in curve[low + 1 : high + 1]]
    return low + coder.symbol(ends, known - low)


def _half_count_frequencies(count: int, below: int, above: int) -> list[int]:
    """Cumulative frequencies of 0, 1, .., count points in the lower half: binomial, with odds below : above."""
    lower = np.arange(count + 1, dtype=np.int64)
    factorials = np.concatenate([[0], np.cumsum(logarithm(np.arange(1, count + 1, dtype=np.int32)), dtype=np.int64)])
    weights = logarithm(np.array([below, above], np.int32)).astype(np.int64)
    scores = lower * weights[0] + (count - lower) * weights[1] - factorials - factorials[::-1]
    falls = np.minimum(scores.max() - scores, POWERS - 1)
    ends: list[int] = np.cumsum(powers().take(falls), dtype=np.int64).tolist()
    return ends
