"""All numbers of a report as a JSON document."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pillow_sdz.evaluation.metrics import Metric
    from pillow_sdz.evaluation.report.comparison import Comparison, Stage

VERSION = 1
"""Version of the structure of this document."""


def document(comparisons: Sequence[Comparison], metrics: Sequence[Metric], options: dict[str, Any]) -> bytes:
    """The document in UTF-8: model, options and metrics, then each picture with its stages and channels.

    Args:
        comparisons: one or more pictures, all with the same model.
        metrics: those that were measured.
        options: those of ``sdz-convert compare``.
    """
    return json.dumps(_document(comparisons, metrics, options), indent=1, allow_nan=False).encode()


def _document(comparisons: Sequence[Comparison], metrics: Sequence[Metric], options: dict[str, Any]) -> dict[str, Any]:
    first = comparisons[0]
    return {
        "version": VERSION,
        "model": {"name": first.model, "fingerprint": first.fingerprint},
        "options": options,
        "metrics": [{"name": each.name, "larger_is_better": each.larger_is_better} for each in metrics],
        "pictures": [_picture(each) for each in comparisons],
    }


def _picture(comparison: Comparison) -> dict[str, Any]:
    picture = comparison.stages[0].picture
    return {
        "name": comparison.name,
        "width": picture.width,
        "height": picture.height,
        "stages": [_stage(stage) for stage in comparison.stages],
        "channels": [
            {
                "number": each.number, "mean": each.mean, "deviation": each.deviation, "bpp": each.bits,
                "property": each.follows or None, "correlation": each.correlation, "sentence": each.sentence,
            }
            for each in comparison.channels
        ],
        "left_out": dict(comparison.left_out),
        "notes": list(comparison.notes),
    }  # fmt: skip


def _stage(stage: Stage) -> dict[str, Any]:
    return {
        "stage": stage.key,
        "title": stage.title,
        "bytes": stage.size,
        "bpp": stage.bits_per_pixel(),
        "stored": [
            {"as": each.form, "bytes": each.size, "bpp": stage.bits_per_pixel(each.size)} for each in stage.stored
        ],
        "metrics": stage.numbers,
        "details": dict(stage.details),
    }
