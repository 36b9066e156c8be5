"""A palette improved in plain squared error: Lloyd's iterations and entries moved to where they are worth more.

Lloyd's algorithm (k-means) stops in the nearest local optimum: some regions keep more entries than they need, others
fewer. The exchange step between its iterations (after the 'enhanced LBG' of Patanè and Russo, 2001) merges the pairs
of entries that are missed least and splits the clusters that gain most. As in annealing, the first rounds also make
exchanges that do not pay at once; the best palette seen is kept.
Entries are whole numbers and sums of whole numbers are exact, so the result is the same on every run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


FIRST_OPTIMISM = 3.0
LAST_OPTIMISM = 0.8
"""By how much the gain of a split is overrated (relative to the variance along its longest axis) in the first and in
the last round of exchanges; measured on latents of photos."""

SPLIT = 0.8
"""Standard deviations from a cluster's mean to those of its halves: 0.87 for a uniform distribution, 0.80 for a
normal one."""

STEPS_PER_ROUND = 2
"""Lloyd iterations after each exchange, besides the one that judges it."""


@dataclass(frozen=True)
class Rules:
    """What the entries of a palette may be.

    Attributes:
        low: lowest value.
        high: highest value.
        pinned: how many of the first entries must stay as they are.
    """

    low: int
    high: int
    pinned: int = 0

    def whole(self, entries: NDArray[np.float64]) -> NDArray[np.int16]:
        """Round and clip entries."""
        return np.clip(np.rint(entries), self.low, self.high).astype(np.int16)


@dataclass(frozen=True)
class Clusters:
    """Which points belong to which entry, and the sums that follow."""

    indices: NDArray[np.uint16]  # (n,)
    counts: NDArray[np.int64]  # (N,)
    sums: NDArray[np.float64]  # (N, C)

    @property
    def centroids(self) -> NDArray[np.float64]:
        """(N, C), zeros where a cluster is empty."""
        return self.sums / np.maximum(self.counts, 1)[:, None]

    @property
    def explained(self) -> float:
        """The part of the points' sum of squares that the centroids explain; the rest is the squared error."""
        return float(np.sum(self.sums * self.centroids))


def assign(points: NDArray[Any], entries: NDArray[Any]) -> Clusters:
    """Give each of the points (n, C) to its nearest of the entries (N, C)."""
    return cluster(points, nearest(points, entries), len(entries))


def cluster(points: NDArray[Any], indices: NDArray[np.uint16], count: int) -> Clusters:
    """Return the sums of the clusters that indices (n,) below count form."""
    return Clusters(indices, np.bincount(indices, minlength=count), _sums(points, indices, count, power=1))


def _sums(points: NDArray[Any], indices: NDArray[np.uint16], count: int, power: int) -> NDArray[np.float64]:
    columns = (points[:, c].astype(np.float64) ** power for c in range(points.shape[1]))
    return np.stack([np.bincount(indices, column, count) for column in columns], axis=1)


def spread(points: NDArray[Any], clusters: Clusters) -> NDArray[np.float64]:
    """Return each cluster's squared error from its centroid in each channel, (N, C)."""
    squares = _sums(points, clusters.indices, len(clusters.counts), power=2)
    return np.maximum(squares - clusters.sums * clusters.centroids, 0)


def refine(points: NDArray[Any], entries: NDArray[np.int16], rounds: int, rules: Rules) -> NDArray[np.int16]:
    """Improve a palette for the points.

    Args:
        points: (n, C), whole numbers.
        entries: (N, C), the palette to start from.
        rounds: rounds of exchange and Lloyd iterations; 0 for a few Lloyd iterations only.
        rules: what the entries may be.

    Returns:
        (N, C) entries, the pinned ones first; may contain duplicates where there are fewer different points.
    """
    entries = lloyd(points, entries, STEPS_PER_ROUND, rules)
    clusters = assign(points, entries)
    best, best_explained = entries, _explained(clusters, entries, rules.pinned)
    for optimism in np.linspace(FIRST_OPTIMISM, LAST_OPTIMISM, rounds):
        moved = rules.whole(exchange(points, clusters, entries, float(optimism), rules.pinned))
        entries = lloyd(points, moved, STEPS_PER_ROUND, rules)
        clusters = assign(points, entries)
        explained = _explained(clusters, entries, rules.pinned)
        if explained > best_explained:
            best, best_explained = entries, explained
    return lloyd(points, best, STEPS_PER_ROUND, rules)


