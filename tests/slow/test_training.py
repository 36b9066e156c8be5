"""A stranger trains a small model on their own photos: stopped, resumed with the same result, exported and used."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

TOOLS = Path(__file__).parents[2] / "tools" / "train"
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
[model.prior]
groups = 2
wide = 16
deep = 8
[data]
held_out = 1
exclude = ["retina"]
[stages.autoencoder]
train = { encoder = 1.0, decoder = 1.0 }
bottleneck = "palette"
optimiser = "adam"
text = 0.0
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
vgg_pictures = 2
log_every = 5
save_every = 5
evaluate_every = 5
evaluate_at = 16
losses = { l1 = 1.0, ssim = 0.25 }
[stages.denoiser]
after = "autoencoder"
train = { unet = 1.0, decoder = 0.5, prior = 1.0 }
bottleneck = "steps"
optimiser = "muon"
seed = 2
steps = 4
crop = 128
photos = 1
crops = 2
text = 0.5
learning_rate = 1e-3
warmup = 1
weight_decay = 0.0
clip = 1.0
average = 0.5
code_steps = [[10.0, 30.0], [4.0, 60.0]]
rate_weight = 0.5
rate_ramp = [0, 2, 0.1]
rate_step = 20.0
rate_power = 1.0
latent_weight = 0.1
vgg_crop = 64
vgg_pictures = 1
log_every = 1
save_every = 4
evaluate_every = 4
evaluate_at = 20
losses = { l1 = 1.0, ssim = 0.25 }
[stages.prior]
after = "denoiser"
train = { prior = 1.0 }
bottleneck = "rounded"
optimiser = "adam"
seed = 3
steps = 30
crop = 128
photos = 2
crops = 1
text = 0.0
learning_rate = 1e-2
warmup = 1
weight_decay = 0.0
clip = 1.0
average = 0.5
code_steps = [[10.0, 30.0]]
vgg_crop = 64
vgg_pictures = 1
log_every = 10
save_every = 30
evaluate_every = 30
evaluate_at = 20
losses = { l1 = 1.0 }
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
    assert [row["step"] for row in rows if "l1" in row] == [5, 10, 15, 20]
    scores = [row["held_out"]["psnr"] for row in rows if "held_out" in row]  # the same pictures each time
    assert scores[-1] > scores[0] > 5


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
    assert train(workshop, "whole", stage="prior").wait(300) == 0
    rows = [json.loads(line) for line in (trained / "prior.jsonl").read_text().splitlines()]
    rates = [row["bpp"] for row in rows if "bpp" in row]
    assert len(rates) == 3
    assert rates[-1] < rates[0], "the prior is to learn"

    sources = workshop / "sources.csv"
    sources.write_text("file,source,licence\nastronaut.png,NASA,public domain\n")
    folder = workshop / "models" / "small-4"
    subprocess.run(
        [sys.executable, TOOLS / "export.py", trained / "prior.safetensors", "--photos", workshop / "photos",
         "--sources", sources, "-o", folder, "--version", "4"],
        check=True, timeout=300,
    )  # fmt: skip
    monkeypatch.setenv(registry.VARIABLE, str(folder.parent))
    manifest = registry.find("small")
    assert {"source": "NASA", "licence": "public domain", "photos": 1} in manifest.training_data
    file = io.BytesIO()
    astronaut.save(file, "SDZ", model="small")
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


def test_winograd_and_its_gradients_equal_plain_convolutions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))
    from winograd import FrozenConvolution, _Trained

    torch.manual_seed(0)
    for height, width in ((8, 8), (5, 7), (1, 3)):
        x = torch.randn(2, 6, height, width).to(memory_format=torch.channels_last).requires_grad_()
        weight = torch.randn(10, 6, 3, 3, requires_grad=True)
        plain = torch.nn.functional.conv2d(x, weight, padding=1)
        upstream = torch.randn_like(plain)
        expected = torch.autograd.grad(plain, (x, weight), upstream)
        ours = _Trained.apply(x, weight)
        torch.testing.assert_close(ours, plain, rtol=1e-3, atol=1e-4)
        for a, b in zip(torch.autograd.grad(ours, (x, weight), upstream), expected, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)
        frozen = FrozenConvolution(weight.detach())(x)
        torch.testing.assert_close(torch.autograd.grad(frozen, x, upstream)[0], expected[0], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("shape", [(20, 70), (70, 20), (16, 16)])
def test_muon_steps_are_orthogonal(monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int]) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))
    from muon import Muon, orthogonal

    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonal(torch.randn(shape)))
    assert values.min() > 0.4
    assert values.max() < 1.3
    weight, gain = torch.nn.Parameter(torch.zeros(shape)), torch.nn.Parameter(torch.zeros(5))
    optimiser = Muon([{"params": [weight, gain], "lr": 0.1}])
    weight.grad, gain.grad = torch.randn(shape), torch.ones(5)
    other = torch.nn.Parameter(torch.zeros(shape))  # of the same shape: each is made orthogonal on its own
    other.grad = 3 * weight.grad.flip(0)
    optimiser.add_param_group({"params": [other], "lr": 0.1})
    optimiser.step()
    together = Muon([{"params": [torch.nn.Parameter(torch.zeros(shape)) for _ in range(2)], "lr": 0.1}])
    for parameter, alone in zip(together.param_groups[0]["params"], (weight, other), strict=True):
        parameter.grad = alone.grad
    together.step()
    for parameter, alone in zip(together.param_groups[0]["params"], (weight, other), strict=True):
        torch.testing.assert_close(parameter.detach(), alone.detach())
    torch.testing.assert_close(gain.detach(), torch.full((5,), -0.1))
    assert 0.01 < float(weight.detach().square().mean().sqrt()) < 0.03


def test_the_prior_in_whole_numbers_agrees_with_the_trained_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bits that training counts are those that files take."""
    monkeypatch.syspath_prepend(str(TOOLS))
    from integers import prior_bytes
    from pillow_sdz.payloads.scalar import coder as scalar_coding
    from pillow_sdz.payloads.scalar.prior import Prior, PriorShape
    from prior import LatentPrior

    torch.manual_seed(0)
    trained = LatentPrior(4, groups=2, wide=16, deep=12)
    for network in trained.networks:
        for layer in network.out:
            torch.nn.init.normal_(layer.weight, 0, 0.02)
    shape = PriorShape(4, 2, 16, 12)
    rough = np.random.default_rng(0).laplace(0, 12, (48, 64, 4))
    step = 160
    targets = np.clip(rough + np.roll(rough, 1, 1), -128, 127).astype(np.float32)
    prior = Prior.from_bytes(prior_bytes(trained, shape), shape, file="prior")
    codes = torch.from_numpy(scalar_coding.quantise(targets, step, prior).astype(np.float32)) - 128
    with torch.no_grad():
        expected = float(trained(codes.permute(2, 0, 1)[None], torch.tensor([step / 16])))
        rounded = trained.quantise(torch.from_numpy(targets).permute(2, 0, 1)[None], torch.tensor([step / 16]))
    found = 8 * len(scalar_coding.encode(targets, step, prior))
    assert abs(found / expected - 1) < 0.02
    assert (rounded[0].permute(1, 2, 0) == codes).float().mean() > 0.95  # but for ties, and what follows from them


