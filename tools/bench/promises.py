"""Two promises of .sdz, checked: a higher quality is not worse, and a target size is kept."""

from __future__ import annotations

import itertools
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from pillow_sdz.errors import SdzOptionError
from pillow_sdz.evaluation.codecs import saved

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from curves import Row
    from photos import Photo
    from pillow_sdz.evaluation.metrics import Metric


def worse_neighbours(rows: Sequence[Row], metrics: Sequence[Metric], form: str = "sdz") -> list[Row]:
    """Pairs of neighbouring rungs of which the higher has a worse mean.

    Args:
        rows: measurements of every picture; those of other formats are ignored.
        metrics: what to compare.
        form: whose ladder.

    Returns:
        For each pair and metric that gets worse: low and high quality, metric, by how much (always positive), and for
        how many of how many pictures.
    """
    values: dict[int, dict[str, Row]] = {}
    for row in rows:
        if row["format"] == form:
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
    """Save each picture with ``target_size`` and measure how far below the file stays.

    Args:
        photos: the pictures.
        targets: bits per pixel, turned into whole bytes for each picture.
        options: further options of ``save``.
        progress: called after each file.

    Returns:
        picture, target and found bytes, how far below in percent (negative: above), and whether the promise was kept.
        A target that .sdz refuses as too small has None for found, and counts as kept: no file is too large.
    """
    rows = []
    for photo in photos:
        for bpp in targets:
            size = max(1, int(bpp * photo.pixels / 8))
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
    """Per target: pictures, refused, too large, and how far below (median and most, in percent)."""
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
