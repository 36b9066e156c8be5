"""The benchmarks but for the one over a folder: sheets, guarantees, operations, memory, and a large checkpoint."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sd_checkpoints
from bench_samples import CODEC, picture
from click.testing import CliRunner
from PIL import Image

from pillow_sdz import options
from pillow_sdz.evaluation.sheet import CAPTION, sheet
from pillow_sdz.models import registry
from pillow_sdz.models.diffusion.denoise import UNetAdapter
from pillow_sdz.models.networks.autoencoder import Autoencoder
from tools.bench import (
    bench_device,
    bench_stable_diffusion,
    compare_sheet,
    costs,
    details,
    guarantees,
    resources,
    tables,
)
from tools.bench.photos import Photo


def test_a_sheet_has_every_piece_and_no_file_is_above_the_sdz() -> None:
    image = picture(176, 164)
    pieces = compare_sheet.at_equal_bytes(image, CODEC["sdz"], [CODEC["webp"], CODEC["jpeg"]], 40)
    size = len(CODEC["sdz"].encode(image, 40))
    captions = list(pieces)
    assert captions[0] == "original"
    assert captions[1] == f".sdz, {8 * size / (176 * 164):.3f} bpp, {size:,} bytes"
    for caption in captions[2:]:
        count = int(caption.split(" bytes")[0].rsplit(" ", 1)[1].replace(",", ""))
        assert (count > size) == caption.endswith("x the bytes")
    rows = compare_sheet.wrapped(pieces)
    assert [len(row) for row in rows] == [2, 2]
    whole = sheet(rows)
    assert whole.size == (2 * 176, 2 * (164 + CAPTION))
    assert whole.crop((0, CAPTION, 176, CAPTION + 164)).tobytes() == image.tobytes()


def test_compare_sheet(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.png")
    arguments = [str(tmp_path / "a.png"), "-o", str(tmp_path / "sheet.png"), "--formats", "webp", "--quality", "0"]
    arguments += ["--crop", "0,0,40,30", "--scale", "2"]
    result = CliRunner().invoke(compare_sheet.main, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    with Image.open(tmp_path / "sheet.png") as written:
        assert written.size == (3 * 80, 60 + CAPTION)


def test_target_sizes_are_checked() -> None:
    photo = Photo("a", picture())
    rows = guarantees.target_sizes([photo], [0.01, 0.5], {"model": "tiny"})
    assert [row["target"] for row in rows] == [9, 480]
    assert rows[0]["bytes"] is None  # no .sdz is so small
    assert 0 < rows[1]["bytes"] <= 480
    assert rows[1]["below_percent"] == pytest.approx(100 * (1 - rows[1]["bytes"] / 480))
    summary = guarantees.target_summary(rows)
    assert [(row["refused"], row["too_large"]) for row in summary] == [(1, 0), (0, 0)]
    assert "No file is larger" in tables.targets(summary)


def test_operations_are_counted_as_computed_and_as_defined() -> None:
    model, photo = registry.load(registry.find("tiny"), "cpu"), Photo("a", picture())
    computed, defined = costs.flops(model, photo), costs.flops(costs.unoptimised(model), photo)
    for name in ("encode", "decode"):
        assert 0 < computed[name] <= defined[name]
    assert isinstance(model.vae, Autoencoder)
    first = model.vae.encoder.conv_in.get_parameter("conv.weight")
    assert defined["encode"] > 2 * 96 * 80 * first.numel()  # the first layer's own


def test_a_conditioned_unet_is_rebuilt_for_counting_operations_too() -> None:
    model = registry.load(registry.find("tiny"), "cpu")
    unet: Any = model.unet
    conditioned = dataclasses.replace(model, unet=UNetAdapter(unet, None, None))
    photo = Photo("a", picture())
    assert costs.flops(costs.unoptimised(conditioned), photo) == costs.flops(costs.unoptimised(model), photo)


def test_peak_memory_is_that_of_the_process_alone() -> None:
    before = resources.peak_memory()
    if before is None:
        pytest.skip("this system does not say")
    block = np.ones(200 << 20, np.uint8)
    peak = resources.peak_memory()
    assert peak is not None
    assert peak >= 200
    found = resources.peak_memory_of(CODEC["jpeg"], picture(), 20)
    assert block.all()
    assert found.keys() == {"encode", "decode"}
    for value in (resources.base_peak_memory(picture()), *found.values()):
        assert value is not None
        assert 5 < value < 200


def test_a_large_checkpoint_is_measured_beside_the_shipped_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command as it stands, with a checkpoint in miniature."""
    monkeypatch.setenv("PILLOW_SDZ_MODELS", "")  # the command sets it; this puts it back
    monkeypatch.setattr(bench_stable_diffusion, "VAE", sd_checkpoints.VAE)
    monkeypatch.setattr(bench_stable_diffusion, "UNET", {**sd_checkpoints.UNET, "cross_attention_dim": 32})
    small = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    monkeypatch.setattr(bench_stable_diffusion, "TEXT", {**bench_stable_diffusion.TEXT, **small})
    result = CliRunner().invoke(bench_stable_diffusion.main, ["--side", "128"], catch_exceptions=False)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].startswith("128x128 pixels")
    assert lines[1].split() == ["tiny", "full-size", "ratio"]
    rows = [line.rsplit(maxsplit=3) for line in lines[2:8]]
    for label, shipped, large, ratio in rows:
        a, b = (float(text.replace(",", "")) for text in (shipped, large))
        assert a > 0, label
        assert float(ratio) == pytest.approx(b / a, rel=0.2, abs=0.06)
    assert [row[0].split(",")[0] for row in rows] == ["encode"] * 3 + ["decode"] * 3
    assert all(int(text.replace(",", "")) > 200 for text in lines[8].split()[-2:])


