"""The probabilities behind index coding 2: which palette entry comes next, given the entries before it.

Every entry gets a score for every position: a weighted sum of features, all of them binary logarithms in 256ths.
Neighbours on the plane have entries near each other in the palette's space, so nine features fall with the squared
distance to a neighbour's entry or to the neighbours' mean; four are the logarithms of how often the entry has
followed a neighbour's entry so far, one of how often it has occurred at all. Frequencies are 2 to the power of the
score (a product of experts). The weights depend on the local activity and follow the gradient of the code length
while coding (diagonal Adagrad, Duchi et al. 2011). Everything is whole numbers: every machine computes the same.
`spec/sdz.md` gives the same in words.
"""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING, Final

import numpy as np

from pillow_sdz.coding.fixed_point import logarithm, powers
from pillow_sdz.payloads.palette.context_tables import CLASSES, FOR_CODES, FOR_RESIDUALS, UNIT, Geometry

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEIGHBOURS: Final = ((0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-2, 1), (-1, -2))
"""(row, column) offsets of the neighbours: W, N, NW, NE, WW, NN, NNE, NWW."""

MAX_CELLS: Final = 32768
"""Positions are taken together as long as positions * N stays within this: it bounds memory and keeps to the cache."""

_MEAN_OF: Final = np.array([0, 1, 3, 4])
_MEAN_WEIGHTS: Final = np.array([30, 22, 6, 6], np.int32)
"""The mean of the neighbours: of W, N, NE, WW, in 64ths."""

_PAIR_FIRST: Final = np.array([0, 0, 0, 1, 1, 3, 1, 0])
_PAIR_SECOND: Final = np.array([1, 3, 4, 3, 4, 4, 2, 2])
_PAIR_WEIGHTS: Final = np.array(
    [[660, 660], [180, 180], [180, 180], [132, 132], [132, 132], [36, 36], [0, 512], [0, 512]], np.int64
)
"""Spread of the neighbours around that mean, and activity, as sums over squared distances of pairs, in 4096ths."""

_FEATURES: Final = 14
"""Order: distance to each of the 8 neighbours, followers of W, N, NE, NW, histogram, distance to the mean."""

_FOLLOWED: Final = np.array([0, 1, 3, 2])
_FIRST_COUNT: Final = 4 * UNIT
_MAX_COUNT: Final = 1 << 30
_NEAREST_UNIT: Final = UNIT // 4
"""What follows an entry also counts, by this much, as following each of the entries nearest to it."""

_FEWEST_FOR_NEAREST: Final = 32
"""Smallest palette in which it does."""

_LEARNERS: Final = 16
"""The weights learn from at most so many of the positions taken together: more cost time and give next to nothing."""

