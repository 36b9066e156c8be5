"""k-means for palettes: Lloyd's algorithm, with exchanges of entries between its iterations.

Lloyd's algorithm stops in the nearest local optimum, where some regions have more entries than they need and others too
few. An exchange (after the enhanced LBG algorithm of Patanè and Russo, 2001) merges the pair of clusters that raises
the squared error least, and uses the freed entry to split the cluster that lowers it most. As in annealing, early
rounds also make exchanges that raise the error at first; the best palette seen is kept.

Points and entries are whole numbers, whose sums are exact in float64, so every run gives the same result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


INITIAL_OPTIMISM = 3.0
FINAL_OPTIMISM = 0.8
"""The assumed gain of a split, relative to the cluster's squared error in its widest channel: in the first and in the
last round of exchanges. Tuned on latents of photos."""

SPLIT_OFFSET = 0.8
"""Distance from the mean of a cluster to the means of its halves, in standard deviations: 0.80 for a normal
distribution (0.87 for a uniform one)."""

STEPS_PER_ROUND = 2
"""Lloyd iterations after each exchange, before the assignment that its error is measured on."""


@dataclass(frozen=True)
class EntryConstraints:
    """Constraints on the entries of a palette.

    Attributes:
        low: lowest value of a channel.
        high: highest value of a channel.
        pinned: number of entries, the first ones, that must not change.
    """

    low: int
    high: int
    pinned: int = 0

    def whole(self, entries: NDArray[np.float64]) -> NDArray[np.int16]:
        """Entries rounded and clipped to the allowed values."""
        return np.clip(np.rint(entries), self.low, self.high).astype(np.int16)


@dataclass(frozen=True)
class Clusters:
    """An assignment of points to entries.

    Attributes:
        indices: (n,), the entry of each point.
        counts: (N,), the number of points of each entry.
        sums: (N, C), the sum of the points of each entry.
    """

    indices: NDArray[np.uint16]
    counts: NDArray[np.int64]
    sums: NDArray[np.float64]

    @property
    def centroids(self) -> NDArray[np.float64]:
        """The means of the clusters, (N, C); zeros where a cluster is empty."""
        return self.sums / np.maximum(self.counts, 1)[:, None]

    @property
    def explained(self) -> float:
        """The explained sum of squares: that of the points less their squared error from the centroids."""
        return float(np.sum(self.sums * self.centroids))


def assign(points: NDArray[Any], entries: NDArray[Any]) -> Clusters:
    """Assign each of the points (n, C) to the nearest of the entries (N, C)."""
    return cluster(points, nearest(points, entries), len(entries))


def cluster(points: NDArray[Any], indices: NDArray[np.uint16], count: int) -> Clusters:
    """The clusters of points (n, C) whose entries are given by indices (n,), each below ``count``."""
    return Clusters(indices, np.bincount(indices, minlength=count), _sums(points, indices, count, power=1))


def _sums(points: NDArray[Any], indices: NDArray[np.uint16], count: int, power: int) -> NDArray[np.float64]:
    """(count, C): for each cluster, the sums of a power of the points' values."""
    columns = (points[:, c].astype(np.float64) ** power for c in range(points.shape[1]))
    return np.stack([np.bincount(indices, column, count) for column in columns], axis=1)


def channel_errors(points: NDArray[Any], clusters: Clusters) -> NDArray[np.float64]:
    """The squared error of each cluster from its centroid, by channel, (N, C)."""
    squares = _sums(points, clusters.indices, len(clusters.counts), power=2)
    return np.maximum(squares - clusters.sums * clusters.centroids, 0)


