"""Pipelines that cannot become a model: the error says which part and why, and nothing is left in the registry."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
import sd_checkpoints as sd
import torch
from safetensors.torch import save_file

from pillow_sdz.errors import SdzDependencyError, SdzModelError, SdzOptionError
from pillow_sdz.models.checkpoints.add import add_model
from pillow_sdz.models.checkpoints.checkpoint import NETWORK_STEM

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Refused: TypeAlias = "Callable[..., SdzModelError]"


WEIGHTS = f"{NETWORK_STEM}.safetensors"


def pickled(folder: Path) -> None:
    (folder / "vae" / WEIGHTS).unlink()
    torch.save({"a": torch.ones(1)}, folder / "vae" / "diffusion_pytorch_model.bin")


def truncated(folder: Path) -> None:
    path = folder / "unet" / WEIGHTS
    path.write_bytes(path.read_bytes()[:-100])


def without_a_tensor(folder: Path) -> None:
    tensors = sd.reload(folder / "unet" / WEIGHTS)
    del tensors["conv_in.bias"]
    save_file(tensors, folder / "unet" / WEIGHTS)


def without_a_shard(folder: Path) -> None:
    sd.shard(folder / "unet", NETWORK_STEM)
    (folder / "unet" / f"{NETWORK_STEM}-00002-of-00002.safetensors").unlink()


def shard_elsewhere(folder: Path) -> None:
    sd.shard(folder / "unet", NETWORK_STEM)
    index = folder / "unet" / f"{WEIGHTS}.index.json"
    index.write_text(index.read_text().replace(f"{NETWORK_STEM}-00001", f"../vae/{NETWORK_STEM}-00001"))


def without(part: str) -> Callable[[Path], None]:
    def remove(folder: Path) -> None:
        shutil.rmtree(folder / part)

    remove.__name__ = f"without_{part}"
    return remove


def for_inpainting(folder: Path) -> None:
    sd.make_unet(in_channels=9).save_pretrained(folder / "unet")


def for_other_latents(folder: Path) -> None:
    sd.make_vae(latent_channels=16).save_pretrained(folder / "vae")


def other_prompt(folder: Path) -> None:
    sd.make_unet(cross_attention_dim=24).save_pretrained(folder / "unet")


def sdxl(folder: Path) -> None:
    (folder / "text_encoder_2").mkdir()


def conditioned_on_sizes(folder: Path) -> None:
    sd.change_json(folder / "unet" / "config.json", addition_embed_type="text_time")


def huge(folder: Path) -> None:
    sd.change_json(folder / "unet" / "config.json", layers_per_block=10**9)


def unknown_field(folder: Path) -> None:
    sd.change_json(folder / "vae" / "config.json", twist=1)


def unknown_class(folder: Path) -> None:
    sd.change_json(folder / "vae" / "config.json", _class_name="os.system")


def unknown_scheduler(folder: Path) -> None:
    sd.write_scheduler(folder / "scheduler", "DPMSolverMultistepScheduler")


def wrong_schedule(folder: Path) -> None:
    sd.write_scheduler(folder / "scheduler", beta_end=7.0)


def unknown_prediction(folder: Path) -> None:
    sd.write_scheduler(folder / "scheduler", prediction_type="flow_prediction")


def other_text_encoder(folder: Path) -> None:
    sd.change_json(folder / "text_encoder" / "config.json", architectures=["T5EncoderModel"])


def huge_text_encoder(folder: Path) -> None:
    sd.change_json(folder / "text_encoder" / "config.json", hidden_size=10**9)


def text_weights_missing(folder: Path) -> None:
    path = folder / "text_encoder" / "model.safetensors"
    tensors = sd.reload(path)
    del tensors["text_model.final_layer_norm.bias"]
    save_file(tensors, path)


def tokens_missing(folder: Path) -> None:
    (folder / "tokenizer" / "merges.txt").unlink()


def normalised_by_channel(folder: Path) -> None:
    sd.change_json(folder / "vae" / "config.json", latents_mean=[0.0] * 4)


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (pickled, r"diffusion_pytorch_model\.bin: weights in pickles are refused.*\.safetensors"),
        (truncated, rf"unet/{WEIGHTS}: cannot load the weights.*get it again"),
        (without_a_tensor, r"conv_in\.bias: cannot load the weights: a tensor is missing"),
        (without_a_shard, r"cannot load the weights: No such file"),
        (shard_elsewhere, "the index names a file that is not beside it"),
        (without("scheduler"), r"the scheduler is missing \(expected a folder scheduler/\)"),
        (without("unet"), "the unet is missing.*--vae-only"),
        (without("text_encoder"), "the text encoder is missing"),
        (for_inpainting, r"in_channels: the U-Net's channels do not fit the autoencoder \(found 9, expected 4"),
        (for_other_latents, r"in_channels: the U-Net's channels do not fit the autoencoder \(found 4, expected 16"),
        (other_prompt, "cross_attention_dim: the text encoder does not fit the U-Net"),
        (sdxl, "SDXL.*--vae-only"),
        (conditioned_on_sizes, "addition_embed_type: this network is not supported"),
        (huge, "layers_per_block: this network is not supported"),
        (unknown_field, r"twist: this network is not supported \(found 1, expected no such field"),
        (unknown_class, r"_class_name: this network is not supported \(found os\.system"),
        (unknown_scheduler, r"unknown scheduler \(found DPMSolverMultistepScheduler.*--scheduler ddim"),
        (wrong_schedule, r"beta_end: wrong field \(found 7\.0"),
        (unknown_prediction, "prediction_type: wrong field"),
        (other_text_encoder, "architectures: this text encoder is not supported"),
        (huge_text_encoder, "weights are not those of its configuration"),
        (text_weights_missing, "cannot use the text encoder.*final_layer_norm"),
        (tokens_missing, "merges.txt: the tokenizer is incomplete"),
        (normalised_by_channel, "latents_mean"),
    ],
)
def test_damaged_pipelines(
    refused: Refused, damage: Callable[[Path], None], match: str, pipeline: Path, models: Path
) -> None:
    damage(pipeline)
    error = refused(pipeline, match)
    assert error.file is not None


def test_an_unknown_scheduler_can_be_replaced(pipeline: Path, models: Path) -> None:
    unknown_scheduler(pipeline)
    manifest, _ = add_model("sd15", pipeline, scheduler="euler")
    assert "Euler" in (manifest.folder / "scheduler" / "scheduler_config.json").read_text()
    with pytest.raises(SdzOptionError, match="no such scheduler"):
        add_model("other", pipeline, scheduler="dpm")


@pytest.mark.parametrize(
    "change", [{"num_train_timesteps": 10**9}, {"beta_start": float("nan")}, {"trained_betas": [1e9]}]
)
def test_noise_schedules_that_make_no_sense(
    refused: Refused, change: dict[str, Any], pipeline: Path, models: Path
) -> None:
    path = pipeline / "scheduler" / "scheduler_config.json"
    sd.change_json(path, **{"_class_name": "DDIMScheduler", "beta_schedule": "linear", **change})
    refused(pipeline, f"{next(iter(change))}: wrong field")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"num_attention_heads": 0}, "num_attention_heads, hidden_size: "),
        ({"num_attention_heads": 3}, "num_attention_heads, hidden_size: "),
        ({"num_attention_heads": "2"}, "num_attention_heads, hidden_size: "),
        ({"max_position_embeddings": 20_000_000}, "position_embedding.weight: .*20000000 rows"),
        ({"hidden_act": None}, "cannot use the text encoder"),
    ],
)
def test_text_encoders_that_make_no_sense(
    refused: Refused, change: dict[str, Any], match: str, pipeline: Path, models: Path
) -> None:
    sd.change_json(pipeline / "text_encoder" / "config.json", **change)
    refused(pipeline, match)


def test_scipy_is_asked_for_by_name(pipeline: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "scipy"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "scipy", None)
    monkeypatch.delitem(sys.modules, "diffusers.schedulers.scheduling_lms_discrete", raising=False)
    with pytest.raises(SdzDependencyError, match=r"LMSDiscreteScheduler needs scipy.*pillow-sdz\[sd\]"):
        add_model("sd15", pipeline, scheduler="lms")


def test_a_text_encoders_configuration_cannot_make_transformers_download_code(pipeline: Path, models: Path) -> None:
    sd.change_json(
        pipeline / "text_encoder" / "config.json", attn_implementation="kernels-community/x", use_return_dict=False
    )
    add_model("sd15", pipeline)


def test_transformers_is_asked_for_by_name(pipeline: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(SdzDependencyError, match=r"empty prompt needs transformers.*pillow-sdz\[sd\]"):
        add_model("sd15", pipeline)
    assert not models.exists()
    add_model("vae", pipeline, vae_only=True)
