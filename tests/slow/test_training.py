"""Training a small model on a few photos: stopped, resumed with the same result, exported and used."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image
from safetensors.torch import load_file
from training_setup import CONFIG, TOOLS

import pillow_sdz  # noqa: F401  registers the format
from pillow_sdz.models import registry
from tools.train import data
from tools.train.data import Photos, ResidentPhotos

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workshop")
    (folder / "photos").mkdir()
    for name in ("astronaut", "chelsea", "coffee", "rocket"):
        Image.fromarray(getattr(skimage.data, name)()).convert("RGB").save(folder / "photos" / f"{name}.png")
    (folder / "small.toml").write_text(CONFIG)
    return folder


def train(workshop: Path, run: str, *more: str, stage: str = "autoencoder") -> subprocess.Popen[bytes]:
    command = [sys.executable, str(TOOLS / "train.py"), str(workshop / "small.toml"), "--stage", stage]
    command += ["--device", "cpu", "--photos", str(workshop / "photos"), "--run", str(workshop / run), *more]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def trained(workshop: Path) -> Path:
    assert train(workshop, "whole").wait(300) == 0
    return workshop / "whole"


def test_killed_and_resumed_gives_the_same_result(workshop: Path, trained: Path) -> None:
    process = train(workshop, "killed")
    checkpoint, deadline = workshop / "killed" / "autoencoder.safetensors", time.monotonic() + 200
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    assert process.wait(60) == -signal.SIGKILL, "it was to be killed in the middle"
    assert train(workshop, "killed").wait(300) == 0
    ours, theirs = load_file(checkpoint), load_file(trained / "autoencoder.safetensors")
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        torch.testing.assert_close(tensor, theirs[name], rtol=1e-3, atol=1e-5, msg=f"{name}: {{}}".format)


def test_it_learns_and_logs(trained: Path) -> None:
    rows = [json.loads(line) for line in (trained / "autoencoder.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "l1" in row] == [5, 10, 15, 20]
    scores = [row["held_out"]["psnr"] for row in rows if "held_out" in row]  # the same pictures each time
    assert scores[-1] > scores[0] > 5


def test_second_stage_and_export_give_a_model_that_saves_and_opens(
    workshop: Path, trained: Path, astronaut: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:

    assert train(workshop, "whole", stage="denoiser").wait(300) == 0
    before = load_file(trained / "autoencoder.safetensors")
    after = load_file(trained / "denoiser.safetensors")
    assert any(not torch.equal(before[n], after[n]) for n in before if n.startswith("average.unet."))
    frozen = [n for n in before if n.startswith("average.vae.encoder.")]
    assert frozen
    assert all(torch.equal(before[n], after[n]) for n in frozen)
    assert train(workshop, "whole", stage="prior").wait(300) == 0
    rows = [json.loads(line) for line in (trained / "prior.jsonl").read_text().splitlines()]
    rates = [row["bpp"] for row in rows if "bpp" in row]
    assert len(rates) == 3
    assert rates[-1] < rates[0], "the prior is to learn"

    sources = workshop / "sources.csv"
    sources.write_text("file,source,licence\nastronaut.png,NASA,public domain\n")
    folder = workshop / "models" / "small-4"
    command = [sys.executable, str(TOOLS / "export.py"), str(trained / "prior.safetensors")]
    command += ["--photos", str(workshop / "photos"), "--sources", str(sources), "-o", str(folder), "--version", "4"]
    subprocess.run(command, check=True, timeout=300)
    monkeypatch.setenv("PILLOW_SDZ_MODELS", str(folder.parent))
    manifest = registry.find("small")
    assert {"source": "NASA", "licence": "public domain", "photos": 1} in manifest.training_data
    file = io.BytesIO()
    astronaut.save(file, "SDZ", model="small", guard=False)  # which would rather store pixels than trust this model
    with Image.open(file) as opened:
        assert (opened.info["model"], opened.info["payload"]) == ("small-4", "scalar")
        decoded = np.asarray(opened, float)
    assert decoded.shape == (512, 512, 3)
    untrained = np.abs(np.asarray(astronaut, float).mean((0, 1)) - np.asarray(astronaut, float)).mean()
    assert np.abs(decoded - np.asarray(astronaut, float)).mean() < untrained


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--stage", "nonsense"], "found 'nonsense'"),
        (["--stage", "autoencoder", "--photos", "EMPTY"], "has 0 photos"),
        (["--stage", "autoencoder", "--graph"], "cannot be a CUDA graph: bottleneck is 'palette', not 'steps'"),
    ],
)
def test_mistakes_are_named(workshop: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    given = [str(tmp_path) if argument == "EMPTY" else argument for argument in arguments]
    command = [sys.executable, str(TOOLS / "train.py"), str(workshop / "small.toml")]
    command += ["--photos", str(workshop / "photos"), "--run", str(tmp_path / "run"), *given]
    process = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert process.returncode != 0
    assert message in process.stderr


def test_photos_in_a_devices_memory_give_the_same_crops(workshop: Path) -> None:
    paths = sorted((workshop / "photos").glob("*.png"))
    ours, theirs = Photos(paths, 96, progress=False), ResidentPhotos(paths, 96, "cpu", progress=False)
    exact = 0
    for step in range(12):
        expected, found = ours.batch(5, step, 2, 2), theirs.batch(5, step, 2, 2)
        assert found.shape == (4, 3, 96, 96)
        for a, b in zip(expected, found, strict=True):
            assert float((a - b).abs().mean()) < 0.01
            exact += torch.equal(a, b)
    assert 12 <= exact < 48  # half of them are scaled


def test_photos_in_a_devices_memory_carry_text_in_the_share_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, workshop: Path
) -> None:
    monkeypatch.setattr(data, "TEXT_COPIES", 5)
    paths = sorted((workshop / "photos").glob("*.png"))
    always, never = (data.ResidentPhotos(paths, 96, "cpu", progress=False, text=share) for share in (1.0, 0.0))
    assert len(always.written) == 5
    assert not never.written
    assert not any(torch.equal(a, b) for a in always.written for b in always.planes)
    for plane in always.written:
        plane.fill_(7)
    assert float((always.batch(1, 1, 3, 1) * 255 - 7).abs().max()) < 1e-3