def refine(points: NDArray[Any], entries: NDArray[np.int16], rounds: int, rules: EntryConstraints) -> NDArray[np.int16]:
    """Reduce the squared error of a palette.

    Args:
        points: (n, C), whole numbers.
        entries: (N, C), the palette to start from.
        rounds: number of exchanges, each followed by Lloyd iterations; 0 for Lloyd iterations only.
        rules: constraints on the entries.

    Returns:
        (N, C) entries, the pinned ones first; with duplicates if there are fewer than N different points.
    """
    entries = lloyd(points, entries, STEPS_PER_ROUND, rules)
    clusters = assign(points, entries)
    best, best_explained = entries, _explained(clusters, entries, rules.pinned)
    for optimism in np.linspace(INITIAL_OPTIMISM, FINAL_OPTIMISM, rounds):
        moved = rules.whole(exchange(points, clusters, entries, float(optimism), rules.pinned))
        entries = lloyd(points, moved, STEPS_PER_ROUND, rules)
        clusters = assign(points, entries)
        explained = _explained(clusters, entries, rules.pinned)
        if explained > best_explained:
            best, best_explained = entries, explained
    return lloyd(points, best, STEPS_PER_ROUND, rules)


def _explained(clusters: Clusters, entries: NDArray[np.int16], pinned: int) -> float:
    """`Clusters.explained` with the error from the pinned entries themselves, which are not centroids."""
    fixed = entries[:pinned].astype(np.float64)
    products = clusters.sums[:pinned] * (2 * fixed - clusters.centroids[:pinned])
    return clusters.explained + float(np.sum(products - clusters.counts[:pinned, None] * fixed * fixed))


