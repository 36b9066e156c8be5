"""Vector quantisation of codes: palettes and index planes of one or several layers, and the error that remains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pillow_sdz.errors import SdzOptionError
from pillow_sdz.limits import MAX_ENTRIES, MAX_LAYERS, MIN_ENTRIES
from pillow_sdz.payloads.palette import libimagequant
from pillow_sdz.payloads.palette.kmeans import STEPS_PER_ROUND, EntryConstraints, by_splitting, lloyd, nearest, refine
from pillow_sdz.payloads.palette.layers import RESIDUAL_ZERO, Layer
from pillow_sdz.payloads.palette.palette_coder import canonical_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

CODES: Final = EntryConstraints(0, 255)
RESIDUALS: Final = EntryConstraints(-RESIDUAL_ZERO, 255 - RESIDUAL_ZERO, pinned=1)
"""Constraints on the entries of the first layer and of later ones, whose first entry is the zero vector."""

ROUNDS: Final = (0, 1, 2, 4, 6, 10, 16, 24, 40, 64)
"""Rounds of refinement by effort 0 to 9."""

ROUNDING_SHARE: Final = 0.025
"""Most that rounding a palette may add to the mean squared error, relative to it. Palettes of some 450 entries of the
model `tiny` are rounded to multiples of 4."""

SAMPLE: Final = 32768
"""k-means runs on at most this many points, evenly spaced, or on `SAMPLE_PER_ENTRY` per entry if those are more."""

SAMPLE_PER_ENTRY: Final = 16

FULL_PASSES: Final = 2
"""Most Lloyd iterations over all points, after those over the sample."""

MAX_DISTANCES: Final = 1_200_000_000
"""Most distances that refinement on the sample computes; the Lloyd iterations over all points may compute as many.
Each of the two takes about two seconds then. Only palettes of a thousand entries and more reach this limit, and get
fewer rounds than `ROUNDS` says."""


def palettise(codes: NDArray[np.uint8], colors: int, effort: int) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """Find a palette of small squared error for the codes, and index each position by its nearest entry.

    Args:
        codes: (h, w, C).
        colors: most entries of the palette, 2 to 4096.
        effort: 0 (fast) to 9 (thorough).

    Returns:
        The palette (N, C), entries unique and in lexicographic order, 2 <= N <= ``colors``, and the indices (h, w).
        With at most ``colors`` different codes the palette is exact. The same input gives the same output.

    Raises:
        SdzOptionError: colors or effort is out of its range.
        SdzDependencyError: C is 4 and the imagequant package is missing.
    """
    rounds = _rounds(colors, effort)
    height, width, channels = codes.shape
    points = codes.reshape(-1, channels)
    entries = _distinct(points, colors)
    if entries is None:
        sample = _sample(points, colors)
        if channels == libimagequant.CHANNELS and colors <= libimagequant.MAX_ENTRIES:
            start = libimagequant.initial_palette(sample, colors)
            start = by_splitting(sample, colors, CODES, start)  # libimagequant may give fewer entries
        else:
            start = by_splitting(sample, colors, CODES)
        entries = _refine(points, sample, start, rounds, CODES)
    palette, indices = _finalise(points, entries, CODES)
    return palette.astype(np.uint8), indices.reshape(height, width)


def palettise_residual(
    residual: NDArray[np.int16], colors: int, effort: int
) -> tuple[NDArray[np.int16], NDArray[np.uint16]]:
    """Find a palette for the residual of earlier layers, as `palettise` does for codes.

    Args:
        residual: (h, w, C), codes minus the sum of the layers so far.
        colors: most entries of the palette, the zero vector included, 2 to 4096.
        effort: 0 to 9.

    Returns:
        The palette (N, C), values -128 to 127, entry 0 the zero vector, the others unique and in lexicographic order,
        2 <= N <= ``colors``, and the indices (h, w).

    Raises:
        SdzOptionError: colors or effort is out of its range.
    """
    rounds = _rounds(colors, effort)
    height, width, channels = residual.shape
    points = residual.reshape(-1, channels)
    zero = np.zeros((1, channels), np.int16)
    entries = _distinct(np.concatenate([zero, np.clip(points, RESIDUALS.low, RESIDUALS.high)]), colors)
    if entries is None:
        sample = _sample(points, colors)
        start = by_splitting(sample, colors, RESIDUALS, zero)
        entries = _refine(points, sample, start, rounds, RESIDUALS)
    palette, indices = _finalise(points, np.concatenate([zero, entries]), RESIDUALS)
    return palette, indices.reshape(height, width)


def make_layers(codes: NDArray[np.uint8], colors: Sequence[int], effort: int) -> list[Layer]:
    """Quantise codes in layers: the first one the codes, each later one the residual of the layers before it.

    Args:
        codes: (h, w, C).
        colors: most entries of each layer's palette, one to eight numbers from 2 to 4096.
        effort: 0 to 9.

    Returns:
        The layers, palettes as they are stored: uint8, residuals with 128 added.

    Raises:
        SdzOptionError: a number is out of its range.
        SdzDependencyError: C is 4 and the imagequant package is missing.
    """
    if not 1 <= len(colors) <= MAX_LAYERS:
        raise SdzOptionError(
            "this many layers are impossible", field="colors", found=len(colors), expected=f"1 to {MAX_LAYERS} numbers"
        )
    palette, indices = canonical_order(*_round_palette(codes, *palettise(codes, colors[0], effort)))
    layers = [Layer(palette, indices)]
    residual = codes.astype(np.int16) - palette[indices]
    for count in colors[1:]:
        vectors, indices = palettise_residual(residual, count, effort)
        stored = (vectors + RESIDUAL_ZERO).astype(np.uint8)
        layers.append(Layer(*canonical_order(stored, indices, keep_first=True)))
        residual -= vectors[indices]
    return layers


def _round_palette(
    codes: NDArray[np.uint8], palette: NDArray[np.uint8], indices: NDArray[np.uint16]
) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """Round a palette's values to multiples of 8, 4 or 2 (plus half of that), as coarsely as `ROUNDING_SHARE` allows.

    Palette coding 1 spends no bits on the low bits that all values then share: rounding to multiples of 4 shortens a
    palette of 256 entries by a third. Rounding to multiples of 2**s adds about 4**s / 12 to the mean squared error.
    """
    error = rms_noise(codes, palette[indices]) ** 2
    shift = max((s for s in range(4) if 4**s / 12 <= ROUNDING_SHARE * error), default=0)
    if shift == 0:
        return palette, indices
    coarse = np.unique((palette >> shift << shift) + (1 << shift >> 1), axis=0)
    if len(coarse) < MIN_ENTRIES:
        return palette, indices
    height, width, channels = codes.shape
    entries, flat = _finalise(codes.reshape(-1, channels), coarse, CODES)
    return entries.astype(np.uint8), flat.reshape(height, width)


def rms_noise(codes: NDArray[np.uint8], decoded: NDArray[np.uint8]) -> float:
    """The root of the mean squared difference of two arrays of codes (h, w, C), in codes.

    >>> rms_noise(np.array([[[10, 20]]], np.uint8), np.array([[[12, 18]]], np.uint8))
    2.0
    """
    total = 0
    for row, decoded_row in zip(codes, decoded, strict=True):  # row by row, which bounds memory
        difference = row.astype(np.int64) - decoded_row
        total += int(np.sum(difference * difference))
    return float(np.sqrt(total / codes.size))


def _rounds(colors: int, effort: int) -> int:
    """Check both numbers, and return the rounds of refinement for the effort."""
    ranges = ("colors", colors, MIN_ENTRIES, MAX_ENTRIES), ("effort", effort, 0, len(ROUNDS) - 1)
    for field, value, least, most in ranges:
        if not least <= value <= most:
            raise SdzOptionError("out of range", field=field, found=value, expected=f"{least} to {most}")
    return ROUNDS[effort]


def _sample(points: NDArray[Any], colors: int) -> NDArray[Any]:
    """The points that k-means runs on, see `SAMPLE`."""
    most = max(SAMPLE, SAMPLE_PER_ENTRY * colors)
    return points if len(points) <= most else points[np.arange(most) * len(points) // most]


def _distinct(points: NDArray[Any], most: int) -> NDArray[np.int16] | None:
    """The different points (N, C), or None if there are more than ``most`` of them."""
    if len(np.unique(points[: 2 * most], axis=0)) > most:  # a part of the points, which nearly always decides
        return None
    unique = np.unique(points, axis=0)
    return unique.astype(np.int16) if len(unique) <= most else None


def _refine(
    points: NDArray[Any], sample: NDArray[Any], start: NDArray[np.int16], rounds: int, rules: EntryConstraints
) -> NDArray[np.int16]:
    """Refine a palette on the sample, then on all points, as far as `MAX_DISTANCES` allows."""
    affordable = MAX_DISTANCES // ((STEPS_PER_ROUND + 1) * len(sample) * len(start))
    entries = refine(sample, start, min(rounds, affordable), rules)
    if len(sample) < len(points):
        passes = min(FULL_PASSES, max(1, MAX_DISTANCES // (len(points) * len(start))))
        entries = lloyd(points, entries, passes, rules)
    return entries


def _finalise(
    points: NDArray[Any], entries: NDArray[np.int16], rules: EntryConstraints
) -> tuple[NDArray[np.int16], NDArray[np.uint16]]:
    """Sort the entries (pinned ones first), drop duplicates and unused ones, and index the points."""
    first = entries[: rules.pinned]

    def in_order(candidates: NDArray[np.int16]) -> NDArray[np.int16]:
        candidates = np.unique(candidates, axis=0)
        pinned = (candidates[:, None] == first[None]).all(axis=2).any(axis=1)
        return np.concatenate([first, candidates[~pinned]])

    entries = in_order(entries)
    indices = nearest(points, entries)
    used = np.bincount(indices, minlength=len(entries)) > 0
    used[: rules.pinned] = True
    if np.count_nonzero(used) >= MIN_ENTRIES:
        return entries[used], (np.cumsum(used) - 1).astype(np.uint16)[indices]
    other = entries[used]  # only one is used, but a palette needs two: add one that differs by 1
    other[0, -1] += 1 if other[0, -1] < rules.high else -1
    entries = in_order(np.concatenate([entries[used], other]))
    return entries, nearest(points, entries)
