"""The latent U-Net: names of its weights, configuration and range checks."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
import torch

from pillow_sdz.errors import SdzModelError
from pillow_sdz.models.loading import UNET_BUILDERS, load_part
from pillow_sdz.models.networks.latent_unet import LatentUNet

if TYPE_CHECKING:
    from pathlib import Path

SMALL: dict[str, Any] = {
    "in_channels": 4,
    "block_out_channels": (8, 12),
    "layers_per_block": (1, 2),
    "time_channels": 8,
}


def small() -> LatentUNet:
    torch.manual_seed(3)
    network = LatentUNet(**SMALL)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.2)
    return network


def test_names_of_the_weights() -> None:
    """Files hold these names, and the fingerprint covers them."""
    block = [
        "norm.gain", "conv1.weight", "conv1.bias", "time.weight", "time.bias", "conv2.weight", "conv2.bias",
    ]  # fmt: skip
    both = ["weight", "bias"]
    expected = [
        *(f"time.{layer}.{name}" for layer in (0, 2) for name in both),
        *(f"conv_in.{name}" for name in both),
        *(f"before.0.{name}" for name in block),
        *(f"down.{name}" for name in both),
        *(f"middle.{index}.{name}" for index in (0, 1) for name in block),
        *(f"up.{name}" for name in both),
        *(f"after.0.{name}" for name in block),
        "norm_out.gain",
        *(f"conv_out.{name}" for name in both),
    ]
    assert sorted(LatentUNet(**SMALL).state_dict()) == sorted(expected)


def test_an_untrained_network_predicts_no_noise() -> None:
    sample = torch.randn(2, 4, 5, 7)
    assert not LatentUNet(**SMALL)(sample, 10).sample.any()


def test_configuration_and_weights_come_back(tmp_path: Path) -> None:
    network = small()
    assert network.config == SMALL
    network.save_pretrained(tmp_path / "new" / "unet", safe_serialization=True)
    config = json.loads((tmp_path / "new" / "unet" / "config.json").read_text())
    assert config["_class_name"] == "LatentUNet"
    assert config["layers_per_block"] == [1, 2]
    again = load_part(tmp_path / "new" / "unet", UNET_BUILDERS).network
    sample, timestep = torch.randn(2, 4, 5, 7), torch.tensor([3, 500])
    with torch.no_grad():
        expected = network.half().float()(sample, timestep).sample  # loaded weights are those of float16
        assert torch.equal(again(sample, timestep).sample, expected)
        assert torch.equal(copy.deepcopy(network)(sample, timestep).sample, expected)


def test_gradients_reach_every_weight() -> None:
    network = small()
    network(torch.randn(1, 4, 4, 4), 100).sample.square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("in_channels", 0), ("in_channels", 65), ("in_channels", "4"), ("in_channels", None),
        ("block_out_channels", [8]), ("block_out_channels", [8, 10**7]), ("block_out_channels", 8),
        ("layers_per_block", [1, -1]), ("layers_per_block", [1, 1, 1]), ("layers_per_block", [1, 10**5]),
        ("time_channels", 7), ("time_channels", 2), ("time_channels", True), ("sample_size", 64), ("self", 1),
    ],
)  # fmt: skip
def test_other_configurations_are_refused_by_name(field: str, value: object, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"_class_name": "LatentUNet", **SMALL, field: value}))
    with pytest.raises(SdzModelError) as caught:
        load_part(tmp_path, UNET_BUILDERS)
    assert caught.value.field == field
    assert caught.value.file == str(tmp_path / "config.json")
