"""The context model of index coding 2: adaptive frequencies of the palette entries at a position, given its neighbours.

Each entry has a score at each position, a weighted sum of 14 features, which are binary logarithms in 256ths:

- nine fall with the squared distance from the entry to a neighbour's entry, or to the mean of the neighbours' entries
  (neighbours on the plane tend to have similar entries);
- four are logarithms of how often the entry has followed the entry of a neighbour so far;
- one is the logarithm of how often the entry has occurred.

The frequency of an entry is 2 to the power of its score, a product of experts (Hinton 2002). The weights depend on the
activity class of the position, and are learned while coding, by gradient descent on the code length (diagonal Adagrad,
Duchi et al. 2011). All arithmetic is on integers. `spec/sdz.md` gives the same steps (Frequencies, Learning).
"""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING, Final

import numpy as np

from pillow_sdz.coding.fixed_point import logarithm, powers
from pillow_sdz.payloads.palette.context_tables import CLASSES, FOR_CODES, FOR_RESIDUALS, UNIT, Geometry

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEIGHBOUR_OFFSETS: Final = ((0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-2, 1), (-1, -2))
"""(row, column) offsets of the neighbours: W, N, NW, NE, WW, NN, NNE, NWW."""

MAX_FREQUENCIES: Final = 32768
"""Most frequencies (positions * N) computed together. It bounds memory, fits the cache, and is part of the format."""

_MEAN_NEIGHBOURS: Final = np.array([0, 1, 3, 4])
_MEAN_WEIGHTS: Final = np.array([30, 22, 6, 6], np.int32)
"""The neighbours' mean: of W, N, NE, WW, with these weights in 64ths."""

_PAIR_FIRST: Final = np.array([0, 0, 0, 1, 1, 3, 1, 0])
_PAIR_SECOND: Final = np.array([1, 3, 4, 3, 4, 4, 2, 2])
_PAIR_WEIGHTS: Final = np.array(
    [[660, 660], [180, 180], [180, 180], [132, 132], [132, 132], [36, 36], [0, 512], [0, 512]], np.int64
)
"""Pairs of neighbours, and the weights of their squared distances, in 4096ths: first column for the neighbours'
variance around that mean (called spread in the specification), second column for the activity."""

_FEATURES: Final = 14
"""In this order: nearness to each of the 8 neighbours, followers of W, N, NE, NW, histogram, nearness to the mean."""

_FOLLOWED_NEIGHBOURS: Final = np.array([0, 1, 3, 2])
"""The neighbours that follower counts are kept for: W, N, NE, NW."""

_INITIAL_COUNT: Final = 4 * UNIT
"""Initial count of each entry in the histogram."""

_MAX_COUNT: Final = 1 << 30
_NEAREST_INCREMENT: Final = UNIT // 4
"""An entry that follows another is also counted, by this amount, as a follower of the entries nearest to that other."""

_MIN_ENTRIES_FOR_NEAREST: Final = 32
"""Smallest palette with which followers of the nearest entries are counted."""

_MAX_LEARNING_POSITIONS: Final = 16
"""Most positions of a batch that the weights learn from; more cost time and hardly reduce the bytes."""

_WEIGHT_BITS: Final = 24
"""Fraction bits of the stored weights."""