def _explained(clusters: Clusters, entries: NDArray[np.int16], pinned: int) -> float:
    """`Clusters.explained` with the pinned entries, which are not centroids, in their true places."""
    fixed = entries[:pinned].astype(np.float64)
    parts = clusters.sums[:pinned] * (2 * fixed - clusters.centroids[:pinned])
    return clusters.explained + float(np.sum(parts - clusters.counts[:pinned, None] * fixed * fixed))


def lloyd(points: NDArray[Any], entries: NDArray[np.int16], iterations: int, rules: Rules) -> NDArray[np.int16]:
    """Move each entry to the rounded mean of its points, several times; arguments as in `refine`.

    An entry without points goes to one of the points that are farthest from their entry.
    """
    pinned = rules.pinned
    for _ in range(iterations):
        clusters = assign(points, entries)
        moved = rules.whole(clusters.centroids)
        moved[:pinned] = entries[:pinned]
        empty = pinned + np.flatnonzero(clusters.counts[pinned:] == 0)
        if len(empty):
            errors = np.sum((points - entries[clusters.indices].astype(np.int64)) ** 2, axis=1)
            farthest = np.argsort(-errors, kind="stable")[: len(empty)]
            moved[empty[: len(farthest)]] = np.clip(points[farthest], rules.low, rules.high)
        if np.array_equal(moved, entries):
            break
        entries = moved
    return entries


def exchange(
    points: NDArray[Any], clusters: Clusters, entries: NDArray[np.int16], optimism: float, pinned: int
) -> NDArray[np.float64]:
    """Merge the pairs of clusters that cost least, and use the entries won to split the ones that gain most.

    A pair is merged and another cluster split along its axis of largest variance only while ``optimism`` times that
    variance (summed over the points) exceeds the cost of the merger. Each cluster takes part in one move at most.

    Returns:
        (N, C) entries, not rounded.
    """
    count = len(entries)
    centroids = clusters.centroids
    counts = clusters.counts
    errors = spread(points, clusters)
    axis = errors.argmax(axis=1)
    widest = errors[np.arange(count), axis]
    gain = optimism * widest
    cost, partner = _cheapest_mergers(entries, counts, pinned)
    moved = np.where(counts[:, None] > 0, centroids, entries)
    moved[:pinned] = entries[:pinned]
    done = np.zeros(count, bool)
    done[:pinned] = True
    for_split = [int(i) for i in np.argsort(-gain, kind="stable") if i >= pinned and counts[i] > 1]
    place = 0
    for loser in (int(i) for i in np.argsort(cost, kind="stable")):
        taker = int(partner[loser])
        if done[loser] or done[taker]:
            continue
        while place < len(for_split) and done[for_split[place]]:
            place += 1
        split = next((i for i in for_split[place:] if not done[i] and i not in (loser, taker)), None)
        if split is None or gain[split] <= cost[loser]:
            break
        done[[loser, taker, split]] = True
        both = counts[loser] + counts[taker]
        if both:
            moved[taker] = (clusters.sums[loser] + clusters.sums[taker]) / both
        offset = SPLIT * np.sqrt(widest[split] / counts[split])
        moved[[loser, split]] = centroids[split]
        moved[loser, axis[split]] -= offset
        moved[split, axis[split]] += offset
    return moved


