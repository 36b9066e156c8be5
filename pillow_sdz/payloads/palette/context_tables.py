"""The initial state of the context model of index coding 2: tables from the palette, and initial weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pillow_sdz.coding.fixed_point import logarithms

if TYPE_CHECKING:
    from numpy.typing import NDArray


CLASSES: Final = 11
"""Activity classes: 0 for no activity, then one per octave of it, up to the mean squared distance of two entries."""

NEAREST: Final = 3
"""Number of nearest entries of an entry whose counts are raised along with its own."""

UNIT: Final = 1024
"""Counts are in 1024ths of a symbol."""

_RATIO_UNIT: Final = 16
"""Unit of `_MAX_RATIO` and of ratios of squared distances: they are in 16ths."""

_MAX_RATIO: Final = 4095
"""Larger ratios are clipped to this one."""

_INITIAL_FOLLOWERS: Final = 4 * UNIT
"""Approximate sum of the initial follower counts of an entry."""

_INT32_MAX: Final = (1 << 31) - 1


class Geometry:
    """Tables that depend on the palette alone.

    Args:
        palette: (N, C) uint8, N <= 1024, C <= 64, so that every sum below fits 32 bits.

    Attributes:
        distances: (N, N) int32, squared Euclidean distances.
        central: the entry with the smallest sum of `distances` to all others, of equals the first (the medoid).
        thresholds: (10,) int64, rising; the class of an activity is the number of thresholds that it reaches.
        distance_limits: (11,) int32 by class; larger distances to the neighbours' mean are clipped to it.
        factors: (11,) int32 by class; distance * factor >> 18 is the ratio to the scale of the class, in 16ths.
        nearness_of_ratio: (4096,) int32, -256 * log2(16 + ratio) for each ratio in 16ths.
        nearness: (N, N) int32, `nearness_of_ratio` for `distances` relative to a 32nd of their mean.
        initial_followers: (N, N) int32, in `UNIT`: counts of entry k after entry i at the start, falling with their
            distance.
        nearest_entries: (N, 3), the nearest other entries, of equally near ones the first; 0 where there are too few.
    """

    def __init__(self, palette: NDArray[np.uint8]) -> None:
        entries = len(palette)
        self.distances = _squared_distances(palette)
        sums = self.distances.sum(axis=1, dtype=np.int64)
        self.central = int(sums.argmin())
        mean = max(1, int(sums.sum()) // (entries * entries))
        scales = [max(1, mean >> shift) for shift in range(8, -1, -1)]
        self.thresholds = np.array([1, *scales], np.int64)
        scale_of = np.array([scales[max(0, number - 2)] for number in range(CLASSES)], np.int64)
        self.distance_limits = (scale_of << 8).astype(np.int32)
        self.factors = ((1 << 22) // scale_of).astype(np.int32)
        self.nearness_of_ratio = -logarithms()[_RATIO_UNIT : _RATIO_UNIT + _MAX_RATIO + 1]
        ratios = np.minimum(self.distances.astype(np.int64) * _RATIO_UNIT // max(1, mean >> 5), _MAX_RATIO)
        self.nearness: NDArray[np.int32] = self.nearness_of_ratio.take(ratios)
        peaks = (1 << 28) // (_RATIO_UNIT + ratios) ** 2
        shares = peaks * _INITIAL_FOLLOWERS // peaks.sum(axis=1)[:, None]
        self.initial_followers = (shares + 1).astype(np.int32)
        self.nearest_entries = _nearest(self.distances)


def _squared_distances(palette: NDArray[np.uint8]) -> NDArray[np.int32]:
    distances = np.zeros((len(palette), len(palette)), np.int32)
    for channel in palette.T.astype(np.int32):
        difference = channel[:, None] - channel[None, :]
        difference *= difference
        distances += difference
    return distances


def _nearest(distances: NDArray[np.int32]) -> NDArray[np.intp]:
    remaining = distances.copy()
    rows = np.arange(len(remaining))
    remaining[rows, rows] = _INT32_MAX
    result = np.zeros((len(remaining), NEAREST), np.intp)
    for rank in range(min(NEAREST, len(remaining) - 1)):
        result[:, rank] = remaining.argmin(axis=1)
        remaining[rows, result[:, rank]] = _INT32_MAX
    return result


# The initial weights are constants of the format, in hundredths. They were learned on the codes of training photos
# (never on test photos) under palettes of 16 to 256 entries, by averaging the weights at the end of each plane. Rows:
# activity classes, from none to the highest. Columns: the features, in the order that `context_model` gives.

FOR_CODES: Final = np.array(
    [
        [6, 4, 4, 5, 11, 10, 9, 22, 31, 19, 21, 11, -29, 19],
        [15, 5, -14, 7, 32, 14, 11, 6, 50, 28, 32, 14, -102, 50],
        [14, 7, -9, 10, 40, 19, 19, 16, 30, 24, 24, 11, -76, 36],
        [12, 9, 0, 15, 38, 19, 20, 21, 21, 19, 18, 12, -65, 32],
        [16, 2, -2, 15, 38, 11, 16, 16, 20, 16, 15, 12, -54, 35],
        [20, -1, 1, 11, 30, 7, 17, 21, 18, 13, 13, 10, -45, 38],
        [16, -5, -1, 6, 24, 8, 15, 19, 14, 12, 12, 10, -41, 43],
        [13, 1, 0, 7, 20, 11, 13, 15, 13, 11, 10, 9, -42, 35],
        [13, 7, 2, 4, 17, 12, 11, 12, 13, 11, 9, 9, -45, 14],
        [14, 9, -4, 4, 14, 7, 11, 10, 14, 11, 10, 9, -45, -28],
        [-1, -3, -12, -10, 7, 3, 9, 6, 14, 11, 9, 9, -50, -7],
    ],
    np.int64,
)
"""Initial weights for a layer of codes."""

FOR_RESIDUALS: Final = np.array(
    [
        [-8, -4, -4, -4, -1, 9, 10, 10, 11, 11, 11, 11, 71, 6],
        [18, 22, -9, 8, 30, 26, 10, -5, 40, 36, 26, 13, -44, 44],
        [25, 26, -19, 3, 36, 31, 3, -15, 48, 32, 26, -11, -61, 41],
        [19, 17, -3, 11, 22, 23, 9, 1, 19, 24, 10, 7, -10, 22],
        [15, 14, -2, 9, 18, 16, 12, 4, 16, 16, 9, 8, 11, 14],
        [-1, 2, 0, 0, 5, 8, 6, 7, 8, 7, 5, 9, 65, 4],
        [1, 1, -3, 3, 8, 6, 8, 5, 10, 9, 6, 7, 59, 6],
        [-2, 0, 0, -1, 6, 6, 5, 6, 6, 5, 7, 6, 66, 5],
        [-4, 1, -1, 1, 2, 3, 4, 4, 6, 5, 6, 5, 66, 2],
        [-4, -1, -4, -1, 2, 1, 2, -2, 5, 6, 6, 5, 62, 0],
        [0, -4, -10, -1, -1, -1, -6, -8, 3, 5, 6, 5, 58, 4],
    ],
    np.int64,
)
"""Initial weights for a layer of residuals, recognised by a first palette entry of all 128 (the zero vector)."""