def lloyd(
    points: NDArray[Any], entries: NDArray[np.int16], iterations: int, rules: EntryConstraints
) -> NDArray[np.int16]:
    """Lloyd iterations: assign the points, then move each entry to the rounded mean of its points; see `refine`.

    An entry without points moves to one of the points that are farthest from their entries.
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
    """Merge pairs of clusters, cheapest first, and use each freed entry to split a cluster in its widest channel.

    It ends when ``optimism`` times the squared error in the widest channel of the cluster to split does not exceed the
    cost of the merge. Each cluster takes part in one merge or split at most.

    Returns:
        (N, C) entries, not rounded.
    """
    count = len(entries)
    centroids = clusters.centroids
    counts = clusters.counts
    errors = channel_errors(points, clusters)
    axis = errors.argmax(axis=1)
    widest = errors[np.arange(count), axis]
    gain = optimism * widest
    cost, partner = _cheapest_merges(entries, counts, pinned)
    moved = np.where(counts[:, None] > 0, centroids, entries)
    moved[:pinned] = entries[:pinned]
    involved = np.zeros(count, bool)
    involved[:pinned] = True
    split_order = [int(i) for i in np.argsort(-gain, kind="stable") if i >= pinned and counts[i] > 1]
    next_split = 0
    for absorbed in (int(i) for i in np.argsort(cost, kind="stable")):
        absorbing = int(partner[absorbed])
        if involved[absorbed] or involved[absorbing]:
            continue
        while next_split < len(split_order) and involved[split_order[next_split]]:
            next_split += 1
        split = next((i for i in split_order[next_split:] if not involved[i] and i not in (absorbed, absorbing)), None)
        if split is None or gain[split] <= cost[absorbed]:
            break
        involved[[absorbed, absorbing, split]] = True
        both = counts[absorbed] + counts[absorbing]
        if both:
            moved[absorbing] = (clusters.sums[absorbed] + clusters.sums[absorbing]) / both
        offset = SPLIT_OFFSET * np.sqrt(widest[split] / counts[split])
        moved[[absorbed, split]] = centroids[split]
        moved[absorbed, axis[split]] -= offset
        moved[split, axis[split]] += offset
    return moved


def _cheapest_merges(
    entries: NDArray[np.int16], counts: NDArray[np.int64], pinned: int
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """For each cluster the merge that raises the squared error least (Ward, 1963): the increase, and the partner."""
    count = len(entries)
    centres = entries.astype(np.float64)
    norm = np.sum(centres * centres, axis=1)
    sizes = counts.astype(np.float64)
    cost, partner = np.full(count, np.inf), np.zeros(count, np.intp)
    rows = max(1, MAX_MULTIPLICATIONS // centres.size)
    for start in range(pinned, count, rows):
        block = slice(start, min(start + rows, count))
        own = sizes[block, None]
        increase = norm[block, None] + norm - 2 * (centres[block] @ centres.T)
        increase *= own * sizes / np.maximum(own + sizes, 1)
        increase[:, :pinned] = np.inf
        increase[np.arange(increase.shape[0]), np.arange(block.start, block.stop)] = np.inf
        partner[block] = increase.argmin(axis=1)
        cost[block] = increase[np.arange(increase.shape[0]), partner[block]]
    return cost, partner


MAX_MULTIPLICATIONS = 1 << 18
"""Most multiplications of one matrix product. Its result stays in the cache, and OpenBLAS, which numpy uses, starts no
threads for so little work. With all cores busy, waiting for threads took twenty times as long as the work."""


def nearest(points: NDArray[Any], entries: NDArray[Any]) -> NDArray[np.uint16]:
    """The index of the entry nearest to each point in squared error; of equally near ones, the lowest index.

    Args:
        points: (n, C), whole numbers of any integer type.
        entries: (N, C), whole numbers of any type, 1 <= N <= 65536.

    Returns:
        (n,) indices.

    >>> nearest(np.array([[0], [5], [9]], np.uint8), np.array([[1], [9]])).tolist()
    [0, 0, 1]
    """
    count, channels = points.shape
    dtype = _exact_dtype(points, entries)
    # |x - p|^2 = |x|^2 + (x, 1) . (-2p, |p|^2): the first term is the same for every entry p, and left out.
    table: NDArray[Any] = entries.astype(dtype)
    table = np.concatenate([-2 * table, np.sum(table * table, axis=1, keepdims=True)], axis=1).T
    indices = np.empty(count, np.uint16)
    rows = max(1, MAX_MULTIPLICATIONS // table.size)
    block = np.ones((min(rows, count), channels + 1), dtype)
    distances = np.empty((len(block), len(entries)), dtype)
    for start in range(0, count, rows):
        size = min(rows, count - start)
        block[:size, :channels] = points[start : start + size]
        np.matmul(block[:size], table, out=distances[:size])
        indices[start : start + size] = distances[:size].argmin(axis=1)
    return indices


def _exact_dtype(points: NDArray[Any], entries: NDArray[Any]) -> type[np.float32] | type[np.float64]:
    """float32 if it represents every partial sum of the distances exactly, else float64."""
    point, entry = (max(abs(int(a.min())), abs(int(a.max()))) if a.size else 0 for a in (points, entries))
    return np.float32 if points.shape[1] * entry * (2 * point + entry) < 1 << 24 else np.float64


def by_splitting(
    points: NDArray[Any], colors: int, rules: EntryConstraints, start: NDArray[np.int16] | None = None
) -> NDArray[np.int16]:
    """Grow a palette by splitting the clusters of largest error along their widest channel.

    Args:
        points: (n, C), whole numbers, at least ``colors`` of them different.
        colors: number of entries of the result.
        rules: constraints on the entries; pinned ones are not split.
        start: (N, C) entries to start from, the pinned ones first; None for the mean of the points.

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
        errors = channel_errors(points, clusters)[pinned:]
        widest = np.argsort(-errors.max(axis=1), kind="stable")[: colors - len(entries)]
        axis = errors[widest].argmax(axis=1)
        chosen = widest + pinned
        step = np.zeros((len(chosen), points.shape[1]))
        step[np.arange(len(chosen)), axis] = SPLIT_OFFSET * np.sqrt(
            errors[widest, axis] / np.maximum(clusters.counts[chosen], 1)
        )
        centroids = clusters.centroids[chosen]
        entries = entries.copy()
        entries[chosen] = rules.whole(centroids - step)
        entries = lloyd(points, np.concatenate([entries, rules.whole(centroids + step)]), STEPS_PER_ROUND, rules)
    return entries
