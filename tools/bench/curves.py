"""Rate-quality points of every picture, their means per format and setting, and what lies between them."""

from __future__ import annotations

import itertools
import math
import time
from statistics import fmean
from typing import TYPE_CHECKING, Any

from pillow_sdz.evaluation.codecs import decoded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from photos import Photo
    from pillow_sdz.evaluation.codecs import Format
    from pillow_sdz.evaluation.metrics import Metric

Row = dict[str, Any]
"""One measurement: picture, format, quality, bytes, bpp, seconds, and a number or None per metric."""


def measure(
    photos: Sequence[Photo],
    formats: Sequence[Format],
    metrics: Sequence[Metric],
    settings: Mapping[str, Sequence[int]],
    progress: Callable[[], object] = lambda: None,
) -> Iterator[Row]:
    """Save and decode every picture at every setting; ``progress`` is called after each.

    Args:
        photos: the pictures.
        formats: what to save them as.
        metrics: what to measure on the decoded bytes.
        settings: quality values of each format, by its name.
    """
    for form in formats:
        decoded(
            form.encode(photos[0].image, settings[form.name][0])
        )  # what is loaded once belongs to no picture's time
    for photo in photos:
        for form in formats:
            for quality in settings[form.name]:
                yield point(photo, form, quality, metrics)
                progress()


def point(photo: Photo, form: Format, quality: int, metrics: Sequence[Metric]) -> Row:
    """One picture at one setting, measured on what its bytes decode to."""
    start = time.perf_counter()
    data = form.encode(photo.image, quality)
    middle = time.perf_counter()
    image = decoded(data)
    end = time.perf_counter()
    if image.size != photo.image.size:
        raise AssertionError(f"{form.label} changed the size of {photo.name}")
    row: Row = {"picture": photo.name, "format": form.name, "quality": quality, "bytes": len(data)}
    row["bpp"] = 8 * len(data) / photo.pixels
    row["encode_s_per_mp"] = (middle - start) / photo.pixels * 1e6
    row["decode_s_per_mp"] = (end - middle) / photo.pixels * 1e6
    for metric in metrics:
        row[metric.name] = metric.measure(photo.image, image)
    return row


def means(rows: Sequence[Row], columns: Sequence[str]) -> list[Row]:
    """The mean of each column per format and setting, in the order of the rows. None (too small) does not count."""
    groups: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["format"], row["quality"]), []).append(row)
    return [
        {"format": form, "quality": quality, "pictures": len(group)}
        | {column: mean(row[column] for row in group) for column in columns}
        for (form, quality), group in groups.items()
    ]


def mean(values: Iterator[float | None]) -> float | None:
    numbers = [value for value in values if value is not None]
    return fmean(numbers) if numbers else None


def interpolated(points: Sequence[tuple[float, float | None]], bpp: float) -> float | None:
    """The metric of a curve at a rate, linear in the logarithm of the rate between the two nearest points.

    Args:
        points: (bits per pixel, metric) in any order; a metric of None is no point.
        bpp: where to read the curve.

    Returns:
        The value, or None outside the curve: nothing is extrapolated.

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
    """Each format's mean curve read at the mean rate of each .sdz rung.

    Returns:
        One row per rung and format: quality (of the .sdz), bpp, format, and the metrics (None: the format has no files
        of that size).
    """
    forms = list(dict.fromkeys(row["format"] for row in averages))
    table = []
    for rung in (row for row in averages if row["format"] == "sdz"):
        for form in forms:
            row: Row = {"quality": rung["quality"], "bpp": rung["bpp"], "format": form}
            for name in metrics:
                curve = [(point["bpp"], point[name]) for point in averages if point["format"] == form]
                row[name] = rung[name] if form == "sdz" else interpolated(curve, rung["bpp"])
            table.append(row)
    return table
