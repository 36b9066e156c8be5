"""Checkpoints that cannot become a model: the error says which part and why, and nothing is left in the registry."""

from __future__ import annotations

import errno
import shutil
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import sd_checkpoints as sd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from pillow_sdz.errors import SdzDependencyError, SdzModelError, SdzOptionError
from pillow_sdz.models import registry, weights
from pillow_sdz.models.checkpoints import new_folder
from pillow_sdz.models.checkpoints.add import add_model, remove_model
from pillow_sdz.models.checkpoints.checkpoint import NETWORK_STEM

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WEIGHTS = f"{NETWORK_STEM}.safetensors"


def refused(models: Path, source: Path | str, match: str, **options: Any) -> SdzModelError:
    """The error of adding ``source``, which leaves nothing behind."""
    with pytest.raises(SdzModelError, match=match) as caught:
        add_model("sd15", source, **options)
    assert not models.exists() or list(models.iterdir()) == []
    return caught.value


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
def test_damaged_pipelines(damage: Callable[[Path], None], match: str, pipeline: Path, models: Path) -> None:
    damage(pipeline)
    error = refused(models, pipeline, match)
    assert error.file is not None


def test_an_unknown_scheduler_has_a_way_out(pipeline: Path, models: Path) -> None:
    unknown_scheduler(pipeline)
    manifest, _ = add_model("sd15", pipeline, scheduler="euler")
    assert "Euler" in (manifest.folder / "scheduler" / "scheduler_config.json").read_text()
    with pytest.raises(SdzOptionError, match="no such scheduler"):
        add_model("other", pipeline, scheduler="dpm")


@pytest.mark.parametrize("suffix", [".ckpt", ".bin", ".pth", ".pt"])
def test_pickles_by_their_name(suffix: str, models: Path, tmp_path: Path) -> None:
    path = tmp_path / f"model{suffix}"
    path.write_bytes(b"anything")
    refused(models, path, "weights in pickles are refused: reading one can run any program.*convert")


@pytest.mark.parametrize("start", [b"PK\x03\x04", b"\x80\x02}q\x00", b"\x80\x04\x95\x00\x00\x00\x00\x00\x00"])
def test_pickles_under_another_name(start: bytes, models: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(start + bytes(100))
    refused(models, path, "weights in pickles are refused")


def test_safetensors_that_start_like_a_pickle(tmp_path: Path) -> None:
    """The length of the header comes first, and 640 is as good as any."""
    from pillow_sdz.models.checkpoints.sources import check_file

    path = tmp_path / "model.safetensors"
    path.write_bytes((640).to_bytes(8, "little") + b"{" + bytes(639))
    check_file(path)


def test_files_that_are_nothing_of_the_kind(models: Path, tmp_path: Path) -> None:
    refused(models, tmp_path / "nothing", "no such file or folder")
    refused(models, "not a repository", "no such file or folder")
    (tmp_path / "empty").mkdir()
    refused(models, tmp_path / "empty", "neither a pipeline nor an autoencoder")
    (tmp_path / "a.png").write_bytes(b"png")
    refused(models, tmp_path / "a.png", r"not a checkpoint \(found \.png")
    (tmp_path / "a.safetensors").write_bytes(b"\x08")
    refused(models, tmp_path / "a.safetensors", r"a\.safetensors: cannot load the weights")


class Single(NamedTuple):
    path: Path
    configs: Path


@pytest.fixture
def single(pipeline: Path, tmp_path: Path) -> Single:
    return Single(sd.write_single_file(tmp_path / "one.safetensors", pipeline), pipeline)


def rewrite(path: Path, keep: Callable[[str], bool]) -> None:
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items() if keep(name)}
    save_file(tensors, path)


def test_single_files_that_lack_something(single: Single, models: Path) -> None:
    refused(models, single.path, "family: the family of this checkpoint is not known.*--family")
    refused(models, single.path, "no such family", family="sd9")
    refused(models, single.path, "weights are not those of its configuration", family="sd1")
    whole = single.path.read_bytes()
    given = {"config": single.configs, "prediction": "epsilon"}
    rewrite(single.path, lambda name: "cond_stage_model" not in name)
    refused(models, single.path, "the text encoder is missing.*--vae-only", **given)
    single.path.write_bytes(whole)
    rewrite(single.path, lambda name: "input_blocks.1.0.in_layers.2" not in name)
    refused(models, single.path, r"down_blocks\.0\.resnets\.0\.conv1\.bias: .*a tensor is missing", **given)
    rewrite(single.path, lambda name: "first_stage_model" not in name)
    refused(models, single.path, "the file holds no autoencoder", **given)


def test_an_autoencoder_in_one_file_needs_its_family(single: Single, models: Path) -> None:
    rewrite(single.path, lambda name: name.startswith("first_stage_model"))
    refused(models, single.path, "an autoencoder alone does not show its family.*--family")


