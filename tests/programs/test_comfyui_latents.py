"""Save SDZ (LATENT) and Load SDZ (LATENT): the scale, by an autoencoder in miniature; batches, refusals."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import sd_checkpoints as sd
import torch
from comfyui_pack import RefusedError, loaded
from PIL import Image

import pillow_sdz

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from comfyui_pack import Pack
    from diffusers import AutoencoderKL

HALF_A_CODE = 0.18215 / 2
"""Half the step of 8-bit codes of Stable Diffusion 1.x, in units of the unscaled latent."""


@pytest.fixture(scope="module")
def vae() -> AutoencoderKL:
    """An autoencoder whose latents have a standard deviation of some units, as those of Stable Diffusion 1.x."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)  # biases
        network = sd.make_vae()
        network.quant_conv.weight *= 2.5
        network.post_quant_conv.weight /= 2.5
    return network


@pytest.fixture(scope="module")
def models(vae: AutoencoderKL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Models that are installed: sd15, and others that no LATENT of Stable Diffusion fits."""
    folder = tmp_path_factory.mktemp("models")
    sources = {"sd15": vae, "taesd": sd.make_tiny_vae(), "wide": sd.make_vae(latent_channels=16)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PILLOW_SDZ_MODELS", str(folder))
        for name, network in sources.items():
            source = tmp_path_factory.mktemp(name)
            network.save_pretrained(source)
            pillow_sdz.add_model(name, source)
        yield folder


@pytest.fixture
def pack(models: Path, tmp_path: Path) -> Iterator[Pack]:
    with loaded(tmp_path / "comfyui") as pack:
        yield pack


@pytest.fixture
def pixels(chelsea: Image.Image) -> torch.Tensor:
    """Three pictures as an IMAGE, (3, 64, 96, 3)."""
    rgb = np.asarray(chelsea, np.float32) / np.float32(255)
    return torch.from_numpy(np.stack([rgb[y : y + 64, 100:196] for y in (0, 80, 160)]))


def encoded(vae: AutoencoderKL, pixels: torch.Tensor) -> torch.Tensor:
    """What VAE Encode of ComfyUI gives: the mean, unscaled, (B, 4, h, w)."""
    with torch.no_grad():
        mean: torch.Tensor = vae.encode(pixels.permute(0, 3, 1, 2) * 2 - 1).latent_dist.mean
    return mean


def decoded(vae: AutoencoderKL, samples: torch.Tensor) -> torch.Tensor:
    """What VAE Decode of ComfyUI gives, (B, H, W, 3)."""
    with torch.no_grad():
        picture: torch.Tensor = vae.decode(samples).sample
    return (picture / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)


def save(pack: Pack, samples: torch.Tensor, **change: Any) -> list[Path]:
    inputs = {"latent": {"samples": samples}, "filename_prefix": "latents/photo", "model": "sd15", "quality": 100}
    return pack.saved(pack.run("SdzSaveLatent", **(inputs | change)))


def load(pack: Pack, name: str) -> dict[str, Any]:
    (latent,) = pack.run("SdzLoadLatent", file=name).args
    found: dict[str, Any] = latent
    return found


def test_a_latent_is_the_unscaled_one_of_the_vae(pack: Pack, vae: AutoencoderKL, pixels: torch.Tensor) -> None:
    samples = encoded(vae, pixels[:1])
    assert samples.std() > 2, "the error allowed below would be large"
    assert samples.abs().max() < 23, "codes could not stand for it"
    (path,) = save(pack, samples)
    latent = load(pack, "latents/photo_00001_.sdz [output]")
    assert set(latent) == {"samples"}
    assert latent["samples"].dtype == torch.float32
    assert (latent["samples"] - samples).abs().max() <= HALF_A_CODE * 1.0001
    back, whole = decoded(vae, latent["samples"]), decoded(vae, samples)
    assert (back - whole).square().mean().sqrt() < 0.02, "rms error of the picture, of 1"
    with Image.open(path) as image:  # decoded by this package, with the model that the file names
        image.load()
        levels = torch.from_numpy(np.asarray(image, np.float32) / np.float32(255))
    assert image.size == (96, 64)
    assert (levels - back[0]).abs().max() <= 1.01 / 255


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(pack: Pack, vae: AutoencoderKL, pixels: torch.Tensor, dtype: torch.dtype) -> None:
    samples = encoded(vae, pixels[:1]).to(dtype)
    save(pack, samples)
    latent = load(pack, "latents/photo_00001_.sdz [output]")
    assert (latent["samples"] - samples.float()).abs().max() <= HALF_A_CODE * 1.0001


def test_fewer_colours_are_smaller_and_further_off(pack: Pack, vae: AutoencoderKL, pixels: torch.Tensor) -> None:
    samples = encoded(vae, pixels[:1])
    found = []
    for change in ({"quality": 100}, {"colors": 64}, {"colors": 8}, {"quality": 10}, {"target_size": 250}):
        (path,) = save(pack, samples, **change)
        stored = pillow_sdz.read_latent(path)
        rms = float((torch.from_numpy(stored.latent).permute(2, 0, 1) - samples[0]).square().mean().sqrt())
        rounding = 0.18215 / 12**0.5
        assert (stored.noise**2 + rounding**2) ** 0.5 == pytest.approx(rms, rel=0.2)
        found.append((path.stat().st_size, rms))
    direct, many, few, _, target = found
    assert direct[0] > many[0] > few[0]
    assert direct[1] < many[1] < few[1]
    assert target[0] <= 250
    with pytest.raises(OSError, match="target_size: cannot be given together with colors"):
        save(pack, samples, colors=8, target_size=250)


def test_a_batch_is_one_file_an_item(pack: Pack, vae: AutoencoderKL, pixels: torch.Tensor) -> None:
    samples = encoded(vae, pixels)
    paths = save(pack, samples, filename_prefix="set/%batch_num% of %width%x%height%")
    assert [path.name for path in paths] == [f"{k} of 96x64_0000{k + 1}_.sdz" for k in range(3)]
    for path, item in zip(paths, samples, strict=True):
        latent = load(pack, f"set/{path.name} [output]")
        assert latent["samples"].shape == (1, 4, 8, 12)
        assert (latent["samples"][0] - item).abs().max() <= HALF_A_CODE * 1.0001


def test_files_are_counted_and_never_replaced(pack: Pack, vae: AutoencoderKL, pixels: torch.Tensor) -> None:
    samples = encoded(vae, pixels)
    names = [path.name for _ in range(2) for path in save(pack, samples)]
    assert names == [f"photo_0000{k}_.sdz" for k in range(1, 7)]
    for _ in range(2):
        paths = save(pack, samples[:1], filename_prefix="%batch_num%")
    assert [path.name for path in paths] == ["0_00002_.sdz"]
    assert not list(pack.base.rglob("*.tmp"))


def test_the_batch_index_is_kept(pack: Pack, vae: AutoencoderKL, pixels: torch.Tensor) -> None:
    samples = encoded(vae, pixels[:2])
    save(pack, samples, latent={"samples": samples, "batch_index": [7, 2]})
    assert load(pack, "latents/photo_00001_.sdz [output]")["batch_index"] == [7]
    assert load(pack, "latents/photo_00002_.sdz [output]")["batch_index"] == [2]
    rows = samples[0].permute(1, 2, 0).numpy()
    for hostile in ("-1", "1e9", "9" * 30, "٣", ""):
        text = {"comfyui_batch_index": hostile}
        pillow_sdz.write_latent(rows, pack.base / "input" / "a.sdz", model="sd15", text=text)
        assert set(load(pack, "a.sdz")) == {"samples"}


def test_previews_are_shown_without_decoding(
    pack: Pack, vae: AutoencoderKL, pixels: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pillow_sdz.models import registry

    monkeypatch.setattr(registry, "load", lambda *_: pytest.fail("a model was loaded"))
    samples = encoded(vae, pixels[:2])
    output = pack.run("SdzSaveLatent", latent={"samples": samples}, filename_prefix="a", model="sd15", quality=50)
    assert [each["type"] for each in output.ui["images"]] == ["temp", "temp"]
    for each in output.ui["images"]:
        with Image.open(pack.base / "temp" / each["filename"]) as preview:
            assert (preview.mode, preview.size) == ("RGB", (12, 8))


@pytest.mark.parametrize(
    ("latent", "message"),
    [
        ({"samples": torch.zeros(1, 16, 8, 8)}, "has 16 channels"),
        ({"samples": torch.zeros(1, 4, 3, 8, 8)}, r"shape \(1, 4, 3, 8, 8\), as those of videos"),
        ({"samples": torch.zeros(1, 4, 8)}, r"shape \(1, 4, 8\)"),
        ({"samples": torch.nested.nested_tensor([torch.zeros(4, 8, 8)], layout=torch.jagged)}, "is nested"),
        ({"samples": torch.zeros(0, 4, 8, 8)}, "is empty"),
        ({"samples": torch.zeros(1, 4, 8, 8), "type": "audio"}, "type 'audio'"),
        ({"samples": torch.zeros(1, 4, 8, 8), "downscale_ratio_spacial": 16}, "1/16 of the picture's size"),
        ({"samples": torch.zeros(2, 4, 8, 8), "batch_index": [0]}, "2 items and 1 batch indices"),
        ({"samples": torch.zeros(1, 4, 8, 8), "noise_mask": torch.ones(1, 64, 64)}, "turn on drop_noise_mask"),
        ({"samples": torch.full((1, 4, 8, 8), torch.nan)}, "not finite"),
        ({"samples": torch.zeros(1, 4, 1, 8192)}, "cannot hold this size"),
    ],
)
def test_what_is_no_latent_of_stable_diffusion_is_refused(pack: Pack, latent: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, OSError), match=message):
        pack.run("SdzSaveLatent", latent=latent, filename_prefix="a", model="sd15", quality=50)
    assert not list(pack.base.rglob("*.sdz"))


def test_a_noise_mask_may_be_dropped(pack: Pack) -> None:
    latent = {"samples": torch.zeros(1, 4, 8, 8), "noise_mask": torch.ones(1, 64, 64)}
    save(pack, latent["samples"], latent=latent, drop_noise_mask=True)
    assert set(load(pack, "latents/photo_00001_.sdz [output]")) == {"samples"}


def test_only_models_that_fit_are_offered(pack: Pack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert pack.options("SdzSaveLatent", "model")["options"] == ["sd15"]
    samples = torch.zeros(1, 4, 8, 8)
    for model, message in (
        ("tiny", "has latents of 8 channels"),
        ("wide", "has latents of 16 channels"),
        ("taesd", "are scaled already"),
        ("sd21", r"'sd21' is not installed\. Models for latents: sd15\. .*`sdz-convert models add"),
    ):
        with pytest.raises(RefusedError, match=message):
            save(pack, samples, model=model)
    monkeypatch.setenv("PILLOW_SDZ_MODELS", str(tmp_path / "none"))
    (only,) = pack.options("SdzSaveLatent", "model")["options"]
    with pytest.raises(RefusedError, match=r"Models for latents: none yet\."):
        save(pack, samples, model=only)


def test_files_whose_latent_is_another_are_refused(pack: Pack, pixels: torch.Tensor) -> None:
    picture = Image.fromarray((pixels[0].numpy() * 255).astype(np.uint8))
    for model, message in (
        ("tiny", r"has latents of 8 channels .*use Load SDZ \(IMAGE\)"),
        ("taesd", r"scaled already.*use Load SDZ \(IMAGE\)"),
        ("wide", "has latents of 16 channels"),
    ):
        pillow_sdz.write(picture, pack.base / "input" / "a.sdz", model=model, guard=False, effort=0)
        with pytest.raises(ValueError, match=message):
            load(pack, "a.sdz")
    pillow_sdz.write(picture, pack.base / "input" / "p.sdz", payload="pixels")
    with pytest.raises(OSError, match="holds no latent"):
        load(pack, "p.sdz")


def test_a_file_whose_model_is_missing(pack: Pack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    save(pack, torch.zeros(1, 4, 8, 8))
    monkeypatch.setenv("PILLOW_SDZ_MODELS", str(tmp_path / "none"))
    with pytest.raises(OSError, match=r"photo_00001_\.sdz: .*not installed .*sdz-convert models add"):
        load(pack, "latents/photo_00001_.sdz [output]")


def test_a_latent_is_judged_by_what_was_read(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by the name of its model: another one can have the same."""
    save(pack, torch.zeros(1, 4, 8, 8))
    monkeypatch.setattr(pillow_sdz, "installed_models", list)
    assert set(load(pack, "latents/photo_00001_.sdz [output]")) == {"samples"}


def test_a_latent_with_damaged_exif(pack: Pack, pixels: torch.Tensor, caplog: pytest.LogCaptureFixture) -> None:
    picture = Image.fromarray((pixels[0].numpy() * 255).astype(np.uint8))
    pillow_sdz.write(picture, pack.base / "input" / "a.sdz", model="sd15", effort=0, exif=b"Exif\0\0no EXIF at all")
    assert set(load(pack, "a.sdz")) == {"samples"}
    assert caplog.text == ""


def test_what_a_latent_lacks_is_logged(pack: Pack, pixels: torch.Tensor, caplog: pytest.LogCaptureFixture) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = Image.fromarray((pixels[0].numpy() * 255).astype(np.uint8)).convert("RGBA")
    picture.putalpha(128)
    path = pack.base / "input" / "a.sdz"
    pillow_sdz.write(picture, path, model="sd15", effort=0, exif=exif)
    with caplog.at_level(logging.WARNING):
        assert set(load(pack, "a.sdz")) == {"samples"}
    assert "'a.sdz': the latent is without its orientation and its alpha; Load SDZ (IMAGE)" in caplog.text
    caplog.clear()
    pillow_sdz.write(picture.convert("RGB"), path, model="sd15", effort=0)
    load(pack, "a.sdz")
    assert caplog.text == ""
