"""The arithmetic of `rate_quality`: means, interpolation and guarantees; and the tables that show them."""

from __future__ import annotations

import doctest
import math
from typing import TYPE_CHECKING

import pytest
from bench_samples import picture

from pillow_sdz.evaluation import metrics
from pillow_sdz.evaluation.metrics import Metric
from tools.bench import curves, guarantees, tables
from tools.bench.photos import Photo

if TYPE_CHECKING:
    from types import ModuleType


@pytest.mark.parametrize("module", [curves, tables])
def test_examples(module: ModuleType) -> None:
    result = doctest.testmod(module)
    assert result.attempted
    assert not result.failed


def test_interpolation_is_linear_in_the_logarithm_and_never_extrapolates() -> None:
    curve = [(0.4, 3.0), (0.1, 1.0), (0.2, None), (1.6, 9.0)]
    assert curves.interpolated(curve, 0.1) == 1
    assert curves.interpolated(curve, 0.2) == pytest.approx(2)  # as if the point without a value were not there
    assert curves.interpolated(curve, 0.8) == pytest.approx(6)
    assert curves.interpolated(curve, 1.6) == 9
    assert curves.interpolated(curve, 0.0999) is None
    assert curves.interpolated(curve, 1.61) is None
    assert curves.interpolated([], 1) is None


def test_interpolation_with_two_settings_of_one_rate() -> None:
    curve = [(0.1, 1.0), (0.2, 5.0), (0.2, 3.0), (0.4, 7.0)]
    assert curves.interpolated(curve, math.sqrt(0.02)) == pytest.approx(2)
    assert curves.interpolated(curve, math.sqrt(0.08)) == pytest.approx(6)


def test_means_leave_out_what_was_not_measured() -> None:
    rows = [
        {"format": "sdz", "quality": 10, "bpp": 0.1, "m": None},
        {"format": "sdz", "quality": 5, "bpp": 1.0, "m": None},
        {"format": "sdz", "quality": 10, "bpp": 0.3, "m": 4.0},
    ]
    assert curves.means(rows, ["bpp", "m"]) == [
        {"format": "sdz", "quality": 10, "pictures": 2, "bpp": 0.2, "m": 4.0},
        {"format": "sdz", "quality": 5, "pictures": 1, "bpp": 1.0, "m": None},
    ]


def test_equal_bytes_reads_the_other_curves_at_the_rate_of_each_quality() -> None:
    averages = [
        {"format": "sdz", "quality": 0, "bpp": 0.05, "m": 1.0},
        {"format": "sdz", "quality": 50, "bpp": 0.2, "m": 2.0},
        {"format": "jpeg", "quality": 1, "bpp": 0.1, "m": 10.0},
        {"format": "jpeg", "quality": 9, "bpp": 0.4, "m": 30.0},
    ]
    rows = curves.at_equal_bytes(averages, ["m"])
    assert [(r["quality"], r["format"], r["m"]) for r in rows] == [
        (0, "sdz", 1.0),
        (0, "jpeg", None),
        (50, "sdz", 2.0),
        (50, "jpeg", pytest.approx(20.0)),
    ]
    text = tables.equal_bytes(rows, {"sdz": ".sdz", "jpeg": "JPEG"}, [Metric("m", True, metrics.psnr)])
    assert "| 50 | 0.200 | JPEG | **20.0000** |" in text
    assert "| 50 | 0.200 | .sdz | 2.0000 |" in text
    assert "| 0 | 0.050 | JPEG | – |" in text


def test_worse_neighbours_are_found_whether_higher_or_lower_is_better() -> None:
    loss, score = Metric("loss", False, metrics.psnr), Metric("score", True, metrics.psnr)
    values = {
        ("a", 0): (5, 10),
        ("b", 0): (5, 10),
        ("a", 50): (4, 9),
        ("b", 50): (7, 13),
        ("a", 60): (3, 9),
        ("b", 60): (3, 9),
    }
    rows = [
        {"picture": name, "format": "sdz", "quality": quality, "loss": low, "score": high}
        for (name, quality), (low, high) in reversed(values.items())
    ]
    rows.append({"picture": "a", "format": "jpeg", "quality": 55, "loss": 99, "score": 0})
    assert guarantees.worse_neighbours(rows, [loss, score]) == [
        {"low": 0, "high": 50, "metric": "loss", "by": 0.5, "pictures_worse": 1, "pictures": 2},
        {"low": 50, "high": 60, "metric": "score", "by": 2, "pictures_worse": 1, "pictures": 2},
    ]


@pytest.mark.parametrize("worse", [True, False])
def test_the_report_says_which_neighbours_get_worse(worse: bool) -> None:
    metric = Metric("LPIPS-Alex", False, metrics.psnr)
    rows = [
        {"picture": "a", "format": "sdz", "quality": quality, "bpp": quality / 100, "LPIPS-Alex": value}
        for quality, value in ((10, 0.3), (20, 0.4 if worse else 0.2))
    ]
    results = {
        "means": curves.means(rows, ["bpp", "LPIPS-Alex"]),
        "worse_neighbours": guarantees.worse_neighbours(rows, [metric]),
    }
    text = tables.qualities(results, [metric])
    assert ("| 10 | 20 | LPIPS-Alex | 0.1 | 1 of 1 |" in text) == worse
    assert ("No quality is worse than the one below it on LPIPS-Alex." in text) != worse


def test_files_above_their_target_size_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarantees, "saved", lambda *_arguments, target_size, **_options: bytes(target_size + 1))
    rows = guarantees.target_sizes([Photo("a", picture())], [0.5], {})
    assert not rows[0]["kept"]
    assert "**1 files are larger" in tables.targets(guarantees.target_summary(rows))