_MAX_WEIGHT: Final = 2 << _WEIGHT_BITS
_INITIAL_ENERGY: Final = 1 << 23
_POWERS_OF_TWO: Final = 1 << np.arange(62, dtype=np.int64)
_LEARNING_RATES: Final = np.array([(300 << 28) // isqrt(1 << bits) for bits in range(63)], np.int64)
"""Learning rates 300 / 4096 / sqrt(energy), in units of 2**-40, by the bit length of the energy (sum of squared
gradients)."""


class ContextModel:
    """Adaptive frequencies of palette entries. Encoder and decoder must make the same calls in the same order.

    Args:
        palette: (N, C) uint8, N <= 1024, C <= 64. If the first entry is all 128 (the zero vector of a residual
            layer), the initial weights are those for residuals.

    Attributes:
        central: the entry that stands in for neighbours outside the plane at the start.
        max_positions: most positions of one call of `frequencies`.
    """

    def __init__(self, palette: NDArray[np.uint8]) -> None:
        self._entries = entries = len(palette)
        self._geometry = geometry = Geometry(palette)
        self._flat_distances = geometry.distances.reshape(-1)
        self.central = geometry.central
        self.max_positions = max(1, MAX_FREQUENCIES // entries)
        # `_counts`: 4 N rows of followers, 1 row of the histogram. `_rows`: N rows of nearness, then log(`_counts`).
        self._counts = np.full((4 * entries + 1, entries), _INITIAL_COUNT, np.int32)
        self._counts[:-1].reshape(4, entries, entries)[:] = geometry.initial_followers
        self._rows = np.concatenate([geometry.nearness, logarithm(self._counts)])
        self._flat_counts = self._counts.reshape(-1)
        self._flat_rows = self._rows.reshape(-1)
        self._flat_logarithms = self._rows[entries:].reshape(-1)
        self._follower_starts = np.arange(4)[:, None] * entries
        self._buffer = np.empty(_FEATURES * self.max_positions * entries, np.int32)
        residual = bool((palette[0] == 128).all())
        start = FOR_RESIDUALS if residual else FOR_CODES
        # by feature and class; the last column is shared by all classes
        self._weight_state = np.zeros((_FEATURES, CLASSES + 1), np.int64)
        self._weight_state[:, :-1] = (start.T << _WEIGHT_BITS) // 100
        self._energy = np.full((_FEATURES, CLASSES + 1), _INITIAL_ENERGY, np.int64)
        self._refresh()

    def _refresh(self) -> None:
        """Update the weights in use, (14, 11) int32 in 4096ths, from their state."""
        weights = (self._weight_state[:, :-1] + self._weight_state[:, -1:]) >> 12
        self._weights = np.maximum(np.minimum(weights, 8191), -8191).astype(np.int32)

    def frequencies(self, neighbours: NDArray[np.intp]) -> NDArray[np.int32]:
        """The frequencies of all entries at several positions of one wave.

        Args:
            neighbours: (M, 8), the entries at the neighbours of M positions, in the order of `NEIGHBOUR_OFFSETS`.

        Returns:
            (M, N) int32, 1 to 2**20.
        """
        entries, geometry = self._entries, self._geometry
        pairs = self._flat_distances.take(neighbours[:, _PAIR_FIRST] * entries + neighbours[:, _PAIR_SECOND])
        sums = (pairs.astype(np.int64) @ _PAIR_WEIGHTS) >> 12  # (M, 2): variance, activity
        activity_class = geometry.thresholds.searchsorted(sums[:, 1], side="right")
        weights = self._weights.take(activity_class, axis=1)
        rows = np.empty((_FEATURES - 1, len(neighbours)), np.intp)
        rows[:8] = neighbours.T
        rows[8:12] = rows[_FOLLOWED_NEIGHBOURS]
        rows[8:12] += self._follower_starts + entries
        rows[12] = 5 * entries
        features = self._buffer[: _FEATURES * len(neighbours) * entries].reshape(_FEATURES, len(neighbours), entries)
        self._rows.take(rows, axis=0, out=features[:-1], mode="clip")
        # squared distance to the mean of points = mean of the squared distances to them - their variance
        to_neighbours = geometry.distances.take(neighbours[:, _MEAN_NEIGHBOURS], axis=0)
        to_mean: NDArray[np.int32] = np.einsum("mfn,f->mn", to_neighbours, _MEAN_WEIGHTS)
        to_mean >>= 6
        to_mean -= sums[:, :1].astype(np.int32)
        np.maximum(to_mean, 0, out=to_mean)
        np.minimum(to_mean, geometry.distance_limits.take(activity_class)[:, None], out=to_mean)
        to_mean *= geometry.factors.take(activity_class)[:, None]
        to_mean >>= 18
        geometry.nearness_of_ratio.take(to_mean, out=features[-1], mode="clip")
        # |feature| <= 7680 and |weight| <= 8191: the sum of 14 products fits 31 bits
        scores: NDArray[np.int32] = np.einsum("fmn,fm->mn", features, weights)
        scores >>= 12
        np.subtract(scores.max(axis=1)[:, None], scores, out=scores)
        result = powers().take(scores, mode="clip")
        self._pending = (rows, activity_class, features, result)
        return result

    def learn(self, symbols: NDArray[np.intp]) -> None:
        """Adapt weights and counts to the symbols (M,) at the positions of the last call of `frequencies`."""
        entries = self._entries
        rows, activity_class, features, frequencies = self._pending
        cells = (rows[8:] - entries) * entries
        cells += symbols
        parts = [cells.reshape(-1)]
        if entries >= _MIN_ENTRIES_FOR_NEAREST:
            near = self._geometry.nearest_entries.take(rows[_FOLLOWED_NEIGHBOURS], axis=0)
            near += self._follower_starts[:, :, None]
            near *= entries
            near += symbols[:, None]
            parts.append(near.reshape(-1))
        some = slice(None, None, -(-len(symbols) // _MAX_LEARNING_POSITIONS))
        self._learn_weights(symbols[some], rows[:, some], activity_class[some], features[:, some], frequencies[some])
        cells = np.concatenate(parts)
        amounts = np.full(len(cells), _NEAREST_INCREMENT, np.int32)
        amounts[: parts[0].size] = UNIT
        np.add.at(self._flat_counts, cells, amounts)
        counts = np.minimum(self._flat_counts.take(cells), _MAX_COUNT)
        self._flat_counts[cells] = counts
        self._flat_logarithms[cells] = logarithm(counts)

    def _learn_weights(
        self,
        symbols: NDArray[np.intp],
        rows: NDArray[np.intp],
        activity_class: NDArray[np.intp],
        features: NDArray[np.int32],
        frequencies: NDArray[np.int32],
    ) -> None:
        """One step of Adagrad; the gradient is the symbols' features less their expectation under the frequencies."""
        probabilities = frequencies * (((1 << 31) - 1) // frequencies.sum(axis=1, dtype=np.int32))[:, None]
        probabilities >>= 16
        gradient = np.empty((_FEATURES, len(symbols)), np.int64)
        gradient[:-1] = self._flat_rows.take(rows * self._entries + symbols)
        gradient[-1] = features[-1, np.arange(len(symbols)), symbols]
        gradient *= probabilities.sum(axis=1, dtype=np.int32)
        gradient -= np.einsum("fmn,mn->fm", features, probabilities)
        gradient >>= 15
        members = np.zeros((len(activity_class), CLASSES + 1), np.int64)
        members[np.arange(len(activity_class)), activity_class] = 1
        members[:, -1] = 1
        self._energy += (gradient * gradient) @ members
        step = _LEARNING_RATES.take(_POWERS_OF_TWO.searchsorted(self._energy, side="right"))
        step *= gradient @ members
        step >>= 40 - _WEIGHT_BITS
        self._weight_state += step
        np.minimum(self._weight_state, _MAX_WEIGHT, out=self._weight_state)
        np.maximum(self._weight_state, -_MAX_WEIGHT, out=self._weight_state)
        self._refresh()
