"""The autoencoder of ``tiny``, in plain torch: diffusers' AutoencoderDC without the seconds of importing diffusers.

Weights have diffusers' names, so that its class loads them too, and the results are equal within rounding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from pillow_sdz.models.configuration import own_fields
from pillow_sdz.models.networks.autoencoder_blocks import DownBlock, ResBlock, RMSNorm, UpBlock, add_repeated, averaged
from pillow_sdz.models.networks.autoencoder_config import DEFAULTS, halves
from pillow_sdz.models.networks.base import Network

if TYPE_CHECKING:
    from pillow_sdz.models.networks.autoencoder_config import Half


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
        config: the fields of `autoencoder_config.DEFAULTS`, which says what is left out.

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
        """Latents (B, C, h, w) -> (B, 3, H, W), about [-1, 1]."""
        return Decoded(self.decoder(latent))
