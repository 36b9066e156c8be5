"""Rate-quality points of every picture, their means per format and quality, and interpolation between the means."""

from __future__ import annotations

import itertools
import math
import time
from statistics import fmean
from typing import TYPE_CHECKING, Any

from pillow_sdz.evaluation.codecs import decoded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from pillow_sdz.evaluation.codecs import Codec
    from pillow_sdz.evaluation.metrics import Metric
    from tools.bench.photos import Photo

Row = dict[str, Any]
"""One line of a table, column -> value. A point has ``picture``, ``format`` (the codec's name), ``quality``, ``bytes``,
``bpp`` (bits per pixel), ``encode_s_per_mp`` and ``decode_s_per_mp`` (seconds per megapixel), and by the name of each
metric its number, or None."""


def measure(
    photos: Sequence[Photo],
    codecs: Sequence[Codec],
    metrics: Sequence[Metric],
    settings: Mapping[str, Sequence[int]],
    progress: Callable[[], object] = lambda: None,
) -> Iterator[Row]:
    """Encode and decode every picture at every quality.

    Args:
        photos: the pictures.
        codecs: what to encode them with.
        metrics: what to measure on the decoded bytes.
        settings: quality values of each codec, by its name.
        progress: called after each file.

    Yields:
        A point per picture, codec and quality.
    """
    for codec in codecs:  # loads modules and models, so that no picture's time includes that
        decoded(codec.encode(photos[0].image, settings[codec.name][0]))
    for photo in photos:
        for codec in codecs:
            for quality in settings[codec.name]:
                yield point(photo, codec, quality, metrics)
                progress()


def point(photo: Photo, codec: Codec, quality: int, metrics: Sequence[Metric]) -> Row:
    """One picture at one quality, measured on what its bytes decode to."""
    start = time.perf_counter()
    data = codec.encode(photo.image, quality)
    middle = time.perf_counter()
    image = decoded(data)
    end = time.perf_counter()
    if image.size != photo.image.size:
        raise AssertionError(f"{codec.label} changed the size of {photo.name}")
    row: Row = {"picture": photo.name, "format": codec.name, "quality": quality, "bytes": len(data)}
    row["bpp"] = 8 * len(data) / photo.pixels
    row["encode_s_per_mp"] = (middle - start) / photo.pixels * 1e6
    row["decode_s_per_mp"] = (end - middle) / photo.pixels * 1e6
    for metric in metrics:
        row[metric.name] = metric.measure(photo.image, image)
    return row


def means(rows: Sequence[Row], columns: Sequence[str]) -> list[Row]:
    """The mean of each column per format and quality, in the order of the rows. None (too small) is left out."""
    groups: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["format"], row["quality"]), []).append(row)
    return [
        {"format": name, "quality": quality, "pictures": len(group)}
        | {column: mean(row[column] for row in group) for column in columns}
        for (name, quality), group in groups.items()
    ]


def mean(values: Iterable[float | None]) -> float | None:
    """The mean of the values that are not None; None if there is none."""
    numbers = [value for value in values if value is not None]
    return fmean(numbers) if numbers else None


def interpolated(points: Sequence[tuple[float, float | None]], bpp: float) -> float | None:
    """The metric of a curve at a rate, linear in the logarithm of the rate between the two nearest points.

    Args:
        points: (bits per pixel, metric) in any order; points whose metric is None are left out.
        bpp: bits per pixel at which to read the curve.

    Returns:
        The value, or None outside of the curve: nothing is extrapolated.

    >>> interpolated([(0.1, 10), (0.4, 30)], 0.2), interpolated([(0.1, 10), (0.4, 30)], 0.05)
    (20.0, None)
    """
    curve = sorted((rate, value) for rate, value in points if value is not None)
    for rate, value in curve:
        if rate == bpp:
            return value
    for (low, first), (high, second) in itertools.pairwise(curve):
        if low < bpp < high:
            part = math.log(bpp / low) / math.log(high / low)
            return first + part * (second - first)
    return None


def at_equal_bytes(averages: Sequence[Row], metrics: Sequence[str]) -> list[Row]:
    """Read each format's mean curve at the mean rate of each quality of .sdz.

    Args:
        averages: from `means`, with a column ``bpp``.
        metrics: columns to interpolate.

    Returns:
        One row per quality of .sdz and format: ``quality`` and ``bpp`` of the .sdz, ``format``, and the metrics (None:
        the format has no files of that size).
    """
    names = list(dict.fromkeys(row["format"] for row in averages))
    table = []
    for sdz in (row for row in averages if row["format"] == "sdz"):
        for name in names:
            row: Row = {"quality": sdz["quality"], "bpp": sdz["bpp"], "format": name}
            for metric in metrics:
                curve = [(point["bpp"], point[metric]) for point in averages if point["format"] == name]
                row[metric] = sdz[metric] if name == "sdz" else interpolated(curve, sdz["bpp"])
            table.append(row)
    return table