def test_training_goes_on_from_a_model_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every network comes back; blocks that a deeper configuration adds change nothing at first."""
    monkeypatch.syspath_prepend(str(TOOLS))
    from codec import Codec
    from integers import prior_bytes
    from pillow_sdz.payloads.scalar.prior import PriorShape

    settings = tomllib.loads(CONFIG)["model"]
    torch.manual_seed(0)
    before = Codec(settings)
    for parameter in before.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    for part in ("vae", "unet"):
        (tmp_path / part).mkdir()
        state = {name: tensor.contiguous() for name, tensor in before.get_submodule(part).state_dict().items()}
        save_file(state, tmp_path / part / "diffusion_pytorch_model.safetensors")
    assert before.prior is not None
    (tmp_path / "prior.i32").write_bytes(prior_bytes(before.prior, PriorShape(4, 2, 16, 8)))
    picture, noise = torch.rand(1, 3, 64, 64), torch.tensor([0.2])
    values, step = 20 * torch.randn(1, 4, 8, 8), torch.tensor([16.0])
    with torch.no_grad():
        expected = before.denoise(before.encode(picture), noise)
        bits = before.prior(values, step)

    after = Codec(settings)
    assert after.warm_start(tmp_path) == []
    deeper = Codec(settings | {"unet": settings["unet"] | {"layers_per_block": [1, 3]}})
    new = deeper.warm_start(tmp_path)
    assert new
    assert all(name.startswith(("unet.middle.1.", "unet.middle.2.")) for name in new)
    for codec in (after, deeper):
        assert codec.prior is not None
        with torch.no_grad():
            torch.testing.assert_close(codec.denoise(codec.encode(picture), noise), expected)
            torch.testing.assert_close(codec.prior(values, step), bits, rtol=1e-3, atol=0)


def test_lpips_alex_looks_where_a_phase_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))
    from losses import PictureLoss

    seen: list[torch.Tensor] = []

    class Recorder(torch.nn.Module):
        def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            seen.extend((a, b))
            return torch.zeros(len(a))

    loss = PictureLoss({"l1": 1.0}, None)
    loss.networks["lpips_alex"] = Recorder()
    original, decoded = torch.rand(2, 2, 3, 40, 48)
    for phase, window in ((None, (...,)), (torch.tensor([3, 7]), (..., slice(3, 36), slice(7, 48)))):
        seen.clear()
        loss(original, decoded, 0, torch.Generator(), phase)
        assert torch.equal(seen[0], original[window])
        assert torch.equal(seen[1], decoded[window])


def test_draws_are_uniform_and_their_phases_off_the_grid_as_often_as_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))
    from draws import draw

    generator = torch.Generator().manual_seed(0)
    stage = {"code_steps": [[2.0, 4.0], [40.0, 50.0]], "shifted": 0.5}
    drawn = [draw(torch.zeros(6, 3, 32, 48), (4, 8), stage, generator) for _ in range(800)]
    assert drawn[0].noise.shape == (6, 4, 4, 6)
    assert not torch.equal(drawn[0].noise, drawn[1].noise)
    noise = torch.stack([each.noise for each in drawn])
    assert 0 <= float(noise.min()) < 0.001 < 0.999 < float(noise.max()) < 1
    steps = torch.stack([each.steps for each in drawn])
    fine = (steps >= 2) & (steps <= 4)
    assert (fine | (steps >= 40) & (steps <= 50)).all()
    assert abs(float(fine.float().mean()) - 0.5) < 0.03
    phases = torch.stack([each.phase for each in drawn])
    assert (int(phases.min()), int(phases.max())) == (0, 7)
    assert abs(float((phases != 0).any(1).float().mean()) - 0.5 * 63 / 64) < 0.06


def test_gradients_are_clipped_and_what_is_not_finite_counts_as_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))
    from graph import clipped

    gradients = [torch.tensor([3.0, 0.0]), torch.tensor([[4.0]])]
    assert float(clipped(gradients, 10.0)) == pytest.approx(5)
    assert [g.flatten().tolist() for g in gradients] == [[3, 0], [4]]
    assert float(clipped(gradients, 1.0)) == pytest.approx(5)
    assert float(torch.cat([g.flatten() for g in gradients]).norm()) == pytest.approx(1)
    for worst in (float("nan"), float("inf")):
        gradients = [torch.tensor([3.0, worst]), torch.tensor([[4.0]])]
        assert not float(clipped(gradients, 1.0)) < float("inf")
        assert [g.flatten().tolist() for g in gradients] == [[0, 0], [0]]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({}, None),
        ({"bottleneck": "rounded"}, "bottleneck is 'rounded', not 'steps'"),
        ({"rate_ramp": [0, 1, 0.5]}, "rate_ramp is set"),
        ({"adversary": {}}, "adversary is set"),
        ({"vgg_turns": True}, "vgg_turns is not false"),
        ({"vgg_turns": True, "losses": {"dists": 1.0}}, None),
        ({"vgg_turns": ["dists"], "losses": {"dists": 1.0}}, "vgg_turns is not false"),
        ({"vgg_crop": 128}, "vgg_crop, 128, is smaller than crop, 256"),
    ],
)
def test_a_graph_says_what_it_cannot_follow(
    monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any], reason: str | None
) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))
    from graph import obstacle

    losses = {"lpips_vgg": 2.0, "dists": 1.0}
    stage = {"bottleneck": "steps", "vgg_turns": False, "vgg_crop": 256, "crop": 256, "losses": losses}
    assert obstacle(stage | changed) == reason


def test_photos_in_a_devices_memory_give_the_same_crops(monkeypatch: pytest.MonkeyPatch, workshop: Path) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))
    from data import Photos, ResidentPhotos

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
    monkeypatch.syspath_prepend(str(TOOLS))
    import data

    monkeypatch.setattr(data, "TEXT_COPIES", 5)
    paths = sorted((workshop / "photos").glob("*.png"))
    always, never = (data.ResidentPhotos(paths, 96, "cpu", progress=False, text=share) for share in (1.0, 0.0))
    assert len(always.written) == 5
    assert not never.written
    assert not any(torch.equal(a, b) for a in always.written for b in always.planes)
    for plane in always.written:
        plane.fill_(7)
    assert float((always.batch(1, 1, 3, 1) * 255 - 7).abs().max()) < 1e-3


def test_a_tint_counts_where_grain_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))
    from losses import PictureLoss

    loss = PictureLoss({"tint": 1.0}, None)
    plain = torch.full((1, 3, 64, 64), 0.5)
    grain = 0.1 * torch.randn(plain.shape, generator=torch.Generator().manual_seed(0))
    tint = torch.tensor([0.02, 0.0, 0.02])[:, None, None]
    of_grain, of_tint = (
        float(loss(plain, plain + change, 0, torch.Generator())[0]) for change in (grain, tint.expand_as(plain))
    )
    assert of_tint == pytest.approx(0.02 * 2 / 3, rel=1e-3)
    assert of_grain < of_tint


def test_lpips_vgg_and_dists_look_in_turns_or_both_or_as_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))
    from losses import PictureLoss

    class Half(torch.nn.Module):
        def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return (a - b).abs().mean((1, 2, 3))

    a, b = torch.zeros(2, 3, 32, 32), torch.full((2, 3, 32, 32), 0.5)
    listed = ["lpips_vgg", "lpips_vgg", "dists"]
    for turns, expected in ((True, [0.5, 1.0] * 2), (False, [1.5] * 4), (listed, [0.5, 0.5, 1.0, 0.5])):
        loss = PictureLoss({"l1": 0.0}, None, 16, 1)
        loss.weights |= {"lpips_vgg": 1.0, "dists": 2.0}
        loss.networks = torch.nn.ModuleDict({"lpips_vgg": Half(), "dists": Half()})
        loss.turns = turns
        assert [float(loss(a, b, step, torch.Generator())[0]) for step in range(4)] == expected
    with pytest.raises(SystemExit, match="vgg_turns names lpips_vgg, lpips_vgg, dists"):
        PictureLoss({"l1": 1.0}, None, turns=listed)


def test_a_stage_may_end_at_a_share_of_its_learning_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))
    from stages import learning_rate

    stage = {"learning_rate": 1e-3, "warmup": 10, "steps": 110}
    rates = [learning_rate(step, stage | {"final": 0.5}) for step in (0, 9, 10, 60, 110)]
    assert rates == pytest.approx([1e-4, 1e-3, 1e-3, 7.5e-4, 5e-4])
    assert learning_rate(110, stage) == pytest.approx(1e-5)


def test_the_spectrum_loss_tells_a_weave_from_texture_and_not_two_samples_of_one_texture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))
    from losses import YCBCR, spectra, spectrum_distance

    generator = torch.Generator().manual_seed(0)

    def texture() -> torch.Tensor:
        grain = torch.randn(2, 1, 128, 128, generator=generator)
        return 0.5 + 0.2 * torch.nn.functional.avg_pool2d(grain, 2, 1, 1)[..., 1:, 1:]

    one, other = (texture().expand(-1, 3, -1, -1) for _ in range(2))
    wave = (torch.arange(128) * (torch.pi / 2)).cos()
    weave = (0.5 + 0.2 * wave[:, None] * wave).expand(2, 3, -1, -1)
    assert abs(float(weave.std() / one.std()) - 1) < 0.1, "as strong as the texture"
    same, blurred, woven = (
        float(spectrum_distance(one, b)) for b in (other, torch.nn.functional.avg_pool2d(one, 3, 1, 1), weave)
    )
    assert float(spectrum_distance(one, one)) == 0
    assert same < 0.4 < blurred < woven
    tint = 0.1 * torch.randn(2, 1, 128, 128, generator=generator)
    tinted = one + tint * torch.tensor([0.0, -0.114, 0.587])[:, None, None]
    assert torch.allclose(spectra(tinted, 32)[:, 0], spectra(one, 32)[:, 0], atol=1e-3), "luma is as it was"
    assert float(spectrum_distance(one, tinted)) > 1

    white = spectra((0.05 * torch.randn(1, 3, 256, 256, generator=generator)).clamp(-1, 1), 16)
    expected = 0.05**2 * torch.tensor(YCBCR).square().sum(1)
    middle = white.unflatten(2, (16, 9))[:, :, 4:12, 2:7].exp().mean((0, 2, 3, 4, 5))
    assert ((middle / expected - 1).abs() < 0.25).all(), "power is a variance"
    bent = other.clone().requires_grad_()
    spectrum_distance(one, bent).backward()
    assert bent.grad is not None
    assert bent.grad.isfinite().all()


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


def opponent(monkeypatch: pytest.MonkeyPatch, alone: int = 0) -> Any:
    monkeypatch.syspath_prepend(str(TOOLS))
    from adversary import Adversary

    torch.manual_seed(0)
    return Adversary(4, {"share": 0.1, "alone": alone, "learning_rate": 2e-3}, "cpu")


def test_an_adversary_learns_to_tell_decoded_pictures_from_photos_and_pushes_them_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generator = torch.Generator().manual_seed(1)
    photos = torch.rand(4, 3, 32, 32, generator=generator)
    decoded, latents = torch.full_like(photos, 0.5), torch.zeros(4, 4, 4, 4)
    adversary = opponent(monkeypatch, alone=30)
    others = torch.randn(photos.shape, generator=generator)
    for _ in range(30):
        terms = adversary.learn(photos, decoded, latents)
    assert terms["told"] > 0.2
    assert not adversary.gradient(decoded, latents, others).any(), "it has no say while it learns alone"
    adversary.learn(photos, decoded, latents)
    gradient = adversary.gradient(decoded, latents, others)
    assert float(gradient.norm() / others.norm()) == pytest.approx(0.1, rel=1e-4)
    with torch.no_grad():
        before, after = (adversary.network(p, latents).mean() for p in (decoded, decoded - 0.01 * gradient))
    assert after > before


def test_an_adversary_goes_on_from_its_state(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(2)
    photos, decoded = torch.rand(2, 2, 3, 32, 32, generator=generator)
    latents = torch.zeros(2, 4, 4, 4)
    first, second = opponent(monkeypatch), opponent(monkeypatch)
    for _ in range(3):
        first.learn(photos, decoded, latents)
    second.restore({name: tensor.clone() for name, tensor in first.state().items()})
    assert first.step == second.step == 3
    assert first.learn(photos, decoded, latents) == second.learn(photos, decoded, latents)
    for one, other in zip(first.network.parameters(), second.network.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_stage_is_like_another_but_for_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))
    from stages import stage_settings

    stages = {"a": {"steps": 3, "crop": 128}, "b": {"like": "a", "steps": 4}, "c": {"like": "b", "clip": 1.0}}
    assert stage_settings(stages, "c") == {"like": "b", "steps": 4, "crop": 128, "clip": 1.0}
    with pytest.raises(SystemExit, match="no stage 'aa' in the configuration; it has a, b, c, d"):
        stage_settings(stages | {"d": {"like": "aa"}}, "d")
    tiny = tomllib.loads((TOOLS / "configs" / "tiny.toml").read_text())["stages"]
    names = {
        frozenset(stage_settings(tiny, name)) - {"like", "after", "rate_ramp", "shifted"}
        for name in ("codec", "balance")
    }
    assert len(names) == 1, "nothing is lost on the way"
    with_, without = (stage_settings(tiny, name) | {"like": ""} for name in ("with_unet", "without_unet"))
    assert with_ == without | {"train": {"decoder": 1.0, "unet": 1.0}}, "a fair comparison"


def test_what_the_unet_is_worth_is_measured_on_the_same_codes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))
    from click.testing import CliRunner

    import unet_gain
    from codec import Average, Codec, save_checkpoint

    for name in ("LPIPS", "DISTS"):  # their weights are not here
        monkeypatch.setattr(unet_gain, name, lambda *_: lambda a, b: (a - b).abs().mean())
    settings = tomllib.loads(CONFIG)
    stages = {"with": {"train": {"decoder": 1.0, "unet": 1.0}}, "without": {"train": {"decoder": 1.0}}}
    paths = [tmp_path / f"{name}.safetensors" for name in stages]
    torch.manual_seed(0)
    codec = Codec(settings["model"])
    for parameter in codec.unet.conv_out.parameters():
        parameter.data += 1  # at its start it is the identity
    optimiser = torch.optim.SGD(codec.parameters(), 0.1)
    for path in paths:
        meta = {"step": 1, "stage": path.stem, "config": settings | {"stages": stages}}
        save_checkpoint(path, codec, Average(codec, 0.9), optimiser, None, meta)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(tmp_path / "a.png")
    Image.new("RGB", (64, 64), "teal").save(tmp_path / "b.png")
    options = ["--photos", str(tmp_path), "--perceptual", str(tmp_path), "--steps", "16,64"]

    result = CliRunner().invoke(unet_gain.main, [*map(str, paths), *options])
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.output.splitlines()[-2:]]
    assert [float(row[0]) for row in rows] == [16, 64]
    for row in rows:
        with_, without, gain = (float(number) for number in row[2:5])
        assert with_ != without
        assert gain == pytest.approx(100 * (1 - with_ / without), abs=0.1)

    result = CliRunner().invoke(unet_gain.main, [*map(str, paths), *options, "--all", "--crop", "32"])
    assert result.exit_code == 0, result.output
    both = [line.split() for line in result.output.splitlines()[-2:]]
    assert all(every[1:3] != held_out[1:3] for every, held_out in zip(both, rows, strict=True)), "other photos"

    next(codec.vae.encoder.parameters()).data += 1
    save_checkpoint(paths[1], codec, Average(codec, 0.9), optimiser, None, meta)
    result = CliRunner().invoke(unet_gain.main, [*map(str, paths), *options])
    assert result.exit_code == 2
    assert "different encoders" in result.output
