"""Metrics of image quality: their values, and what they need."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

import pytest
from bench_samples import CODEC, picture, write_alexnet
from PIL import Image

from pillow_sdz.evaluation import metrics
from pillow_sdz.evaluation.codecs import decoded

if TYPE_CHECKING:
    from pathlib import Path

    from pillow_sdz.evaluation.metrics import Metric


def measured(metric: Metric, original: Image.Image, other: Image.Image) -> float:
    """The metric of pictures that are large enough for it."""
    value = metric.measure(original, other)
    assert value is not None
    return value


def test_psnr() -> None:
    black, grey = Image.new("RGB", (4, 4)), Image.new("RGB", (4, 4), (51, 51, 51))
    assert metrics.psnr(black, grey) == pytest.approx(20 * math.log10(5))
    assert metrics.psnr(black, black) == metrics.HIGHEST_PSNR


def test_ms_ssim_leaves_out_small_pictures() -> None:
    pytest.importorskip("pytorch_msssim")
    ((metric,), skipped) = metrics.available(["MS-SSIM"])
    assert not skipped
    assert metric.measure(picture(400, 160), picture(400, 160)) is None
    image = picture(161, 161)
    assert metric.measure(image, image) == pytest.approx(1)
    assert measured(metric, image, picture(161, 161, 2)) < 0.9


def test_ssimulacra2() -> None:
    pytest.importorskip("ssimulacra2")
    ((metric,), _) = metrics.available(["SSIMULACRA2"])
    image = picture()
    good, bad = (decoded(CODEC["jpeg"].encode(image, quality)) for quality in (95, 10))
    assert measured(metric, image, bad) < measured(metric, image, good) < 100


def test_missing_packages_and_weights_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pytorch_msssim", None)
    monkeypatch.setitem(sys.modules, "ssimulacra2", None)
    found, skipped = metrics.available(metrics.NAMES)
    assert [metric.name for metric in found] == ["PSNR"]
    assert "pip install pytorch-msssim" in "".join(skipped)
    assert "pip install ssimulacra2" in "".join(skipped)
    assert sum("--perceptual" in reason for reason in skipped) == 3
    _, skipped = metrics.available(["DISTS"], tmp_path)
    assert "lpips_vgg.npz" in skipped[0]
    with pytest.raises(ValueError, match="SSIMM"):
        metrics.available(["SSIMM"])


def test_a_network_metric(tmp_path: Path) -> None:
    weights = write_alexnet(tmp_path / "weights")
    found, skipped = metrics.available(["LPIPS-Alex", "LPIPS-VGG"], weights)
    assert [metric.name for metric in found] == ["LPIPS-Alex"]
    assert len(skipped) == 1
    image = picture()
    assert found[0].measure(image, image) == 0
    assert measured(found[0], image, picture(seed=3)) > 0
