"""Palettes <-> bytes: raw, or compact as a set of points.

The order of the entries is free, because the indices can follow it. Coding 1 spends nothing on it: the box of all
values is halved again and again, channel by channel, and each time only the number of entries in the lower half is
coded. What to expect comes from a bell curve for each channel, stored in front. Palettes rounded to multiples of a
power of two (plus half of it) spend nothing on the bits they do not have. `spec/sdz.md` gives the steps in words.
"""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from pillow_sdz.coding.fixed_point import POWERS, logarithm, powers
from pillow_sdz.coding.range_coder import RangeDecoder, RangeEncoder
from pillow_sdz.errors import NEWER, SdzError, SdzFormatError, SdzTruncatedError, SdzVersionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

RAW: Final = 0
COMPACT: Final = 1

_FIELD: Final = "palette"
_ZERO: Final = 128
_LEVELS: Final = 64
"""Means are stored in steps of four values: 2, 6, .. 254. Widths are stored as 1 to 64, in steps of two values."""

_FLOOR: Final = 512
"""Added to the bell curve (2**20 at its top), so that far values stay possible."""


class _Coder(Protocol):
    def symbol(self, ends: Sequence[int], wanted: int) -> int:
        """Write or read one symbol; the wanted one when writing, ignored when reading."""


class _Writer:
    def __init__(self) -> None:
        self.coder = RangeEncoder()

    def symbol(self, ends: Sequence[int], wanted: int) -> int:
        self.coder.put([ends[wanted - 1] if wanted else 0], [ends[wanted]], [ends[-1]])
        return wanted


class _Reader:
    def __init__(self, coder: RangeDecoder) -> None:
        self.coder = coder

    def symbol(self, ends: Sequence[int], wanted: int) -> int:
        del wanted
        return self.coder.get(ends, 1, len(ends))[0]


def canonical_order(
    palette: NDArray[np.uint8], indices: NDArray[np.uint16], *, keep_first: bool = False
) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """Sort a palette as coding 1 wants it, and let the indices follow.

    The order is that of Morton codes: by the highest bit of channel 0, 1, .., then the next bit of each, and so on.

    Args:
        palette: (N, C).
        indices: (h, w), each below N.
        keep_first: entry 0 stays entry 0 (the zero vector of layers of residuals).

    Returns:
        Palette and indices that give the same picture.
    """
    kept = int(keep_first)
    order = np.concatenate([np.arange(kept), _morton_order(palette[kept:]) + kept])
    places = np.empty(len(palette), np.uint16)
    places[order] = np.arange(len(palette), dtype=np.uint16)
    return palette[order], places[indices]


def _morton_order(palette: NDArray[np.uint8]) -> NDArray[np.intp]:
    keys = [(palette[:, channel] >> bit) & 1 for bit in range(8) for channel in reversed(range(palette.shape[1]))]
    return np.lexsort(keys)