def test_what_a_single_file_predicts_must_be_known(single: Single, models: Path) -> None:
    path = single.configs / "scheduler" / "scheduler_config.json"
    assert "prediction_type" not in path.read_text()
    refused(models, single.path, "prediction: the file does not show what its U-Net predicts", config=single.configs)
    manifest, _ = add_model("sd2", single.path, config=single.configs, prediction="v_prediction")
    assert "v_prediction" in (manifest.folder / "scheduler" / "scheduler_config.json").read_text()


def test_names(pipeline: Path, models: Path) -> None:
    for name in ("", "SD", "../up", "a/b", ".hidden", "a" * 65):
        with pytest.raises(SdzModelError, match="cannot have this name"):
            add_model(name, pipeline)
    for name in ("tiny", "tiny-8"):
        with pytest.raises(SdzModelError, match=f"there already .found {name}.*models remove"):
            add_model(name, pipeline)
    add_model("sd15", pipeline, vae_only=True)
    with pytest.raises(SdzModelError, match="there already"):
        add_model("sd15", pipeline)


def test_no_space_is_seen_before_anything_is_written(
    pipeline: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(pipeline)._replace(free=1000)
    monkeypatch.setattr(new_folder.shutil, "disk_usage", lambda _: usage)
    refused(models, pipeline, r"no space left for the model \(found 1,000 bytes, expected .*PILLOW_SDZ_MODELS")


@pytest.mark.parametrize(
    "failure",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_no_space_while_writing(
    failure: Exception, pipeline: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    real = weights.save_file

    def fill(tensors: Any, path: Any, notes: Any) -> None:
        if written:
            raise failure
        written.append(path)
        real(tensors, path, notes)

    monkeypatch.setattr(weights, "save_file", fill)
    refused(models, pipeline, "no space left for the model")
    assert written, "the first network was written before"


def test_an_interruption_leaves_nothing(pipeline: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(new_folder, "read_manifest", interrupt)
    with pytest.raises(KeyboardInterrupt):
        add_model("sd15", pipeline)
    assert list(models.iterdir()) == []


def test_a_folder_that_cannot_be_written(pipeline: Path, models: Path) -> None:
    models.write_bytes(b"a file where the folder should be")
    with pytest.raises(SdzModelError, match=r"cannot write the model.*PILLOW_SDZ_MODELS"):
        add_model("sd15", pipeline)


def test_half_a_model_is_not_found(pipeline: Path, models: Path) -> None:
    manifest, _ = add_model("sd15", pipeline, vae_only=True)
    manifest.folder.rename(models / ".sd15.0123")
    assert [model.name for model in registry.installed()] == ["tiny"]


def test_transformers_is_asked_for_by_name(pipeline: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(SdzDependencyError, match=r"empty prompt needs transformers.*pillow-sdz\[sd\]"):
        add_model("sd15", pipeline)
    assert not models.exists()
    add_model("vae", pipeline, vae_only=True)


def test_options_that_say_nothing_about_a_source(single: Single, pipeline: Path, models: Path) -> None:
    for source, options in (
        (pipeline, {"prediction": "v_prediction"}),
        (pipeline, {"family": "sd1"}),
        (pipeline, {"config": str(pipeline)}),
        (pipeline, {"revision": "main"}),
        (pipeline, {"vae_only": True, "scheduler": "euler"}),
        ("someone/something", {"prediction": "epsilon"}),
    ):
        with pytest.raises(SdzOptionError, match=f"{list(options)[-1]}: does not apply to this source"):
            add_model("sd15", source, **options)
    with pytest.raises(SdzModelError, match="no such folder"):
        add_model("sd15", "~no-such-user-here/model")
    assert not models.exists() or list(models.iterdir()) == []


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
def test_text_encoders_that_make_no_sense(change: dict[str, Any], match: str, pipeline: Path, models: Path) -> None:
    sd.change_json(pipeline / "text_encoder" / "config.json", **change)
    refused(models, pipeline, match)


def test_a_text_encoder_cannot_ask_for_code(pipeline: Path, models: Path) -> None:
    sd.change_json(
        pipeline / "text_encoder" / "config.json", attn_implementation="kernels-community/x", use_return_dict=False
    )
    add_model("sd15", pipeline)


@pytest.mark.parametrize(
    "change", [{"num_train_timesteps": 10**9}, {"beta_start": float("nan")}, {"trained_betas": [1e9]}]
)
def test_noise_schedules_that_make_no_sense(change: dict[str, Any], pipeline: Path, models: Path) -> None:
    path = pipeline / "scheduler" / "scheduler_config.json"
    sd.change_json(path, **{"_class_name": "DDIMScheduler", "beta_schedule": "linear", **change})
    refused(models, pipeline, f"{next(iter(change))}: wrong field")


def test_what_a_removal_leaves_and_meets(pipeline: Path, models: Path, tmp_path: Path) -> None:
    manifest, _ = add_model("sd15", pipeline, vae_only=True)
    (models / ".sd15-1.0123abcd.removed").mkdir()  # of one that was interrupted
    elsewhere = tmp_path / "elsewhere"
    manifest.folder.rename(elsewhere)
    manifest.folder.symlink_to(elsewhere)
    remove_model("sd15")
    assert list(models.iterdir()) == []
    assert (elsewhere / "model.json").is_file(), "what a link points to stays"
