"""One checkpoint keeps its fingerprint in every storage form; any other change changes it."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
import shutil
import struct
from typing import TYPE_CHECKING

import diffusers
import pytest
import torch
from safetensors.torch import load_file, save_file

from pillow_sdz.models import registry
from pillow_sdz.models.code_mapping import CodeMapping, PriorFile
from pillow_sdz.models.fingerprint import (
    DECODER_FIELDS,
    SCHEDULE_FIELDS,
    UNET_FIELDS,
    Decoding,
    decoding_tensors,
    encoder_tensors,
    fingerprint,
)
from pillow_sdz.models.half_weights import WEIGHTS_NAME
from pillow_sdz.models.loading import UNET_BUILDERS, load_part
from pillow_sdz.models.networks.latent_unet import LatentUNet
from pillow_sdz.models.weights import WEIGHTS_INDEX_NAME

if TYPE_CHECKING:
    from pathlib import Path

CODES = CodeMapping(6 / 255, 3.0, 4, 8)
VAE = {"_class_name": "AutoencoderKL"}
DECODING = Decoding(CODES, VAE)
WITH_UNET = Decoding(CODES, VAE, {"_class_name": "UNet2DConditionModel"}, {"_class_name": "DDIMScheduler"}, 0.5, 0.25)


@pytest.fixture(scope="module")
def unet() -> LatentUNet:
    torch.manual_seed(3)
    network = LatentUNet(block_out_channels=(8, 12), layers_per_block=(1, 1), time_channels=8)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_().copy_(parameter.half())
    return network


def reload(folder: Path) -> dict[str, torch.Tensor]:
    return {f"unet.{k}": v for k, v in load_part(folder, UNET_BUILDERS).tensors.items()}


def shard(source: Path, target: Path) -> None:
    """The same network with its weights in two files, as diffusers writes large ones."""
    target.mkdir()
    shutil.copy(source / "config.json", target)
    names = list(tensors := load_file(source / WEIGHTS_NAME))
    index: dict[str, str] = {}
    for number, part in enumerate((names[::2], names[1::2])):
        file = f"part-{number}.safetensors"
        save_file({name: tensors[name] for name in part}, target / file)
        index |= dict.fromkeys(part, file)
    (target / WEIGHTS_INDEX_NAME).write_text(json.dumps({"weight_map": index}))


def test_storage_forms_agree(unet: LatentUNet, tmp_path: Path) -> None:
    unet.save_pretrained(tmp_path / "whole")
    shard(tmp_path / "whole", tmp_path / "sharded")
    unet.half().save_pretrained(tmp_path / "half")
    unet.float()
    dtypes = [next(iter(reload(tmp_path / form).values())).dtype for form in ("whole", "half")]
    assert dtypes == [torch.float32, torch.float16], "hashed as stored"
    found = {fingerprint(reload(tmp_path / form), DECODING) for form in ("whole", "sharded", "half")}
    assert len(found) == 1
    shuffled = dict(reversed(reload(tmp_path / "whole").items()))
    assert fingerprint(shuffled, DECODING) in found


def test_any_change_changes_the_fingerprint(unet: LatentUNet) -> None:
    tensors = {f"unet.{k}": v.clone() for k, v in unet.state_dict().items()}
    original = fingerprint(tensors, DECODING)
    for codes in (CodeMapping(6 / 255, 3.0, 4, 16), CodeMapping(6 / 255, 3.0, 4, 8, PriorFile(1, 2, 3, "0" * 64))):
        assert fingerprint(tensors, Decoding(codes, VAE)) != original
    name = next(iter(tensors))
    tensors[name + "x"] = tensors.pop(name)
    assert fingerprint(tensors, DECODING) != original
    tensors[name] = tensors.pop(name + "x")
    tensors[name].flatten()[0] += 1
    assert fingerprint(tensors, DECODING) != original


def test_definition_of_the_specification() -> None:
    """The hashed bytes, written out by hand from the specification."""
    values = [1.0, -2.5, 0.125, 3.0, 0.0, -1.0]
    expected = hashlib.sha256(b"vae.a\x002x3\x00" + struct.pack("<6e", *values))
    expected.update(b"vae.b\x00\x00" + struct.pack("<e", 7.0))
    expected.update(b'{"codes":{"channels":4,"factor":8,"step":0.023529411764705882},')
    expected.update(b'"decoder":{"act_fn":"silu","class":"AutoencoderKL","norm_num_groups":32}}')
    tensors = {"vae.b": torch.tensor(7.0), "vae.a": torch.tensor(values).reshape(2, 3)}
    assert fingerprint(tensors, DECODING) == expected.hexdigest()


def test_the_encoder_is_not_covered() -> None:
    names = ["encoder.a", "quant_conv.weight", "decoder.a", "post_quant_conv.weight"]
    vae = {name: torch.tensor(float(number)) for number, name in enumerate(names)}
    assert list(decoding_tensors(vae, None)) == ["vae.decoder.a", "vae.post_quant_conv.weight"]
    assert list(encoder_tensors(vae)) == ["encoder.a", "quant_conv.weight"]
    unbounded = Decoding(dataclasses.replace(CODES, bound=None), VAE)
    assert fingerprint({}, unbounded) == fingerprint({}, DECODING), "the bound is the encoder's, too"


CHANGES: list[tuple[str, dict[str, object]]] = [
    ("vae", {"_class_name": "AutoencoderTiny"}),
    ("vae", {"norm_num_groups": 16}),
    ("vae", {"act_fn": "relu"}),
    ("unet", {"attention_head_dim": 16}),
    ("unet", {"norm_eps": 1e-6}),
    ("scheduler", {"beta_end": 0.03}),
    ("scheduler", {"prediction_type": "v_prediction"}),
    ("scheduler", {"trained_betas": [0.1, 0.2]}),
    ("scheduler", {"num_train_timesteps": 999}),
]


@pytest.mark.parametrize(("config", "change"), CHANGES)
def test_every_number_that_changes_pixels_is_covered(config: str, change: dict[str, object]) -> None:
    changed = dataclasses.replace(WITH_UNET, **{config: getattr(WITH_UNET, config) | change})
    assert fingerprint({}, changed) != fingerprint({}, WITH_UNET)


@pytest.mark.parametrize("field", ["latent_scaling", "latent_shift"])
def test_scaling_and_shift_are_covered(field: str) -> None:
    changed = dataclasses.replace(WITH_UNET, **{field: 3 * getattr(WITH_UNET, field)})
    assert fingerprint({}, changed) != fingerprint({}, WITH_UNET)


def test_what_is_the_readers_choice_or_changes_nothing_is_not_covered() -> None:
    """Another scheduler on the same noise schedule; fields that only the encoder has; defaults, written out or not."""
    for change in (
        {"scheduler": {"_class_name": "PNDMScheduler", "beta_end": 0.02, "steps_offset": 1}},
        {"vae": VAE | {"sample_size": 512, "down_block_types": ["x"], "act_fn": "silu"}},
        {"unet": {"_class_name": "UNet2DConditionModel", "freq_shift": 0, "mid_block_scale_factor": 1}},
    ):
        changed = dataclasses.replace(WITH_UNET, **change)  # type: ignore[arg-type]  # fields by name
        assert fingerprint({}, changed) == fingerprint({}, WITH_UNET)


def test_the_covered_fields_and_their_defaults_are_those_of_diffusers() -> None:
    for name, fields in {**DECODER_FIELDS, **UNET_FIELDS, "DDIMScheduler": SCHEDULE_FIELDS}.items():
        if name != "LatentUNet":
            found = inspect.signature(getattr(diffusers, name).__init__).parameters
            assert fields == {field: found[field].default for field in fields}


def test_shipped_models_have_the_fingerprint_of_their_manifest() -> None:
    for manifest in registry.installed():
        assert registry.load(manifest, "cpu").manifest.fingerprint == manifest.fingerprint
