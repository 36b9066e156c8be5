"""The configurations of diffusers' AutoencoderDC that `autoencoder.Autoencoder` builds: residual blocks only."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pillow_sdz.limits import MAX_CHANNELS
from pillow_sdz.models.configuration import whole, wholes, wrong

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULTS: dict[str, Any] = {
    "in_channels": 3,
    "latent_channels": 32,
    "attention_head_dim": 32,
    "encoder_block_types": "ResBlock",
    "decoder_block_types": "ResBlock",
    "encoder_block_out_channels": (128, 256, 512, 512, 1024, 1024),
    "decoder_block_out_channels": (128, 256, 512, 512, 1024, 1024),
    "encoder_layers_per_block": (2, 2, 2, 3, 3, 3),
    "decoder_layers_per_block": (3, 3, 3, 3, 3, 3),
    "encoder_qkv_multiscales": ((), (), (), (5,), (5,), (5,)),
    "decoder_qkv_multiscales": ((), (), (), (5,), (5,), (5,)),
    "upsample_block_type": "pixel_shuffle",
    "downsample_block_type": "pixel_unshuffle",
    "decoder_norm_types": "rms_norm",
    "decoder_act_fns": "silu",
    "encoder_out_shortcut": True,
    "decoder_in_shortcut": True,
    "decoder_conv_act_fn": "relu",
    "scaling_factor": 1.0,
}
"""diffusers' own. ``attention_head_dim`` and the ``qkv_multiscales`` say nothing about residual blocks;
``scaling_factor`` is for programs around the autoencoder (a manifest of ours has ``latent_scaling``)."""

ONLY = (
    "in_channels", "encoder_block_types", "decoder_block_types", "upsample_block_type", "downsample_block_type",
    "decoder_norm_types", "decoder_act_fns", "decoder_conv_act_fn",
)  # fmt: skip
"""Fields that must have their default; those in the plural may repeat it for each block."""

MAX_WIDTH, MAX_LAYERS = 4096, 64
BLOCKS = range(2, 8)  # a factor of 64 pixels is the most that a manifest allows


@dataclass(frozen=True)
class Half:
    """Encoder or decoder. The first of ``layers`` may be 0: pixels then go straight to the second width and back.

    Attributes:
        latent_channels: of the narrow end.
        widths: channels at each resolution, full resolution first.
        layers: residual blocks at each.
        shortcut: whether the narrow end has one.
    """

    latent_channels: int
    widths: tuple[int, ...]
    layers: tuple[int, ...]
    shortcut: bool


def halves(config: Mapping[str, Any]) -> tuple[Half, Half]:
    """Check a complete configuration; returns (encoder, decoder).

    Raises:
        SdzModelError: a field asks for something else than this project's blocks, or for blocks that do not fit.
    """
    for field in ONLY:
        allowed, found = DEFAULTS[field], config[field]
        repeated = field.endswith("s") and isinstance(found, (list, tuple)) and found and set(map(repr, found))
        if repr(found) != repr(allowed) and repeated != {repr(allowed)}:
            raise wrong(field, found, str(allowed))
    encoder = _half(config, "encoder", "encoder_out_shortcut")
    decoder = _half(config, "decoder", "decoder_in_shortcut")
    if len(encoder.widths) != len(decoder.widths):
        field = "decoder_block_out_channels"
        raise wrong(field, config[field], f"{len(encoder.widths)} numbers, as the encoder has")
    return encoder, decoder


def _half(config: Mapping[str, Any], side: str, shortcut: str) -> Half:
    field, layers_field = f"{side}_block_out_channels", f"{side}_layers_per_block"
    widths = wholes(config, field, 1, MAX_WIDTH, BLOCKS)
    layers = wholes(config, layers_field, 0, MAX_LAYERS, range(len(widths), len(widths) + 1))
    if 0 in layers[1:]:
        raise wrong(layers_field, layers, "no 0 but in the first place")
    if not isinstance(config[shortcut], bool):
        raise wrong(shortcut, config[shortcut], "true or false")
    latent = whole(config, "latent_channels", 1, MAX_CHANNELS)
    used = widths if layers[0] else widths[1:]
    if any(4 * wide % deep for wide, deep in pairwise(used)):
        raise wrong(field, widths, "each number a divisor of four times the number before")
    if side == "encoder" and any(width % 4 for width in widths[1:]):
        raise wrong(field, widths, "multiples of 4 from the second on")
    if config[shortcut] and widths[-1] % latent:
        raise wrong(field, widths, f"a last number that the {latent} latent channels divide")
    return Half(latent, widths, layers, config[shortcut])
