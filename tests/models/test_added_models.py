"""Added models compute what diffusers computes; models whose files were changed since are refused."""

from __future__ import annotations

import dataclasses
import json
import shlex
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import sd_checkpoints as sd
import torch
from diffusers import AutoencoderKL, PNDMScheduler, UNet2DConditionModel
from PIL import Image
from safetensors.torch import save_file

from pillow_sdz.errors import SdzModelError
from pillow_sdz.models import registry
from pillow_sdz.models.checkpoints import single_file
from pillow_sdz.models.checkpoints.add import add_model
from pillow_sdz.models.checkpoints.checkpoint import NETWORK_STEM
from pillow_sdz.models.diffusers_parts import build
from pillow_sdz.models.diffusion.denoise import Noise, UNetAdapter, denoise
from pillow_sdz.models.loading import load_scheduler
from pillow_sdz.models.weights import adopt

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def by_hand(pipeline: Path, codes: NDArray[np.uint8], first: int) -> NDArray[np.uint8]:
    """Decode codes with diffusers alone: PNDM at timesteps ``first`` and ``first`` / 2 (twice), down to 0."""
    vae = AutoencoderKL.from_pretrained(pipeline / "vae")
    unet = UNet2DConditionModel.from_pretrained(pipeline / "unet")
    with torch.no_grad():
        prompt = sd.make_text_encoder()(torch.tensor([sd.EMPTY_PROMPT]))[0]
        latent = (torch.from_numpy(codes).float() - 127.5).permute(2, 0, 1)[None] * 0.18215 * 0.18215
        scheduler = PNDMScheduler(**{k: v for k, v in sd.SCHEDULE.items() if k != "clip_sample"}, skip_prk_steps=True)
        scheduler.set_timesteps(1000 * 2 // first)
        sample = latent * scheduler.alphas_cumprod[first] ** 0.5
        for timestep in (first, first // 2, first // 2):
            noise = unet(sample, timestep, encoder_hidden_states=prompt).sample
            sample = scheduler.step(noise, timestep, sample).prev_sample
        latent = sample / scheduler.alphas_cumprod[0] ** 0.5 / 0.18215
        rgb = vae.decode(latent).sample
    pixels: NDArray[np.float32] = rgb[0].permute(1, 2, 0).numpy() * 127.5 + 127.5
    return pixels.round().clip(0, 255).astype(np.uint8)


def test_each_stage_equals_diffusers_own(pipeline: Path, models: Path, picture: Image.Image) -> None:
    manifest, notes = add_model("sd15", pipeline)
    assert not notes
    assert (manifest.codes.step, manifest.latent_scaling, manifest.codes.factor) == (0.18215, 0.18215, 8)
    model = registry.load(manifest, "cpu")
    rgb = np.asarray(picture)[:64, :80]
    vae = AutoencoderKL.from_pretrained(pipeline / "vae")
    with torch.no_grad():
        pixels = torch.from_numpy(rgb.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
        expected = vae.encode(pixels).latent_dist.mean[0].permute(1, 2, 0).numpy()
    latents = model.encode(rgb)
    np.testing.assert_allclose(latents, expected, atol=1e-4)
    codes = np.clip(np.rint(latents / 0.18215 + 127.5), 0, 255).astype(np.uint8)
    noisy = (codes - np.float32(127.5)) * np.float32(0.18215)
    assert model.scheduler is not None
    alphas = model.scheduler.alphas_cumprod
    noise = float((1 - alphas[20]) / alphas[20]) ** 0.5 / 0.18215 - 1e-6
    denoised = model.denoise(noisy, noise, 2)
    assert np.abs(denoised - noisy).max() > 0.01
    found = model.decode(denoised, 64, 80)
    difference = np.abs(found.astype(int) - by_hand(pipeline, codes, 20))
    assert difference.max() <= 1
    assert np.abs(found.astype(int) - model.decode(noisy, 64, 80)).max() > 1, "the U-Net would not matter"


def test_sixteen_channels_and_a_shift(models: Path, tmp_path: Path, picture: Image.Image) -> None:
    vae = sd.make_vae(latent_channels=16, scaling_factor=0.3611, shift_factor=0.1159)
    source = sd.write_pipeline(tmp_path / "sd")
    vae.save_pretrained(source / "vae")
    sd.make_unet(in_channels=16, out_channels=16).save_pretrained(source / "unet")
    manifest, _ = add_model("wide", source)
    assert (manifest.codes.channels, manifest.latent_scaling, manifest.latent_shift) == (16, 0.3611, 0.1159)
    assert manifest.codes.step == pytest.approx(0.18215**2 / 0.3611)
    picture.save(tmp_path / "a.sdz", model="wide", colors=64)
    with Image.open(tmp_path / "a.sdz") as image:
        image.load()
    model = registry.load(manifest, "cpu")
    at_shift = np.full((4, 4, 16), 0.1159, np.float32)
    seen = []

    def no_noise(sample: torch.Tensor, _: int) -> Noise:
        seen.append(sample.clone())
        return Noise(torch.zeros_like(sample))

    dataclasses.replace(model, unet=no_noise).denoise(at_shift, 0.1, 1)
    assert seen
    assert seen[0].abs().max() < 1e-6, "the U-Net works on latents less their shift"


def test_v_prediction_is_converted_to_epsilon(models: Path, tmp_path: Path) -> None:
    """A U-Net that predicts the velocity of a known latent denoises to that latent."""
    sd.write_scheduler(tmp_path, "DDIMScheduler", prediction_type="v_prediction")
    scheduler = load_scheduler(tmp_path)
    clean, noise = torch.randn(1, 4, 5, 6), 0.3 * torch.randn(1, 4, 5, 6)

    def velocity(sample: torch.Tensor, timestep: int, /, **_: torch.Tensor) -> Noise:
        alpha = float(scheduler.alphas_cumprod[timestep])
        eps = (sample - alpha**0.5 * clean) / (1 - alpha) ** 0.5
        return Noise(alpha**0.5 * eps - (1 - alpha) ** 0.5 * clean)

    found = denoise(UNetAdapter(velocity, None, scheduler.alphas_cumprod), scheduler, clean + noise, 0.3, 3)
    torch.testing.assert_close(found, clean, atol=1e-4, rtol=1e-4)


def test_the_kind_of_prediction_comes_from_the_scheduler(pipeline: Path, models: Path) -> None:
    noise, _ = add_model("noise", pipeline)
    latents = np.zeros((4, 4, 4), np.float32)
    one = registry.load(noise, "cpu").denoise(latents, 0.5, 1)
    sd.write_scheduler(pipeline / "scheduler", "DDIMScheduler", prediction_type="v_prediction")
    velocity, _ = add_model("velocity", pipeline)
    assert velocity.fingerprint != noise.fingerprint, "the same weights, but they mean something else"
    other = registry.load(velocity, "cpu").denoise(latents, 0.5, 1)
    assert np.abs(one - other).max() > 0.01


def test_a_model_is_added_once_but_with_another_encoder_again(pipeline: Path, models: Path) -> None:
    first, _ = add_model("first", pipeline)
    with pytest.raises(
        SdzModelError, match=r"the same weights is there already \(found first-1\); .*models remove first-1"
    ):
        add_model("second", pipeline)
    path = pipeline / "vae" / f"{NETWORK_STEM}.safetensors"
    tensors = sd.reload(path)
    tensors["encoder.conv_in.bias"] += 1
    save_file(tensors, path, {"format": "pt"})
    second, _ = add_model("second", pipeline)
    assert second.fingerprint == first.fingerprint
    assert second.encoder != first.encoder


@pytest.mark.parametrize(
    ("family", "unet_weights", "text_weights"), [("sd1", 859_520_964, 123_060_480), ("sd2", 865_910_724, 340_387_840)]
)
def test_shipped_configurations_are_those_of_stable_diffusion(
    family: str, unet_weights: int, text_weights: int
) -> None:
    """They have as many weights as the model cards say, and names survive conversion to the original ones and back."""
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint
    from transformers import CLIPTextConfig, CLIPTextModel

    configs = single_file.FAMILY_CONFIGS / family
    config = json.loads((configs / "unet" / "config.json").read_text())
    text = json.loads((configs / "text_encoder" / "config.json").read_text())
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(config)
        encoder = CLIPTextModel(CLIPTextConfig(**text))
    assert sum(parameter.numel() for parameter in unet.parameters()) == unet_weights
    assert sum(parameter.numel() for parameter in encoder.parameters()) == text_weights
    state = unet.state_dict()
    original = {f"model.diffusion_model.{sd.original_unet_name(name, 2, {1, 2, 3})}": t for name, t in state.items()}
    assert single_file._family(original, None) == family
    converted = convert_ldm_unet_checkpoint(original, config)
    assert {name: t.shape for name, t in converted.items()} == {name: t.shape for name, t in state.items()}


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_shipped_configurations_of_autoencoders(family: str) -> None:
    config = json.loads((single_file.FAMILY_CONFIGS / family / "vae" / "config.json").read_text())
    assert config["scaling_factor"] == (0.13025 if family == "sdxl" else 0.18215)
    with torch.device("meta"):
        vae = AutoencoderKL.from_config(config)
    assert sum(parameter.numel() for parameter in vae.parameters()) == 83_653_863
    with pytest.raises(SdzModelError, match="a tensor is missing"):
        adopt(build("AutoencoderKL", config), {})


def test_weights_that_differ_from_the_manifest_are_refused(pipeline: Path, models: Path, picture: Image.Image) -> None:
    manifest, _ = add_model("sd15", pipeline)
    path = manifest.folder / "unet" / f"{NETWORK_STEM}.safetensors"
    tensors = sd.reload(path)
    tensors["conv_in.bias"] += 1
    save_file(tensors, path, {"format": "pt"})
    with pytest.raises(SdzModelError) as caught:
        registry.load(manifest, "cpu")
    assert "model sd15-1: the model is not the one of its manifest" in str(caught.value)
    assert f"expected {manifest.fingerprint[:16]}" in str(caught.value)
    assert str(caught.value).endswith(f"sdz-convert models add sd15 {shlex.quote(str(pipeline))}")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("vae/config.json", {"norm_num_groups": 8}),
        ("unet/config.json", {"flip_sin_to_cos": False}),
        ("scheduler/scheduler_config.json", {"beta_end": 0.013}),
    ],
)
def test_configurations_that_differ_from_the_manifest_are_refused(
    name: str, change: dict[str, Any], pipeline: Path, models: Path
) -> None:
    manifest, _ = add_model("sd15", pipeline)
    assert registry.load(manifest, "cpu")
    registry._loaded.clear()
    sd.change_json(manifest.folder / name, **change)
    with pytest.raises(SdzModelError, match=r"SHA-256: the configuration is not the one that model sd15-1 was made"):
        registry.load(manifest, "cpu")


def test_a_damaged_embedding_is_refused(pipeline: Path, models: Path) -> None:
    manifest, _ = add_model("sd15", pipeline)
    path = manifest.folder / "empty_prompt.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(SdzModelError, match="the unconditional embedding differs"):
        registry.load(manifest, "cpu")
    path.unlink()
    with pytest.raises(SdzModelError, match="cannot read the unconditional embedding"):
        registry.load(manifest, "cpu")


def test_large_pictures_are_worked_on_in_windows(pipeline: Path, models: Path) -> None:
    manifest, _ = add_model("sd15", pipeline)
    model = registry.load(manifest, "cpu")
    rgb = np.zeros((8, 8 * 90, 3), np.uint8)
    rgb[:, :, 0] = np.linspace(0, 255, 8 * 90)
    latents = model.encode(rgb)
    assert latents.shape == (1, 90, 4)
    assert np.isfinite(latents).all()
    clean = model.denoise(latents, 0.5, 1)
    decoded = model.decode(clean, 8, 8 * 90)
    assert decoded.shape == rgb.shape
    left, right = (model.decode(clean[:, part], 8, 8 * 64) for part in (slice(0, 64), slice(26, 90)))
    assert np.array_equal(decoded[:, : 8 * 26], left[:, : 8 * 26]), "windows start at 0 and 26"
    assert np.array_equal(decoded[:, 8 * 42 :], right[:, 8 * 16 :]), "and the second has faded in at 42"
    middle = decoded[:, 8 * 26 : 8 * 42].astype(int)
    bounds = np.sort([left[:, 8 * 26 : 8 * 42], right[:, : 8 * 16]], axis=0).astype(int)
    assert (middle >= bounds[0] - 1).all()
    assert (middle <= bounds[1] + 1).all()
