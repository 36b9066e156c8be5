"""Palettes to start `pillow_sdz.payloads.palette.kmeans` from: libimagequant's, or by splitting where that cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pillow_sdz.errors import SdzDependencyError
from pillow_sdz.payloads.palette.kmeans import SPLIT, STEPS_PER_ROUND, Rules, assign, cluster, lloyd, spread

if TYPE_CHECKING:
    from numpy.typing import NDArray

LIBIMAGEQUANT_CHANNELS = 4
LIBIMAGEQUANT_ENTRIES = 256
"""libimagequant makes palettes of RGBA pictures with at most this many entries."""

LOWEST_ALPHA = 112
"""Where code 0 of the fourth channel goes: libimagequant takes that channel for opacity and neglects the others where
it is low. Squeezed into 112..255, it gave 28 % less error on latents of photos than unchanged; 96 to 144 are alike."""


def by_libimagequant(codes: NDArray[np.uint8], colors: int) -> NDArray[np.int16]:
    """Return a palette of libimagequant's for the codes.

    Args:
        codes: (n, 4).
        colors: entries wanted, 2 to 256.

    Returns:
        (N, 4) entries, the means of libimagequant's clusters; N is at most ``colors``, sometimes less.

    Raises:
        SdzDependencyError: the imagequant package is missing.
    """
    try:
        import imagequant
    except ImportError as error:
        raise SdzDependencyError(
            "making a palette needs the package imagequant", found="no such package",
            remedy="run: python -m pip install imagequant",
        ) from error  # fmt: skip
    pixels = np.ascontiguousarray(codes).copy()
    pixels[:, 3] = LOWEST_ALPHA + codes[:, 3].astype(np.uint16) * (255 - LOWEST_ALPHA) // 255
    data, _ = imagequant.quantize_raw_rgba_bytes(
        pixels.tobytes(), len(pixels), 1, dithering_level=0.0, max_colors=colors
    )
    indices = np.frombuffer(data, np.uint8).astype(np.uint16)
    used = cluster(codes, indices, LIBIMAGEQUANT_ENTRIES)
    return np.rint(used.centroids[used.counts > 0]).astype(np.int16)


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
