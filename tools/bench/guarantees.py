"""Two guarantees of .sdz, checked: a higher quality is not worse, and no file is larger than its target size."""

from __future__ import annotations

import itertools
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from pillow_sdz.errors import SdzOptionError
from pillow_sdz.evaluation.codecs import saved

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pillow_sdz.evaluation.metrics import Metric
    from tools.bench.curves import Row
    from tools.bench.photos import Photo


def worse_neighbours(rows: Sequence[Row], metrics: Sequence[Metric], name: str = "sdz") -> list[Row]:
    """Find neighbouring qualities of which the higher one has a worse mean.

    Args:
        rows: points of every picture; those of other formats are ignored.
        metrics: what to compare.
        name: the codec.

    Returns:
        A row per pair and metric that gets worse: ``low`` and ``high`` quality, ``metric``, ``by`` how much (positive),
        and in how many (``pictures_worse``) of how many pictures (``pictures``).
    """
    values: dict[int, dict[str, Row]] = {}
    for row in rows:
        if row["format"] == name:
            values.setdefault(row["quality"], {})[row["picture"]] = row
    found = []
    for low, high in itertools.pairwise(sorted(values)):
        for metric in metrics:
            sign = -1 if metric.larger_is_better else 1
            losses = [
                sign * (after[metric.name] - values[low][picture][metric.name])
                for picture, after in values[high].items()
                if after[metric.name] is not None
            ]
            if losses and fmean(losses) > 0:
                worse = sum(loss > 0 for loss in losses)
                found.append(
                    {"low": low, "high": high, "metric": metric.name, "by": fmean(losses)}
                    | {"pictures_worse": worse, "pictures": len(losses)}
                )
    return found


def target_sizes(
    photos: Sequence[Photo],
    targets: Sequence[float],
    options: Mapping[str, Any],
    progress: Callable[[], object] = lambda: None,
) -> list[Row]:
    """Save each picture with ``target_size``, and measure how much smaller the file is.

    Args:
        photos: the pictures.
        targets: bits per pixel; for each picture they become a whole number of bytes.
        options: further keywords of ``save``.
        progress: called after each file.

    Returns:
        A row per picture and target: ``picture``, ``target_bpp``, ``target`` and ``bytes`` of the file,
        ``below_percent`` (negative: the file is larger), and ``kept``, whether it is not larger. Where .sdz refuses a
        target as too small, ``bytes`` and ``below_percent`` are None and ``kept`` is true.
    """
    rows = []
    for photo in photos:
        for bpp in targets:
            size = max(1, int(bpp * photo.pixels / 8))
            found: int | None
            try:
                found = len(saved(photo.image, "SDZ", target_size=size, **options))
            except SdzOptionError as error:
                if error.field != "target_size":
                    raise
                found = None
            row: Row = {"picture": photo.name, "target_bpp": bpp, "target": size, "bytes": found}
            row["below_percent"] = None if found is None else 100 * (1 - found / size)
            row["kept"] = found is None or found <= size
            rows.append(row)
            progress()
    return rows


def target_summary(rows: Sequence[Row]) -> list[Row]:
    """Summarise the rows of `target_sizes` by target.

    Returns:
        A row per target: ``target_bpp``, the numbers of ``pictures``, ``refused`` and ``too_large``, and
        ``below_percent_median`` and ``below_percent_most`` (None if all were refused).
    """
    table = []
    for bpp in dict.fromkeys(row["target_bpp"] for row in rows):
        group = [row for row in rows if row["target_bpp"] == bpp]
        below = [row["below_percent"] for row in group if row["below_percent"] is not None]
        table.append(
            {
                "target_bpp": bpp,
                "pictures": len(group),
                "refused": sum(row["bytes"] is None for row in group),
                "too_large": sum(not row["kept"] for row in group),
                "below_percent_median": median(below) if below else None,
                "below_percent_most": max(below, default=None),
            }
        )
    return table