def test_the_large_checkpoint_is_measured_in_the_number_type_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str | None] = []

    def fake_seconds(_action: object, _repeat: int) -> float:
        seen.append(options.decode.dtype)
        return 1.0

    monkeypatch.setattr(options.decode, "dtype", None)
    monkeypatch.setattr(bench_stable_diffusion, "seconds", fake_seconds)
    (tmp_path / "a.sdz").write_bytes(b"")
    bench_stable_diffusion.work("decode", "tiny", 64, "float16", None, tmp_path / "a.sdz")
    assert seen == ["float16"] * 2


def test_a_device_is_compared_with_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_device, "accelerator", lambda: None)
    result = CliRunner().invoke(bench_device.main, [], catch_exceptions=False)
    assert result.exit_code == 0
    assert "no accelerator" in result.output
    arguments = ["--device", "cpu", "--sides", "64", "--repeat", "1"]  # the CPU in place of an accelerator
    lines = CliRunner().invoke(bench_device.main, arguments, catch_exceptions=False).output.splitlines()
    assert lines[1] == "  codes identical"
    assert [line.split()[:2] for line in lines[2:]] == [["cpu", dtype] for dtype in ("float32", *options.DTYPES)]
    assert lines[3].split()[4] == "0", "the same number type on the same device"
    assert all(0 <= int(line.split()[4]) <= 8 for line in lines[2:])


def test_words_can_be_read_before_they_are_coded() -> None:
    chosen = list(details.words())
    assert len(chosen) == 200
    assert {word.size for word in chosen} == {12, 16, 20, 28}
    again = next(details.words())
    assert again.picture.tobytes() == chosen[0].picture.tobytes(), "the set is fixed"
    found = list(details.lattices())
    assert len({name for name, _ in found}) == 20
    assert all(picture.size == (256, 256) for _, picture in found)
    if shutil.which("tesseract") is None:
        pytest.skip("tesseract is not installed")
    for word in chosen[::40]:
        assert word.wrong_characters(word.picture) == 0
        assert word.wrong_characters(Image.new("RGB", word.picture.size)) > 0.5


def test_edit_distance() -> None:
    for a, b, distance in (("", "abc", 3), ("kitten", "sitting", 3), ("garden", "garden", 0)):
        assert details.levenshtein(a, b) == distance


def test_cold_start() -> None:
    script = Path(__file__).parents[2] / "tools" / "bench" / "bench_cold_start.py"
    process = subprocess.run([sys.executable, str(script), "--runs", "1"], check=True, capture_output=True, text=True)
    lines = [line.strip() for line in process.stdout.splitlines()]
    for start in (
        "sum of -X importtime",
        "import torch ",
        "first picture",
        "phases with onnx",
        "a session",
        "phases with torch",
        "layout for inference",
    ):
        assert any(line.startswith(start) for line in lines), start
