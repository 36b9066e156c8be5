"""A stranger trains a small model on their own photos: stopped, resumed with the same result, exported and used."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

TOOLS = Path(__file__).parent.parent / "tools" / "train"
CONFIG = """
[model]
name = "small"
version = 3
latent_bound = 3.0
[model.vae]
latent_channels = 4
encoder_block_types = "ResBlock"
decoder_block_types = "ResBlock"
encoder_block_out_channels = [8, 16, 32, 64]
decoder_block_out_channels = [8, 16, 32, 64]
encoder_layers_per_block = [0, 1, 1, 1]
decoder_layers_per_block = [0, 1, 1, 1]
encoder_qkv_multiscales = [[], [], [], []]
decoder_qkv_multiscales = [[], [], [], []]
upsample_block_type = "pixel_shuffle"
downsample_block_type = "pixel_unshuffle"
[model.unet]
in_channels = 4
block_out_channels = [8, 12]
layers_per_block = [1, 1]
time_channels = 8
[data]
held_out = 1
exclude = ["retina"]
[stages.autoencoder]
train = { encoder = 1.0, decoder = 1.0 }
seed = 1
steps = 20
crop = 128
photos = 1
crops = 2
learning_rate = 1e-3
warmup = 3
weight_decay = 0.0
clip = 1.0
average = 0.9
clean = 0.3
noise = 0.3
noise_most = 0.3
entries = [8, 64]
vgg_crop = 64
log_every = 5
evaluate_every = 5
losses = { l1 = 1.0, ssim = 0.25 }
[stages.denoiser]
after = "autoencoder"
train = { unet = 1.0, decoder = 0.5 }
seed = 2
steps = 4
crop = 128
photos = 1
crops = 2
learning_rate = 1e-3
warmup = 1
weight_decay = 0.0
clip = 1.0
average = 0.5
clean = 0.0
noise = 0.0
noise_most = 0.3
entries = [8, 64]
latent_weight = 0.1
vgg_crop = 64
log_every = 1
evaluate_every = 4
losses = { l1 = 1.0, ssim = 0.25 }
"""


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import skimage.data

    folder = tmp_path_factory.mktemp("workshop")
    (folder / "photos").mkdir()
    for name in ("astronaut", "chelsea", "coffee", "rocket"):
        Image.fromarray(getattr(skimage.data, name)()).convert("RGB").save(folder / "photos" / f"{name}.png")
    (folder / "small.toml").write_text(CONFIG)
    return folder


def train(workshop: Path, run: str, *more: str, stage: str = "autoencoder") -> subprocess.Popen[bytes]:
    command = [sys.executable, TOOLS / "train.py", workshop / "small.toml", "--stage", stage, "--device", "cpu",
               "--photos", workshop / "photos", "--run", workshop / run, *more]  # fmt: skip
    return subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)


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
        torch.testing.assert_close(
            tensor, theirs[name], rtol=1e-3, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}"
        )


def test_it_learns_and_logs(trained: Path) -> None:
    rows = [json.loads(line) for line in (trained / "autoencoder.jsonl").read_text().splitlines()]
    losses = [row["l1"] for row in rows if "l1" in row]
    assert [row["step"] for row in rows if "l1" in row] == [5, 10, 15, 20]
    assert losses[-1] < losses[0]
    assert all(row["held_out"]["psnr"] > 5 for row in rows if "held_out" in row)


def test_second_stage_and_export_give_a_model_that_saves_and_opens(
    workshop: Path, trained: Path, astronaut: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pillow_sdz  # noqa: F401  registers the format
    from pillow_sdz.models import registry

    assert train(workshop, "whole", stage="denoiser").wait(300) == 0
    before = load_file(trained / "autoencoder.safetensors")
    after = load_file(trained / "denoiser.safetensors")
    assert any(not torch.equal(before[n], after[n]) for n in before if n.startswith("average.unet."))
    frozen = [n for n in before if n.startswith("average.vae.encoder.")]
    assert frozen
    assert all(torch.equal(before[n], after[n]) for n in frozen)

    sources = workshop / "sources.csv"
    sources.write_text("file,source,licence\nastronaut.png,NASA,public domain\n")
    folder = workshop / "models" / "small-3"
    subprocess.run(
        [sys.executable, TOOLS / "export.py", trained / "denoiser.safetensors", "--photos", workshop / "photos",
         "--sources", sources, "-o", folder],
        check=True, timeout=300,
    )  # fmt: skip
    monkeypatch.setenv(registry.VARIABLE, str(folder.parent))
    manifest = registry.find("small")
    assert {"source": "NASA", "licence": "public domain", "photos": 1} in manifest.training_data
    file = io.BytesIO()
    astronaut.save(file, "SDZ", model="small")
    with Image.open(file) as opened:
        assert opened.info["model"] == "small-3"
        decoded = np.asarray(opened, float)
    assert decoded.shape == (512, 512, 3)
    untrained = np.abs(np.asarray(astronaut, float).mean((0, 1)) - np.asarray(astronaut, float)).mean()
    assert np.abs(decoded - np.asarray(astronaut, float)).mean() < untrained


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--stage", "nonsense"], "found 'nonsense'"), (["--stage", "autoencoder", "--photos", "EMPTY"], "has 0 photos")],
)
def test_mistakes_are_named(workshop: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    given = [str(tmp_path) if argument == "EMPTY" else argument for argument in arguments]
    command = [sys.executable, str(TOOLS / "train.py"), str(workshop / "small.toml")]
    command += ["--photos", str(workshop / "photos"), "--run", str(tmp_path / "run"), *given]
    process = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert process.returncode != 0
    assert message in process.stderr


def test_fast_operations_equal_plain_autograd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))
    from fast import _RmsNorm, unit_distance

    torch.manual_seed(0)
    x = torch.randn(2, 5, 7, 12, requires_grad=True)
    weight, bias = torch.randn(12, requires_grad=True), torch.randn(12, requires_grad=True)
    plain = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5) * weight + bias
    ours = _RmsNorm.apply(x, weight, bias, 1e-5)
    torch.testing.assert_close(ours, plain)
    upstream = torch.randn_like(plain)
    for a, b in zip(*(torch.autograd.grad(y, (x, weight, bias), upstream) for y in (ours, plain)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)

    reference, features = torch.rand(2, 6, 4, 5), torch.rand(2, 6, 4, 5, requires_grad=True)
    head = torch.rand(1, 6, 1, 1)
    units = [t / (t.square().sum(1, keepdim=True).sqrt() + 1e-2) for t in (reference, features)]
    plain = ((units[0] - units[1]).square() * head).sum(1).mean((1, 2))
    ours = unit_distance(reference, features, head)
    torch.testing.assert_close(ours, plain)
    scale = torch.tensor([1.0, -2.0])
    grads = [torch.autograd.grad(y, features, scale)[0] for y in (ours, plain)]
    torch.testing.assert_close(grads[0], grads[1], rtol=1e-3, atol=1e-6)
