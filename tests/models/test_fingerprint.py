"""One checkpoint keeps its fingerprint in every storage form; any other change changes it."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file, save_file

from pillow_sdz.models import registry
from pillow_sdz.models.fingerprint import CodeMapping, PriorFile, fingerprint
from pillow_sdz.models.loading import UNET_BUILDERS, load_part
from pillow_sdz.models.networks.latent_unet import LatentUNet
from pillow_sdz.models.weights import WEIGHTS_INDEX_NAME, WEIGHTS_NAME

if TYPE_CHECKING:
    from pathlib import Path

CODES = CodeMapping(6 / 255, 3.0, 4, 8)


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
    found = {fingerprint(reload(tmp_path / form), CODES) for form in ("whole", "sharded", "half")}
    assert len(found) == 1
    shuffled = dict(reversed(reload(tmp_path / "whole").items()))
    assert fingerprint(shuffled, CODES) in found


def test_any_change_changes_the_fingerprint(unet: LatentUNet) -> None:
    tensors = {f"unet.{k}": v.clone() for k, v in unet.state_dict().items()}
    original = fingerprint(tensors, CODES)
    assert fingerprint(tensors, CodeMapping(6 / 255, 3.0, 4, 16)) != original
    assert fingerprint(tensors, CodeMapping(6 / 255, 3.0, 4, 8, PriorFile(1, 2, 3, "0" * 64))) != original
    name = next(iter(tensors))
    tensors[name + "x"] = tensors.pop(name)
    assert fingerprint(tensors, CODES) != original
    tensors[name] = tensors.pop(name + "x")
    tensors[name].flatten()[0] += 1
    assert fingerprint(tensors, CODES) != original


def test_definition_of_the_specification() -> None:
    """The hashed bytes, written out by hand from the specification."""
    values = [1.0, -2.5, 0.125, 3.0, 0.0, -1.0]
    expected = hashlib.sha256(b"vae.a\x002x3\x00" + struct.pack("<6e", *values))
    expected.update(b"vae.b\x00\x00" + struct.pack("<e", 7.0))
    mapping = {"bound": 3.0, "channels": 4, "factor": 8, "palettes": [], "step": 6 / 255}
    expected.update(json.dumps(mapping, sort_keys=True, separators=(",", ":")).encode())
    tensors = {"vae.b": torch.tensor(7.0), "vae.a": torch.tensor(values).reshape(2, 3)}
    assert fingerprint(tensors, CODES) == expected.hexdigest()


def test_shipped_models_have_the_fingerprint_of_their_manifest() -> None:
    for manifest in registry.installed():
        assert registry.load(manifest, "cpu").manifest.fingerprint == manifest.fingerprint
