"""The autoencoder of the shipped model: diffusers' AutoencoderDC, reimplemented in plain torch.

Importing diffusers would take longer than decoding. The weights have diffusers' names, so that its class can load them,
too; results differ by rounding only.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from pillow_sdz.limits import MAX_CHANNELS
from pillow_sdz.models.configuration import MAX_STAGES, MAX_WIDTH, own_fields, whole, wholes, wrong
from pillow_sdz.models.networks.autoencoder_blocks import DownBlock, ResBlock, RMSNorm, UpBlock, add_repeated, averaged
from pillow_sdz.models.networks.base import MAX_BLOCKS, Network

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


DEFAULTS: Final[dict[str, Any]] = {
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
"""Fields of AutoencoderDC with diffusers' defaults. ``attention_head_dim`` and the ``qkv_multiscales`` are ignored,
because residual blocks have no attention, and ``scaling_factor``, because a manifest has ``latent_scaling``."""

FIXED: Final = (
    "in_channels",
    "encoder_block_types",
    "decoder_block_types",
    "upsample_block_type",
    "downsample_block_type",
    "decoder_norm_types",
    "decoder_act_fns",
    "decoder_conv_act_fn",
)
"""Fields that must have their default; those whose name is in the plural may list it once per resolution."""

STAGES: Final = range(2, MAX_STAGES + 1)
"""How many resolutions an autoencoder may have."""


@dataclass(frozen=True)
class Half:
    """Sizes of the encoder or the decoder.

    Attributes:
        latent_channels: channels of the latent.
        widths: channels at each resolution, full resolution first.
        layers: residual blocks at each resolution. If the first number is 0, there is nothing at full resolution: the
            first convolution is a `DownBlock` to the second width, or the last one an `UpBlock` from it.
        shortcut: whether the convolution to or from the latent has a residual shortcut.
    """

    latent_channels: int
    widths: tuple[int, ...]
    layers: tuple[int, ...]
    shortcut: bool


def halves(config: Mapping[str, Any]) -> tuple[Half, Half]:
    """Check a complete configuration; returns (encoder, decoder).

    Raises:
        SdzModelError: a field asks for other blocks than those of `autoencoder_blocks`, or for sizes that do not fit.
    """
    for field in FIXED:
        allowed, found = DEFAULTS[field], config[field]
        repeated = field.endswith("s") and isinstance(found, list | tuple) and found and set(map(repr, found))
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
    widths = wholes(config, field, 1, MAX_WIDTH, STAGES)
    layers = wholes(config, layers_field, 0, MAX_BLOCKS, range(len(widths), len(widths) + 1))
    if 0 in layers[1:]:
        raise wrong(layers_field, layers, "a 0 in the first place only")
    if not isinstance(config[shortcut], bool):
        raise wrong(shortcut, config[shortcut], "true or false")
    latent = whole(config, "latent_channels", 1, MAX_CHANNELS)
    used = widths if layers[0] else widths[1:]
    if any(4 * before % after for before, after in pairwise(used)):
        raise wrong(field, widths, "each number a divisor of four times the number before")
    if side == "encoder" and any(width % 4 for width in widths[1:]):
        raise wrong(field, widths, "multiples of 4 from the second on")
    if config[shortcut] and widths[-1] % latent:
        raise wrong(field, widths, f"a last number that the {latent} latent channels divide")
    return Half(latent, widths, layers, config[shortcut])


class Encoded(NamedTuple):
    """What `Autoencoder.encode` returns."""

    latent: Tensor


class Decoded(NamedTuple):
    """What `Autoencoder.decode` returns."""

    sample: Tensor


class Encoder(nn.Module):
    """Pictures to latents."""

    def __init__(self, half: Half, pixel_channels: int) -> None:
        super().__init__()
        widths, layers = half.widths, half.layers
        self.conv_in: nn.Module
        if layers[0] > 0:
            self.conv_in = nn.Conv2d(pixel_channels, widths[0], 3, padding=1)
        else:
            self.conv_in = DownBlock(pixel_channels, widths[1], shortcut=False)
        stages = []
        for index, (width, count) in enumerate(zip(widths, layers, strict=True)):
            blocks: list[nn.Module] = [ResBlock(width) for _ in range(count)]
            if blocks and index + 1 < len(widths):
                blocks.append(DownBlock(width, widths[index + 1], shortcut=True))
            stages.append(nn.Sequential(*blocks))
        self.down_blocks = nn.ModuleList(stages)
        self.conv_out = nn.Conv2d(widths[-1], half.latent_channels, 3, padding=1)
        self.group = widths[-1] // half.latent_channels if half.shortcut else None

    def activations(self, picture: Tensor) -> Iterator[Tensor]:
        """What the encoder sees on the way to the latent: before and after each halving of the sides, and at the end.

        They come one after the other, so that those that are not asked for are not computed.
        """
        x = self.conv_in(picture)
        for stage in self.down_blocks:
            for block in stage:  # type: ignore[attr-defined]  # torch's stubs: a Module
                if isinstance(block, DownBlock):
                    yield x
                x = block(x)
                if isinstance(block, DownBlock):
                    yield x
        yield x

    def forward(self, picture: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, C, h, w); the factor must divide H and W."""
        x = self.conv_in(picture)
        for stage in self.down_blocks:
            x = stage(x)
        latent: Tensor = self.conv_out(x)
        return latent if self.group is None else latent.add_(averaged(x, self.group))


