"""The model in training: its prior in whole numbers, its start from a model folder, and what its U-Net improves."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import save_file
from training_setup import CONFIG

from pillow_sdz.payloads.scalar import encoder as scalar_coder
from pillow_sdz.payloads.scalar.prior import Prior, PriorShape
from tools.train import unet_gain
from tools.train.checkpoint import save_checkpoint
from tools.train.model import Average, TrainableModel
from tools.train.prior import LatentPrior
from tools.train.prior_file import prior_bytes

if TYPE_CHECKING:
    from pathlib import Path


def test_the_prior_in_whole_numbers_agrees_with_the_trained_one() -> None:
    """The bits that training counts are those that files take."""
    torch.manual_seed(0)
    shape = PriorShape(4, 2, 16, 12)
    trained = LatentPrior(shape)
    for network in trained.pass_networks():
        for _, layer in network.group_layers():
            torch.nn.init.normal_(layer.weight, 0, 0.02)
    rough = np.random.default_rng(0).laplace(0, 12, (48, 64, 4))
    step = 160
    targets = np.clip(rough + np.roll(rough, 1, 1), -128, 127).astype(np.float32)
    prior = Prior.from_bytes(prior_bytes(trained), shape)
    codes = torch.from_numpy(scalar_coder.quantise(targets, step, prior).astype(np.float32)) - 128
    with torch.no_grad():
        expected = float(trained(codes.permute(2, 0, 1)[None], torch.tensor([step / 16])))
        rounded = trained.quantise(torch.from_numpy(targets).permute(2, 0, 1)[None], torch.tensor([step / 16]))
    found = 8 * sum(map(len, scalar_coder.encode(targets, step, prior)))
    assert abs(found / expected - 1) < 0.02
    assert (rounded[0].permute(1, 2, 0) == codes).float().mean() > 0.95  # but for ties, and what follows from them


def test_training_goes_on_from_a_model_folder(tmp_path: Path) -> None:
    """Every network comes back; blocks that a deeper configuration adds change nothing at first."""
    settings = tomllib.loads(CONFIG)["model"]
    torch.manual_seed(0)
    before = TrainableModel(settings)
    for parameter in before.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    for part in ("vae", "unet"):
        (tmp_path / part).mkdir()
        state = {name: tensor.contiguous() for name, tensor in before.get_submodule(part).state_dict().items()}
        save_file(state, tmp_path / part / "diffusion_pytorch_model.safetensors")
    assert before.prior is not None
    (tmp_path / "prior.i32").write_bytes(prior_bytes(before.prior))
    picture, noise = torch.rand(1, 3, 64, 64), torch.tensor([0.2])
    values, step = 20 * torch.randn(1, 4, 8, 8), torch.tensor([16.0])
    with torch.no_grad():
        expected = before.denoise(before.encode(picture), noise)
        bits = before.prior(values, step)

    after = TrainableModel(settings)
    assert after.warm_start(tmp_path) == []
    deeper = TrainableModel(settings | {"unet": settings["unet"] | {"layers_per_block": [1, 3]}})
    new = deeper.warm_start(tmp_path)
    assert new
    assert all(name.startswith(("unet.middle.1.", "unet.middle.2.")) for name in new)
    deep_encoder = TrainableModel(settings | {"vae": settings["vae"] | {"encoder_layers_per_block": [0, 2, 3, 1]}})
    new = deep_encoder.warm_start(tmp_path)
    numbers = {tuple(int(part) for part in name.split(".")[3:5]) for name in new}
    assert numbers == {(1, 1), (2, 1), (2, 2)}, "the convolution that comes last at a resolution is loaded, too"
    for model in (after, deeper, deep_encoder):
        assert model.prior is not None
        with torch.no_grad():
            torch.testing.assert_close(model.denoise(model.encode(picture), noise), expected)
            torch.testing.assert_close(model.prior(values, step), bits, rtol=1e-3, atol=0)


def test_what_the_unet_is_worth_is_measured_on_the_same_codes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LPIPS", "DISTS"):  # their weights are not here
        monkeypatch.setattr(unet_gain, name, lambda *_: lambda a, b: (a - b).abs().mean())
    settings = tomllib.loads(CONFIG)
    stages = {
        "with": {"train": {"decoder": 1.0, "unet": 1.0}},
        "without": {"train": {"decoder": 1.0}, "denoise": False},
    }
    paths = [tmp_path / f"{name}.safetensors" for name in stages]
    torch.manual_seed(0)
    model = TrainableModel(settings["model"])
    for parameter in model.unet.conv_out.parameters():
        parameter.data += 1  # at its start it is the identity
    optimiser = torch.optim.SGD(model.parameters(), 0.1)
    for path in paths:
        meta = {"step": 1, "stage": path.stem, "config": settings | {"stages": stages}}
        save_checkpoint(path, model, Average(model, 0.9), optimiser, None, meta)
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

    next(model.vae.encoder.parameters()).data += 1
    save_checkpoint(paths[1], model, Average(model, 0.9), optimiser, None, meta)
    result = CliRunner().invoke(unet_gain.main, [*map(str, paths), *options])
    assert result.exit_code == 2
    assert "different encoders" in result.output
