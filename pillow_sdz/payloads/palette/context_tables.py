"""What index coding 2 takes from the palette before the first index: distances, scales, first counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pillow_sdz.coding.fixed_point import logarithms

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLASSES: Final = 11
"""Classes of activity: 0 for none, then one for each octave up to the mean distance within the palette."""

KIN: Final = 3
"""How many nearest entries count as the kin of an entry."""

UNIT: Final = 1024
"""Counts are in 1024ths of a symbol."""

_STEPS: Final = 16
"""Ratios of distances are in 16ths,"""

_MOST_RATIO: Final = 4095
"""up to this."""

_FIRST_FOLLOWERS: Final = 4 * UNIT
_FAR: Final = (1 << 31) - 1


class Geometry:
    """Tables that depend on the palette alone.

    Args:
        palette: (N, C) uint8, N <= 1024, C <= 64, so that every sum below fits 32 bits.

    Attributes:
        distances: (N, N) int32, squared Euclidean distances.
        middle: the entry with the smallest sum of distances to all others, the first of equals.
        thresholds: (10,) int64, rising: an activity belongs to the class of how many thresholds are not above it.
        limits: (11,) int32 by class; distances to the mean are cut there.
        factors: (11,) int32 by class; distance * factor >> 18 is the ratio to the scale of the class, in 16ths.
        falling: (4096,) int32, -256 * log2(16 + ratio).
        nearness: (N, N) int32, `falling` of the ratios of `distances` to a 32nd of the mean distance.
        first_followers: (N, N) int32 counts: an entry is followed by those near it.
        kin: (N, 3) the nearest other entries, of equally near ones the first; all 0 if there are too few.
    """

    def __init__(self, palette: NDArray[np.uint8]) -> None:
        entries = len(palette)
        self.distances = _squared_distances(palette)
        sums = self.distances.sum(axis=1, dtype=np.int64)
        self.middle = int(sums.argmin())
        mean = max(1, int(sums.sum()) // (entries * entries))
        scales = [max(1, mean >> shift) for shift in range(8, -1, -1)]
        self.thresholds = np.array([1, *scales], np.int64)
        scale_of = np.array([scales[max(0, number - 2)] for number in range(CLASSES)], np.int64)
        self.limits = (scale_of << 8).astype(np.int32)
        self.factors = ((1 << 22) // scale_of).astype(np.int32)
        self.falling = -logarithms()[_STEPS : _STEPS + _MOST_RATIO + 1]
        ratios = np.minimum(self.distances.astype(np.int64) * _STEPS // max(1, mean >> 5), _MOST_RATIO)
        self.nearness: NDArray[np.int32] = self.falling.take(ratios)
        peaks = (1 << 28) // (_STEPS + ratios) ** 2
        shares = peaks * _FIRST_FOLLOWERS // peaks.sum(axis=1)[:, None]
        self.first_followers = (shares + 1).astype(np.int32)
        self.kin = _nearest(self.distances)


def _squared_distances(palette: NDArray[np.uint8]) -> NDArray[np.int32]:
    distances = np.zeros((len(palette), len(palette)), np.int32)
    for channel in palette.T.astype(np.int32):
        difference = channel[:, None] - channel[None, :]
        difference *= difference
        distances += difference
    return distances


def _nearest(distances: NDArray[np.int32]) -> NDArray[np.intp]:
    left = distances.copy()
    lines = np.arange(len(left))
    left[lines, lines] = _FAR
    result = np.zeros((len(left), KIN), np.intp)
    for rank in range(min(KIN, len(left) - 1)):
        result[:, rank] = left.argmin(axis=1)
        left[lines, result[:, rank]] = _FAR
    return result