def _cheapest_mergers(
    entries: NDArray[np.int16], counts: NDArray[np.int64], pinned: int
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """The increase of the squared error (Ward, 1963) when a cluster joins its best partner, and that partner."""
    count = len(entries)
    place = entries.astype(np.float64)
    norm = np.sum(place * place, axis=1)
    sizes = counts.astype(np.float64)
    cost, partner = np.full(count, np.inf), np.zeros(count, np.intp)
    rows = max(1, BLOCK // place.size)
    for start in range(pinned, count, rows):
        rest = slice(start, min(start + rows, count))
        own = sizes[rest, None]
        merged = norm[rest, None] + norm - 2 * (place[rest] @ place.T)
        merged *= own * sizes / np.maximum(own + sizes, 1)
        merged[:, :pinned] = np.inf
        merged[np.arange(merged.shape[0]), np.arange(rest.start, rest.stop)] = np.inf
        partner[rest] = merged.argmin(axis=1)
        cost[rest] = merged[np.arange(merged.shape[0]), partner[rest]]
    return cost, partner


BLOCK = 1 << 18
"""Multiplications of one matrix product, at most. The distances stay in the cache; and OpenBLAS, which numpy brings,
starts no threads for so little: where all cores are busy, waiting for them took twenty times the work itself."""


def nearest(points: NDArray[Any], entries: NDArray[Any]) -> NDArray[np.uint16]:
    """Return for each point the index of the nearest entry in squared error; of several, the lowest index.

    Args:
        points: (n, C), whole numbers of any integer type.
        entries: (N, C), whole numbers of any type, 1 <= N <= 65536.

    Returns:
        (n,) indices.

    >>> nearest(np.array([[0], [5], [9]], np.uint8), np.array([[1], [9]])).tolist()
    [0, 0, 1]
    """
    count, channels = points.shape
    kind = _exact_kind(points, entries)
    # |x - p|^2 = |x|^2 + (x, 1) . (-2p, |p|^2), and the first term is the same for every entry.
    table: NDArray[Any] = entries.astype(kind)
    table = np.concatenate([-2 * table, np.sum(table * table, axis=1, keepdims=True)], axis=1).T
    indices = np.empty(count, np.uint16)
    rows = max(1, BLOCK // table.size)
    block = np.ones((min(rows, count), channels + 1), kind)
    distances = np.empty((len(block), len(entries)), kind)
    for start in range(0, count, rows):
        size = min(rows, count - start)
        block[:size, :channels] = points[start : start + size]
        np.matmul(block[:size], table, out=distances[:size])
        indices[start : start + size] = distances[:size].argmin(axis=1)
    return indices


def _exact_kind(points: NDArray[Any], entries: NDArray[Any]) -> type[np.float32] | type[np.float64]:
    """The smallest floating-point type that holds every partial sum of the distances exactly."""
    point, entry = (max(abs(int(a.min())), abs(int(a.max()))) if a.size else 0 for a in (points, entries))
    return np.float32 if points.shape[1] * entry * (2 * point + entry) < 1 << 24 else np.float64


def by_splitting(
    points: NDArray[Any], colors: int, rules: Rules, start: NDArray[np.int16] | None = None
) -> NDArray[np.int16]:
    """Grow a palette by splitting the clusters of largest error along their widest channel.

    Args:
        points: (n, C), whole numbers, at least ``colors`` of them different.
        colors: entries wanted.
        rules: what the entries may be; pinned ones are not split.
        start: (N, C) entries to begin with, the pinned ones first; the points' mean if None.

    Returns:
        (colors, C) entries, beginning with the pinned ones.
    """
    pinned = rules.pinned
    mean = rules.whole(np.mean(points, axis=0, keepdims=True, dtype=np.float64))
    entries = mean if start is None else start
    if len(entries) == pinned:
        entries = np.concatenate([entries, mean])
    while len(entries) < colors:
        clusters = assign(points, entries)
        errors = spread(points, clusters)[pinned:]
        widest = np.argsort(-errors.max(axis=1), kind="stable")[: colors - len(entries)]
        axis = errors[widest].argmax(axis=1)
        chosen = widest + pinned
        step = np.zeros((len(chosen), points.shape[1]))
        step[np.arange(len(chosen)), axis] = SPLIT * np.sqrt(
            errors[widest, axis] / np.maximum(clusters.counts[chosen], 1)
        )
        centroids = clusters.centroids[chosen]
        entries = entries.copy()
        entries[chosen] = rules.whole(centroids - step)
        entries = lloyd(points, np.concatenate([entries, rules.whole(centroids + step)]), STEPS_PER_ROUND, rules)
    return entries
