"""A model's fingerprint: a hash of all that decoding needs, by which files name the model that decodes them.

It covers the weights of the decoder and the U-Net, the code mapping with the prior, and every number besides weights
that changes pixels: `Decoding`. It does not cover the encoder: files that a better encoder writes open with the models
that are installed already. `integrity` compares it with the manifest's.

One checkpoint has one fingerprint in every storage form: single file or shards, float32 or float16.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from pillow_sdz.models.configuration import CLASS_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from pillow_sdz.models.code_mapping import CodeMapping

Weights: TypeAlias = "Tensor | NDArray[np.float16]"
"""A tensor of any float type, as torch or `pillow_sdz.models.half_weights` read it."""

ENCODER_PREFIXES: Final = ("encoder.", "quant_conv.")
"""Names of an autoencoder's tensors that start like this are the encoder's; all others are the decoder's."""

DECODER_FIELDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "AutoencoderDC": {"decoder_in_shortcut": True},
    "AutoencoderKL": {"act_fn": "silu", "norm_num_groups": 32},
    "AutoencoderTiny": {"act_fn": "relu", "upsample_fn": "nearest"},
}
"""Fields of a decoder's configuration that change pixels and that its tensors do not show, with diffusers' defaults."""

UNET_FIELDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "LatentUNet": {},
    "UNet2DConditionModel": {
        "act_fn": "silu",
        "attention_head_dim": 8,
        "center_input_sample": False,
        "cross_attention_norm": None,
        "downsample_padding": 1,
        "flip_sin_to_cos": True,
        "freq_shift": 0,
        "mid_block_scale_factor": 1.0,
        "norm_eps": 1e-5,
        "norm_num_groups": 32,
        "num_attention_heads": None,
        "only_cross_attention": False,
        "resnet_out_scale_factor": 1.0,
        "resnet_skip_time_act": False,
        "resnet_time_scale_shift": "default",
        "time_embedding_act_fn": None,
        "time_embedding_type": "positional",
        "timestep_post_act": None,
    },
}
"""As `DECODER_FIELDS`, of U-Nets."""

SCHEDULE_FIELDS: Final[Mapping[str, Any]] = {
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "beta_start": 1e-4,
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "rescale_betas_zero_snr": False,
    "trained_betas": None,
}
"""Fields of a scheduler's configuration that say which noise the U-Net was trained to remove, with diffusers' defaults.
How it is removed, the scheduler's class and its other fields, is the reader's choice."""


@dataclass(frozen=True)
class Decoding:
    """All numbers besides weights by which a model decodes.

    Attributes:
        codes: the code mapping.
        vae: the autoencoder's configuration, with the name of its class.
        unet, scheduler: those of U-Net and scheduler; both None for a model without a U-Net.
        latent_scaling, latent_shift: the U-Net works on (latent - shift) * scaling.
    """

    codes: CodeMapping
    vae: Mapping[str, Any]
    unet: Mapping[str, Any] | None = None
    scheduler: Mapping[str, Any] | None = None
    latent_scaling: float = 1.0
    latent_shift: float = 0.0

    def canonical_json(self) -> bytes:
        """The form that the fingerprint covers: sorted keys, no spaces, ASCII."""
        fields: dict[str, Any] = {"codes": self.codes.fields(), "decoder": _covered(self.vae, DECODER_FIELDS)}
        if self.unet is not None:
            schedule = self.scheduler or {}
            fields["denoiser"] = _covered(self.unet, UNET_FIELDS)
            fields["latent_scaling"] = float(self.latent_scaling)
            fields["latent_shift"] = float(self.latent_shift)
            fields["schedule"] = {name: _value(schedule, name, default) for name, default in SCHEDULE_FIELDS.items()}
        return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


def _covered(config: Mapping[str, Any], covered: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The class of a network, and those fields of its configuration that the fingerprint covers."""
    name = str(config.get(CLASS_KEY))
    return {"class": name} | {key: _value(config, key, default) for key, default in covered.get(name, {}).items()}


def _value(config: Mapping[str, Any], name: str, default: Any) -> Any:
    """A field, or its default; real numbers as float, because JSON files may have 0 for 0.0."""
    value = config.get(name, default)
    return float(value) if isinstance(default, float) and isinstance(value, int) else value


def decoding_tensors(vae: Mapping[str, Weights], unet: Mapping[str, Weights] | None) -> dict[str, Weights]:
    """The weights that decoding needs, under the names that the fingerprint covers.

    Args:
        vae: the autoencoder's weights, by the names of its state dictionary; the encoder's are left out.
        unet: those of the U-Net, or None for a model without one.
    """
    tensors = {f"vae.{name}": tensor for name, tensor in vae.items() if not name.startswith(ENCODER_PREFIXES)}
    return tensors | {f"unet.{name}": tensor for name, tensor in (unet or {}).items()}


def encoder_tensors(vae: Mapping[str, Weights]) -> dict[str, Weights]:
    """The encoder's weights, by their names in the autoencoder's; empty for a model that only opens files."""
    return {name: tensor for name, tensor in vae.items() if name.startswith(ENCODER_PREFIXES)}


def fingerprint(tensors: Mapping[str, Weights], decoding: Decoding) -> str:
    """SHA-256, in hex, over the tensors as in `digest_of`, then over the canonical JSON of ``decoding``.

    Args:
        tensors: from `decoding_tensors`; of any float type.
        decoding: the numbers besides weights.
    """
    digest = _hash(tensors)
    digest.update(decoding.canonical_json())
    return str(digest.hexdigest())


def digest_of(tensors: Mapping[str, Weights]) -> str:
    """SHA-256, in hex, over tensors sorted by name.

    Each tensor contributes its UTF-8 name, NUL, its shape as decimal numbers joined by ``x``, NUL, and its values as
    little-endian float16 in C order, so that float16 and float32 copies of one checkpoint agree. The names are those
    of diffusers' state dictionaries, so that sharded and single-file copies agree.
    """
    return str(_hash(tensors).hexdigest())


def _hash(tensors: Mapping[str, Weights]) -> Any:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        values = _half(tensors[name])
        digest.update(name.encode() + b"\0" + "x".join(map(str, values.shape)).encode() + b"\0")
        digest.update(values.data)
    return digest


def _half(tensor: Weights) -> NDArray[np.float16]:
    """The values as little-endian float16 in C order; those that are so already are not copied."""
    if not isinstance(tensor, np.ndarray):
        import torch

        tensor = tensor.detach().to("cpu", torch.float16).contiguous().numpy()
    return np.asarray(tensor, "<f2", order="C")
