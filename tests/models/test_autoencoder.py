"""`Autoencoder` computes what diffusers' AutoencoderDC computes with the same weights; other forms are refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import torch
from diffusers import AutoencoderDC

from pillow_sdz.errors import SdzModelError
from pillow_sdz.models import registry
from pillow_sdz.models.loading import AUTOENCODER_BUILDERS, load_part
from pillow_sdz.models.networks.autoencoder import DEFAULTS, Autoencoder

if TYPE_CHECKING:
    from pathlib import Path


def config(widths: tuple[int, ...], layers: tuple[int, ...], **others: Any) -> dict[str, Any]:
    none = ((),) * len(widths)
    return {
        "encoder_block_out_channels": widths, "decoder_block_out_channels": widths,
        "encoder_layers_per_block": layers, "decoder_layers_per_block": layers,
        "encoder_qkv_multiscales": none, "decoder_qkv_multiscales": none,
        **others,
    }  # fmt: skip


FORMS = {
    "like tiny": config((8, 16, 32), (0, 1, 2), latent_channels=4),
    "no shortcuts at the latent": config(
        (8, 16, 32, 32), (0, 2, 1, 1), latent_channels=5, encoder_out_shortcut=False, decoder_in_shortcut=False
    ),
    "blocks at full size": config((12, 12, 24), (1, 1, 1), latent_channels=8) | {"decoder_layers_per_block": (2, 1, 1)},
    "named per block": config(
        (8, 16), (0, 1), latent_channels=16, encoder_block_types=["ResBlock"] * 2, decoder_act_fns=["silu"] * 2
    ),
}


def pair(fields: dict[str, Any]) -> tuple[AutoencoderDC, Autoencoder]:
    """The same random weights in both classes."""
    torch.manual_seed(5)
    theirs, ours = AutoencoderDC(**fields).eval(), Autoencoder(**fields).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.normal_(std=0.2)
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_equals_diffusers(form: str, layout: torch.memory_format) -> None:
    theirs, ours = pair(FORMS[form])
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert ours.spatial_compression_ratio == theirs.spatial_compression_ratio
    ours = ours.to(memory_format=layout)  # type: ignore[call-overload]  # torch's stubs lack it
    factor = ours.spatial_compression_ratio
    for height, width in ((1, 1), (3, 5), (4, 7)):
        picture = torch.rand(2, 3, height * factor, width * factor)
        before = picture.clone()
        with torch.inference_mode():
            latent = theirs.encode(picture).latent
            torch.testing.assert_close(
                ours.encode(picture.to(memory_format=layout)).latent, latent, rtol=1e-4, atol=1e-4
            )
            kept = latent.clone()
            decoded = theirs.decode(latent).sample
            again = ours.decode(latent.to(memory_format=layout)).sample
            torch.testing.assert_close(again, decoded, rtol=1e-4, atol=1e-4)
        assert torch.equal(picture, before), "inputs are not changed"
        assert torch.equal(latent, kept), "inputs are not changed"


@torch.inference_mode()
def test_bfloat16_is_close() -> None:
    theirs, ours = pair(FORMS["like tiny"])
    latent = torch.rand(1, 4, 3, 5)
    ours.bfloat16()
    decoded = ours.decode(latent.bfloat16()).sample
    assert decoded.dtype == torch.bfloat16
    torch.testing.assert_close(decoded.float(), theirs.decode(latent).sample, rtol=0.1, atol=0.1)


def test_gradients_of_inputs_are_those_of_diffusers() -> None:
    theirs, ours = pair(FORMS["like tiny"])
    for name, shape in (("decode", (1, 4, 3, 5)), ("encode", (1, 3, 24, 40))):
        given = torch.randn(shape, requires_grad=True)
        found, expected = (
            torch.autograd.grad(getattr(network, name)(given)[0].square().sum(), given)[0] for network in (ours, theirs)
        )
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))


def test_each_reads_what_the_other_writes(tmp_path: Path) -> None:
    theirs, ours = pair(FORMS["like tiny"])
    ours.save_pretrained(tmp_path / "ours")
    theirs.save_pretrained(tmp_path / "theirs")
    theirs.save_pretrained(tmp_path / "sharded", max_shard_size="40KB")
    assert len(list((tmp_path / "sharded").glob("*.safetensors"))) > 1
    expected = ours.state_dict()
    back = AutoencoderDC.from_pretrained(tmp_path / "ours").state_dict()
    for name, tensor in expected.items():
        assert torch.equal(tensor, back[name])
    for form in ("ours", "theirs", "sharded"):
        part = load_part(tmp_path / form, AUTOENCODER_BUILDERS)
        assert isinstance(part.network, Autoencoder)
        assert part.network.config.keys() == ours.config.keys()
        for name, tensor in part.network.state_dict().items():  # the decoder as the fingerprint covers it, in float16
            rounded = expected[name].half().float() if name.startswith("decoder.") else expected[name]
            assert torch.equal(tensor, rounded)


def test_only_safetensors_are_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="safetensors"):
        Autoencoder(**FORMS["like tiny"]).save_pretrained(tmp_path, safe_serialization=False)


def test_defaults_are_those_of_diffusers() -> None:
    import inspect

    signature = inspect.signature(AutoencoderDC.__init__).parameters
    assert {name: value.default for name, value in signature.items() if name != "self"} == DEFAULTS


REFUSED: list[tuple[str, object]] = [
    ("encoder_block_types", "EfficientViTBlock"),
    ("decoder_block_types", ["ResBlock", "ResBlock", "EfficientViTBlock"]),
    ("encoder_block_types", []),
    ("decoder_norm_types", "batch_norm"),
    ("decoder_act_fns", "relu6"),
    ("decoder_conv_act_fn", ["relu"]),
    ("upsample_block_type", "interpolate"),
    ("downsample_block_type", None),
    ("in_channels", 4),
    ("in_channels", 3.0),
    ("latent_channels", 0),
    ("latent_channels", 65),
    ("latent_channels", True),
    ("latent_channels", "4"),
    ("encoder_block_out_channels", [8, 16]),
    ("encoder_block_out_channels", [8, 16, 32, 64]),
    ("encoder_block_out_channels", [8, 16, 33]),
    ("encoder_block_out_channels", [8, 16, 128]),
    ("encoder_block_out_channels", [8, 18, 36]),
    ("encoder_block_out_channels", [8, 16, 10**9]),
    ("encoder_block_out_channels", [8, 16, -32]),
    ("encoder_block_out_channels", 8),
    ("encoder_block_out_channels", [8, 16, "32"]),
    ("decoder_block_out_channels", [8, 16, 34]),
    ("decoder_block_out_channels", []),
    ("encoder_layers_per_block", [0, 1]),
    ("encoder_layers_per_block", [0, 0, 1]),
    ("decoder_layers_per_block", [0, 1, 10**6]),
    ("decoder_layers_per_block", [0, 1, 1.0]),
    ("decoder_in_shortcut", 1),
    ("encoder_out_shortcut", "yes"),
    ("use_quant_conv", True),
    ("self", 1),
]


@pytest.mark.parametrize(("field", "value"), REFUSED)
def test_other_configurations_are_refused_by_name(field: str, value: object, tmp_path: Path) -> None:
    fields = FORMS["like tiny"] | {field: value}
    if field == "encoder_block_out_channels" and value == [8, 16]:
        fields["encoder_layers_per_block"] = [0, 1]
        field = "decoder_block_out_channels"
    elif field in ("encoder_block_out_channels", "decoder_block_out_channels") and isinstance(value, list):
        layers = field.replace("block_out_channels", "layers_per_block")
        fields[layers] = [0, 1, 2, 1][: len(value)]
        field = "decoder_block_out_channels" if len(value) == 4 else field
    (tmp_path / "config.json").write_text(json.dumps({"_class_name": "AutoencoderDC", **fields}))
    with pytest.raises(SdzModelError) as caught:
        load_part(tmp_path, AUTOENCODER_BUILDERS)
    assert caught.value.field == field
    assert caught.value.file == str(tmp_path / "config.json")


def test_weights_must_fit(tmp_path: Path) -> None:
    _, ours = pair(FORMS["like tiny"])

    def refused(field: str, **change: Any) -> None:
        ours.save_pretrained(tmp_path)
        path = tmp_path / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
        with pytest.raises(SdzModelError, match="cannot load the weights") as caught:
            load_part(tmp_path, AUTOENCODER_BUILDERS)
        assert caught.value.field == field

    refused("decoder.up_blocks.2.2.conv1.bias", decoder_layers_per_block=[0, 1, 3])
    refused("encoder.down_blocks.2.1.conv1.bias", encoder_layers_per_block=[0, 1, 1])
    refused("decoder.conv_in.weight", latent_channels=8)


@pytest.mark.parametrize("index", ["{", "[]", '{"weight_map": {"a": "../up.safetensors"}}', '{"weight_map": {"a": 1}}'])
def test_a_damaged_index_is_refused(tmp_path: Path, index: str) -> None:
    _, ours = pair(FORMS["like tiny"])
    ours.save_pretrained(tmp_path)
    (tmp_path / "diffusion_pytorch_model.safetensors.index.json").write_text(index)
    with pytest.raises(SdzModelError, match="cannot load the weights"):
        load_part(tmp_path, AUTOENCODER_BUILDERS)


def test_the_shipped_model_equals_diffusers() -> None:
    folder = registry.find("tiny").folder / "vae"
    theirs = AutoencoderDC.from_pretrained(folder, torch_dtype=torch.float32).eval()
    ours = load_part(folder, AUTOENCODER_BUILDERS).network.eval()
    with torch.inference_mode():
        picture = torch.rand(1, 3, 40, 24) * 2 - 1
        latent = theirs.encode(picture).latent
        torch.testing.assert_close(ours.encode(picture).latent, latent, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(ours.decode(latent).sample, theirs.decode(latent).sample, rtol=1e-4, atol=1e-4)
