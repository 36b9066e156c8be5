"""The benchmark over a folder, from pictures to report."""

from __future__ import annotations

import csv
import json
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from bench_samples import CODEC, write_alexnet, write_pictures
from click.testing import CliRunner, Result
from PIL import Image, features

from pillow_sdz.evaluation import metrics
from pillow_sdz.evaluation.codecs import decoded
from pillow_sdz.evaluation.sheet import CAPTION
from tools.bench import guarantees, rate_quality

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures to measure, and what is left out."""
    return write_pictures(tmp_path / "photos")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Weights of LPIPS-Alex."""
    return write_alexnet(tmp_path / "weights")


@pytest.fixture
def no_avif(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Pillow without AVIF."""
    check = features.check
    monkeypatch.setattr(features, "check", lambda name: name != "avif" and check(name))


def run(folder: Path, output: Path, *more: str) -> Result:
    arguments = [str(folder), "-o", str(output), "--formats", "jpeg,webp,avif", "--quality", "40,0"]
    arguments += ["--curve", "jpeg=30,5", "--curve", "webp=10", "--curve", "avif=20", "--repeat", "1", *more]
    return CliRunner().invoke(rate_quality.main, arguments, catch_exceptions=False)


def check_files(folder: Path, output: Path, names: list[str]) -> dict[str, Any]:
    """Check that the files of a run are there and agree; returns results.json."""
    results: dict[str, Any] = json.loads((output / "results.json").read_text())
    assert [entry["name"] for entry in results["pictures"]] == ["b.png", "more/a.png"]
    settings = {"sdz": [0, 40], "jpeg": [5, 30], "webp": [10], "avif": [20]}
    expected = [(name, quality) for name in names for quality in settings[name]]
    assert [(row["format"], row["quality"]) for row in results["rows"]] == 2 * expected
    assert [(row["format"], row["quality"]) for row in results["means"]] == expected
    for row in results["rows"]:
        with Image.open(folder / row["picture"]) as image:
            data = CODEC[row["format"]].encode(image, row["quality"])
            assert row["bytes"] == len(data)
            assert row["bpp"] == pytest.approx(8 * len(data) / (image.width * image.height))
            assert row["PSNR"] == pytest.approx(metrics.psnr(image, decoded(data)))
    for row in results["means"]:
        same = [r for r in results["rows"] if (r["format"], r["quality"]) == (row["format"], row["quality"])]
        assert row["PSNR"] == pytest.approx(fmean(r["PSNR"] for r in same))
    with (output / "means.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [{k: "" if v is None else str(v) for k, v in row.items()} for row in results["means"]] == lines
    with Image.open(output / "curves.png") as image:
        assert image.format == "PNG"
        assert len(np.unique(np.asarray(image.convert("L")))) > 20  # not an empty page
    assert results["at_sdz_bpp"][0]["PSNR"] == results["means"][0]["PSNR"]
    text = (output / "report.md").read_text()
    for row in results["at_sdz_bpp"]:
        assert f"| {row['quality']} | {row['bpp']:.3f} | {CODEC[row['format']].label} |" in text
    return results


def test_a_run(folder: Path, tmp_path: Path, weights: Path) -> None:
    if not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    output = tmp_path / "out"
    done = run(
        folder, output, "--perceptual", str(weights), "--metrics", "LPIPS-Alex,PSNR", "--targets", "0.5", "--timed", "1"
    )
    assert done.exit_code == 0, done.output
    assert "tiny.png is skipped" in done.output
    results = check_files(folder, output, ["sdz", "jpeg", "webp", "avif"])
    assert all(row["LPIPS-Alex"] > 0 for row in results["rows"])
    assert len(results["target_size"]) == 2
    timed = {row["format"]: row for row in results["speed"]["formats"]}
    assert list(timed) == ["sdz", "jpeg", "webp", "avif", "avif-default"]
    assert results["speed"]["ratios"]["avif"]["decode"] == pytest.approx(
        timed["sdz"]["decode_s_per_mp"] / timed["avif"]["decode_s_per_mp"]
    )
    assert timed["sdz"]["encode_peak_mib"] is None or timed["sdz"]["encode_peak_mib"] > timed["jpeg"]["encode_peak_mib"]
    assert 0 < results["speed"]["arithmetic"]["decode_executed_share"] < 1
    with Image.open(output / "sheets" / "more" / "a.png.png") as sheet:
        assert sheet.size == (2 * 176, 2 * (164 + CAPTION))
    assert (output / "sheets" / "b.png.png").exists()


def test_a_run_without_avif(folder: Path, tmp_path: Path, no_avif: None) -> None:
    output = tmp_path / "out"
    done = run(
        folder, output, "--metrics", "PSNR", "--targets", "", "--timed", "0", "--sheets", "1", "--axis", "linear"
    )
    assert done.exit_code == 0, done.output
    assert "AVIF is not measured" in done.stderr
    results = check_files(folder, output, ["sdz", "jpeg", "webp"])
    assert results["speed"] is None
    assert any("AVIF" in reason for reason in results["skipped"])
    assert [path.name for path in (output / "sheets").rglob("*.png")] == ["b.png.png"]


def test_a_file_above_its_target_fails_the_run(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarantees, "saved", lambda *_arguments, target_size, **_options: bytes(target_size + 1))
    more = ["--metrics", "PSNR", "--targets", "0.3", "--timed", "0", "--sheets", "0", "--limit", "1"]
    done = run(folder, tmp_path / "out", *more)
    assert done.exit_code == 1
    assert "larger than its target_size" in done.stderr


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (["--metrics", "SSIMM"], "SSIMM"),
        (["--quality", "50,101"], "0 to 100"),
        (["--quality", "high"], "separated by commas"),
        (["--curve", "gif=1"], "gif=1"),
        (["--formats", "gif"], "gif"),
    ],
)
def test_wrong_options_are_named(folder: Path, tmp_path: Path, more: list[str], problem: str) -> None:
    done = run(folder, tmp_path / "out", *more)
    assert done.exit_code == 2
    assert problem in done.stderr
    assert not (tmp_path / "out").exists()


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    done = run(tmp_path / "none", tmp_path / "out", "--metrics", "PSNR")
    assert done.exit_code == 1
    assert "no pictures" in done.stderr