def encode(palette: NDArray[np.uint8]) -> tuple[int, bytes]:
    """Code a palette in the fewest bytes.

    Args:
        palette: (N, C) uint8. Only a palette in `canonical_order`, or one whose first entry is all 128 and whose others
            are, can be coded compactly.

    Returns:
        Coding id and bytes.
    """
    raw = palette.tobytes()
    kept = int(bool((palette[0] == _ZERO).all()))
    rest = palette[kept:]
    if kept and not _sorted(rest):
        kept, rest = 0, palette
    if not _sorted(rest):
        return RAW, raw
    shift = next(shift for shift in range(7, -1, -1) if bool(((rest & ((1 << shift) - 1)) == (1 << shift) >> 1).all()))
    coder = _Writer()
    coder.symbol((1, 2), kept)
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
        coding: the coding id, 0 or 1.
        data: the bytes, all of them.
        entries: N, 2 to 4096.
        channels: C, 1 to 64.
        field: named in errors.

    Returns:
        (N, C) uint8.

    Raises:
        SdzFormatError: no encoder writes these bytes.
        SdzVersionError: the coding is unknown.
    """
    if coding == RAW:
        return _decode_raw(data, entries, channels, field)
    if coding != COMPACT:
        raise SdzVersionError(NEWER, field=f"{field} coding", found=coding)
    reader = _Reader(RangeDecoder(data, field=field))
    kept = reader.symbol((1, 2), 0)
    shift = reader.symbol(_SHIFTS, 0)
    curves = [_curve(reader, shift, 0, 0) for _ in range(channels)]
    points = _points(reader, entries - kept, shift, curves, None)
    reader.coder.finish()
    rest = (np.array(points, np.int64) << shift) + (1 << shift >> 1)
    return np.concatenate([np.full((kept, channels), _ZERO), rest]).astype(np.uint8)


def _decode_raw(data: bytes, entries: int, channels: int, field: str) -> NDArray[np.uint8]:
    expected = entries * channels
    if len(data) != expected:
        kind: type[SdzError] = SdzTruncatedError if len(data) < expected else SdzFormatError
        raise kind("has the wrong length", field=field, found=len(data), expected=f"{expected} bytes")
    return np.frombuffer(data, np.uint8).reshape(entries, channels)


_SHIFTS: Final = tuple(range(1, 9))
_EVEN: Final = tuple(range(1, _LEVELS + 1))


def _curve(coder: _Coder, shift: int, mean: int, width: int) -> list[int]:
    """Code mean and width of a channel; return the sums of the curve below 0, 2**shift, .., 256."""
    mean = 4 * coder.symbol(_EVEN, mean) + 2
    width = 2 * (coder.symbol(_EVEN, min(width, _LEVELS - 1)) + 1)
    # 185 / 256 = log2(e) / 2: powers()[d] = 2**20 * exp(-(v - mean)**2 / (2 * width**2))
    falls = np.minimum(185 * (np.arange(256, dtype=np.int64) - mean) ** 2 // width**2, POWERS - 1)
    sums: list[int] = np.cumsum(powers().take(falls) + _FLOOR, dtype=np.int64).tolist()
    return [0, *sums][:: 1 << shift]


def _points(
    coder: _Coder, count: int, shift: int, curves: list[list[int]], points: NDArray[np.uint8] | None
) -> list[list[int]]:
    """Code the points (count, C) below 256 >> shift in canonical order, or read them if they are None."""
    channels = len(curves)
    odds: dict[tuple[int, int, int, int], list[int]] = {}
    found: list[list[int]] = []
    boxes = [(count, 0, [0] * channels, [256 >> shift] * channels)]
    while boxes:
        count, depth, lows, highs = boxes.pop()
        if count == 0:
            continue
        first = len(found)
        if count == 1:
            known = [0] * channels if points is None else points[first].tolist()
            found.append(
                [
                    _value(coder, curve, low, high, point)
                    for curve, low, high, point in zip(curves, lows, highs, known, strict=True)
                ]
            )
            continue
        if depth == (8 - shift) * channels:
            found.extend([lows] * count)
            continue
        channel = depth % channels
        low, high = lows[channel], highs[channel]
        middle = (low + high) // 2
        key = (channel, low, high, count)
        if key not in odds:
            curve = curves[channel]
            odds[key] = _odds(count, curve[middle] - curve[low], curve[high] - curve[middle])
        lower = 0 if points is None else int((points[first : first + count, channel] < middle).sum())
        lower = coder.symbol(odds[key], lower)
        middles = [*lows[:channel], middle, *lows[channel + 1 :]]
        boxes.append((count - lower, depth + 1, middles, highs))
        boxes.append((lower, depth + 1, lows, [*highs[:channel], middle, *highs[channel + 1 :]]))
    return found


def _value(coder: _Coder, curve: list[int], low: int, high: int, point: int) -> int:
    """Code one value in [low, high)."""
    if high - low == 1:
        return low
    ends = [end - curve[low] for end in curve[low + 1 : high + 1]]
    return low + coder.symbol(ends, point - low)


def _odds(count: int, below: int, above: int) -> list[int]:
    """Sums of the frequencies of 0, 1, .., count points in the lower half: binomial with odds below : above."""
    lower = np.arange(count + 1, dtype=np.int64)
    factorials = np.concatenate([[0], np.cumsum(logarithm(np.arange(1, count + 1, dtype=np.int32)), dtype=np.int64)])
    weights = logarithm(np.array([below, above], np.int32)).astype(np.int64)
    scores = lower * weights[0] + (count - lower) * weights[1] - factorials - factorials[::-1]
    falls = np.minimum(scores.max() - scores, POWERS - 1)
    ends: list[int] = np.cumsum(powers().take(falls), dtype=np.int64).tolist()
    return ends