_WEIGHT_BITS: Final = 24
_MAX_WEIGHT: Final = 2 << _WEIGHT_BITS
_FIRST_ENERGY: Final = 1 << 23
_ENERGIES: Final = 1 << np.arange(62, dtype=np.int64)
_RATES: Final = np.array([(300 << 28) // isqrt(1 << bits) for bits in range(63)], np.int64)
"""By the bit length of the energy: 300 / 4096 / sqrt(energy), in 2**40ths."""


class ContextModel:
    """Adaptive distributions over palette entries; encoder and decoder make the same calls in the same order.

    Args:
        palette: (N, C) uint8, N <= 1024, C <= 64. A first entry of all 128 is taken for the zero vector of a layer of
            residuals, where zeros are frequent.

    Attributes:
        middle: the entry that takes the place of neighbours outside of the plane.
        most_positions: `frequencies` takes at most this many positions at once.
    """

    def __init__(self, palette: NDArray[np.uint8]) -> None:
        self._entries = entries = len(palette)
        self._geometry = geometry = Geometry(palette)
        self._flat_distances = geometry.distances.reshape(-1)
        self.middle = geometry.middle
        self.most_positions = max(1, MAX_CELLS // entries)
        # the rows of all features but the last: N of nearness, 4 N of followers, 1 of the histogram
        self._counts = np.full((4 * entries + 1, entries), _FIRST_COUNT, np.int32)
        self._counts[:-1].reshape(4, entries, entries)[:] = geometry.first_followers
        self._rows = np.concatenate([geometry.nearness, logarithm(self._counts)])
        self._flat_counts = self._counts.reshape(-1)
        self._flat_rows = self._rows.reshape(-1)
        self._flat_logarithms = self._rows[entries:].reshape(-1)
        self._lists = np.arange(4)[:, None] * entries
        self._room = np.empty(_FEATURES * self.most_positions * entries, np.int32)
        residual = bool((palette[0] == 128).all())
        start = FOR_RESIDUALS if residual else FOR_CODES
        # by feature and class; the last column is shared by all classes
        self._state = np.zeros((_FEATURES, CLASSES + 1), np.int64)
        self._state[:, :-1] = (start.T << _WEIGHT_BITS) // 100
        self._energy = np.full((_FEATURES, CLASSES + 1), _FIRST_ENERGY, np.int64)
        self._refresh()

    def _refresh(self) -> None:
        """The weights in use, (14, 11) int32 in 4096ths."""
        weights = (self._state[:, :-1] + self._state[:, -1:]) >> 12
        self._weights = np.maximum(np.minimum(weights, 8191), -8191).astype(np.int32)

    def frequencies(self, around: NDArray[np.intp]) -> NDArray[np.int32]:
        """Frequencies of all entries for several positions.

        Args:
            around: (M, 8) entries of the neighbours of M positions, in the order of `NEIGHBOURS`.

        Returns:
            (M, N) int32, each 1 to 2**20.
        """
        entries, geometry = self._entries, self._geometry
        pairs = self._flat_distances.take(around[:, _PAIR_FIRST] * entries + around[:, _PAIR_SECOND])
        sums = (pairs.astype(np.int64) @ _PAIR_WEIGHTS) >> 12
        kind = geometry.thresholds.searchsorted(sums[:, 1], side="right")
        weights = self._weights.take(kind, axis=1)
        chosen = np.empty((_FEATURES - 1, len(around)), np.intp)
        chosen[:8] = around.T
        chosen[8:12] = chosen[_FOLLOWED]
        chosen[8:12] += self._lists + entries
        chosen[12] = 5 * entries
        features = self._room[: _FEATURES * len(around) * entries].reshape(_FEATURES, len(around), entries)
        self._rows.take(chosen, axis=0, out=features[:-1], mode="clip")
        # squared distance to the mean = mean of the squared distances - spread
        parts = geometry.distances.take(around[:, _MEAN_OF], axis=0)
        to_mean: NDArray[np.int32] = np.einsum("mfn,f->mn", parts, _MEAN_WEIGHTS)
        to_mean >>= 6
        to_mean -= sums[:, :1].astype(np.int32)
        np.maximum(to_mean, 0, out=to_mean)
        np.minimum(to_mean, geometry.limits.take(kind)[:, None], out=to_mean)
        to_mean *= geometry.factors.take(kind)[:, None]
        to_mean >>= 18
        geometry.falling.take(to_mean, out=features[-1], mode="clip")
        # |feature| <= 7680 and |weight| <= 8191: the sum of 14 products fits 31 bits
        scores: NDArray[np.int32] = np.einsum("fmn,fm->mn", features, weights)
        scores >>= 12
        np.subtract(scores.max(axis=1)[:, None], scores, out=scores)
        result = powers().take(scores, mode="clip")
        self._pending = (chosen, kind, features, result)
        return result

    def learn(self, symbols: NDArray[np.intp]) -> None:
        """Adapt to the (M,) indices that the positions of the last call of `frequencies` turned out to hold."""
        entries = self._entries
        chosen, kind, features, frequencies = self._pending
        cells = (chosen[8:] - entries) * entries
        cells += symbols
        parts = [cells.reshape(-1)]
        if entries >= _FEWEST_FOR_NEAREST:
            near = self._geometry.nearest_entries.take(chosen[_FOLLOWED], axis=0)
            near += self._lists[:, :, None]
            near *= entries
            near += symbols[:, None]
            parts.append(near.reshape(-1))
        every = slice(None, None, -(-len(symbols) // _LEARNERS))
        self._learn_weights(symbols[every], chosen[:, every], kind[every], features[:, every], frequencies[every])
        cells = np.concatenate(parts)
        amounts = np.full(len(cells), _NEAREST_UNIT, np.int32)
        amounts[: parts[0].size] = UNIT
        np.add.at(self._flat_counts, cells, amounts)
        counts = np.minimum(self._flat_counts.take(cells), _MAX_COUNT)
        self._flat_counts[cells] = counts
        self._flat_logarithms[cells] = logarithm(counts)

    def _learn_weights(
        self,
        symbols: NDArray[np.intp],
        chosen: NDArray[np.intp],
        kind: NDArray[np.intp],
        features: NDArray[np.int32],
        frequencies: NDArray[np.int32],
    ) -> None:
        """One step against the gradient: features of the indices found, less their mean under the model."""
        shares = frequencies * (((1 << 31) - 1) // frequencies.sum(axis=1, dtype=np.int32))[:, None]
        shares >>= 16
        gradient = np.empty((_FEATURES, len(symbols)), np.int64)
        gradient[:-1] = self._flat_rows.take(chosen * self._entries + symbols)
        gradient[-1] = features[-1, np.arange(len(symbols)), symbols]
        gradient *= shares.sum(axis=1, dtype=np.int32)
        gradient -= np.einsum("fmn,mn->fm", features, shares)
        gradient >>= 15
        members = np.zeros((len(kind), CLASSES + 1), np.int64)
        members[np.arange(len(kind)), kind] = 1
        members[:, -1] = 1
        self._energy += (gradient * gradient) @ members
        step = _RATES.take(_ENERGIES.searchsorted(self._energy, side="right"))
        step *= gradient @ members
        step >>= 40 - _WEIGHT_BITS
        self._state += step
        np.minimum(self._state, _MAX_WEIGHT, out=self._state)
        np.maximum(self._state, -_MAX_WEIGHT, out=self._state)
        self._refresh()