class Decoder(nn.Module):
    """Latents to pictures."""

    def __init__(self, half: Half, pixel_channels: int) -> None:
        super().__init__()
        widths, layers = half.widths, half.layers
        self.shortcut = half.shortcut
        self.conv_in = nn.Conv2d(half.latent_channels, widths[-1], 3, padding=1)
        stages = []
        for index, (width, count) in enumerate(zip(widths, layers, strict=True)):
            blocks: list[nn.Module] = [ResBlock(width) for _ in range(count)]
            if blocks and index + 1 < len(widths):
                blocks.insert(0, UpBlock(widths[index + 1], width, shortcut=True))
            stages.append(nn.Sequential(*blocks))
        self.up_blocks = nn.ModuleList(stages)
        self.conv_out: nn.Module
        if layers[0] > 0:
            self.norm_out = RMSNorm(widths[0])
            self.conv_out = nn.Conv2d(widths[0], pixel_channels, 3, padding=1)
        else:
            self.norm_out = RMSNorm(widths[1])
            self.conv_out = UpBlock(widths[1], pixel_channels, shortcut=False)

    def forward(self, latent: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, 3, H, W)."""
        x = self.conv_in(latent)
        if self.shortcut:
            x = add_repeated(x, latent)
        for stage in reversed(self.up_blocks):
            x = stage(x)
        picture: Tensor = self.conv_out(F.relu_(self.norm_out(x)))
        return picture


class Autoencoder(Network):
    """Picture to latent and back, for inference.

    Args:
        config: fields of `DEFAULTS`; those that are left out have their default.

    Attributes:
        spatial_compression_ratio: pixels per latent position along each axis.

    Raises:
        SdzModelError: a field has a value beyond the subset of AutoencoderDC that is built here.
    """

    class_name = "AutoencoderDC"
    fields = tuple(DEFAULTS)

    def __init__(self, **config: Any) -> None:
        super().__init__()
        self.config = DEFAULTS | own_fields(config, DEFAULTS)
        encoder, decoder = halves(self.config)
        self.encoder = Encoder(encoder, self.config["in_channels"])
        self.decoder = Decoder(decoder, self.config["in_channels"])
        self.spatial_compression_ratio = 2 ** (len(encoder.widths) - 1)

    def encode(self, picture: Tensor) -> Encoded:
        """(B, 3, H, W) in [-1, 1] -> latents (B, C, h, w); the factor must divide H and W."""
        return Encoded(self.encoder(picture))

    def decode(self, latent: Tensor) -> Decoded:
        """Latents (B, C, h, w) -> (B, 3, H, W), about [-1, 1] but not clamped."""
        return Decoded(self.decoder(latent))
