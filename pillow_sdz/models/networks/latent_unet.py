"""The U-Net of the shipped model: a small network that predicts quantisation noise.

diffusers' ``UNet2DModel`` normalises with GroupNorm, whose statistics are those of all that it is given: a tile would
get another result than the whole picture. `LatentUNet` normalises each position over its channels. Without gradients,
forward passes work in place, which takes less time and memory.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pillow_sdz.limits import MAX_CHANNELS
from pillow_sdz.models.configuration import MAX_WIDTH, whole, wholes, wrong
from pillow_sdz.models.networks.autoencoder_blocks import inverse_rms
from pillow_sdz.models.networks.base import MAX_BLOCKS, Network

EPSILON = 1e-5
"""Added to the mean square by which `ChannelNorm` divides."""


class LatentUNetOutput(NamedTuple):
    """What `LatentUNet` returns: ``sample``, the predicted noise, shaped like its input."""

    sample: Tensor


class ChannelNorm(nn.Module):
    """Root-mean-square normalisation over the channels of each position (Zhang and Sennrich 2019), with a gain."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, C, h, w)."""
        if torch.is_grad_enabled():
            scale = torch.rsqrt(x.float().square().mean(1, keepdim=True) + EPSILON).to(x.dtype)
            return x * scale * self.gain[:, None, None].to(x.dtype)
        return (x * inverse_rms(x, EPSILON)).mul_(self.gain[:, None, None].to(x.dtype))


class ResidualBlock(nn.Module):
    """x + conv2(SiLU(conv1(norm(x)) * (1 + scale) + shift)), initially the identity.

    Scale and shift of each channel are linear functions of the timestep's embedding (FiLM, Perez et al. 2018).
    """

    def __init__(self, channels: int, time_channels: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.time = nn.Linear(time_channels, 2 * channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.time.weight)
        nn.init.zeros_(self.time.bias)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """(B, C, h, w) and the timestep's embedding (B, time_channels) -> (B, C, h, w)."""
        scale, shift = self.time(time)[:, :, None, None].chunk(2, 1)
        h: Tensor = self.conv1(self.norm(x))
        if torch.is_grad_enabled():
            change: Tensor = self.conv2(F.silu(h * (1 + scale) + shift))
            return x + change
        change = self.conv2(F.silu(h.mul_(1 + scale).add_(shift), inplace=True))
        return change.add_(x)


class LatentUNet(Network):
    """Predicts the noise in a latent, given the timestep that stands for its noise level.

    It has two resolutions, convolutions only, and normalisation over channels only: an output position depends on
    latents at most `receptive_radius` positions away, whatever the size of the picture. The last convolution is
    initially zero, so that an untrained U-Net predicts no noise.

    Args:
        in_channels: channels of the latent.
        block_out_channels: channels at full and at half latent resolution.
        layers_per_block: (n, m): n residual blocks at full resolution before the m at half resolution, and n after.
        time_channels: width of the timestep embedding, even.

    Raises:
        SdzModelError: a number is out of range; the error names the argument.
    """

    class_name = "LatentUNet"
    fields = ("in_channels", "block_out_channels", "layers_per_block", "time_channels")

    def __init__(
        self,
        in_channels: int = 4,
        block_out_channels: tuple[int, int] = (64, 160),
        layers_per_block: tuple[int, int] = (1, 4),
        time_channels: int = 64,
    ) -> None:
        super().__init__()
        values = (in_channels, block_out_channels, layers_per_block, time_channels)
        self.config = dict(zip(self.fields, values, strict=True))
        whole(self.config, "in_channels", 1, MAX_CHANNELS)
        whole(self.config, "time_channels", 4, MAX_WIDTH)
        if time_channels % 2:
            raise wrong("time_channels", time_channels, "an even number")
        full, half = wholes(self.config, "block_out_channels", 1, MAX_WIDTH, range(2, 3))
        wholes(self.config, "layers_per_block", 0, MAX_BLOCKS, range(2, 3))
        self.time = nn.Sequential(
            nn.Linear(time_channels, time_channels), nn.SiLU(), nn.Linear(time_channels, time_channels), nn.SiLU()
        )
        self.conv_in = nn.Conv2d(in_channels, full, 3, padding=1)
        self.before = nn.ModuleList(ResidualBlock(full, time_channels) for _ in range(layers_per_block[0]))
        self.down = nn.Conv2d(full, half, 2, stride=2)
        self.middle = nn.ModuleList(ResidualBlock(half, time_channels) for _ in range(layers_per_block[1]))
        self.up = nn.Conv2d(half, 4 * full, 1)
        self.after = nn.ModuleList(ResidualBlock(full, time_channels) for _ in range(layers_per_block[0]))
        self.norm_out = ChannelNorm(full)
        self.conv_out = nn.Conv2d(full, in_channels, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)  # type: ignore[arg-type]

    @property
    def receptive_radius(self) -> int:
        """How many latent positions away an input can change an output."""
        outer, inner = self.config["layers_per_block"]
        return 2 + 2 * 2 * int(outer) + 2 * (2 * int(inner) + 1)

    def forward(self, sample: Tensor, timestep: Tensor | int) -> LatentUNetOutput:
        """Predict the noise of ``sample`` (B, C, h, w) at ``timestep`` (a number or B numbers, 0 to 999)."""
        height, width = sample.shape[-2:]
        x = F.pad(sample, (0, width % 2, 0, height % 2), mode="replicate")
        time = self.time(self._embed(torch.as_tensor(timestep, device=sample.device)).to(sample.dtype))
        x = self.conv_in(x)
        for block in self.before:
            x = block(x, time)
        skip = x
        x = self.down(x)
        for block in self.middle:
            x = block(x, time)
        x = F.pixel_shuffle(self.up(x), 2)
        x = skip + x if torch.is_grad_enabled() else x.add_(skip)
        del skip
        for block in self.after:
            x = block(x, time)
        x = self.conv_out(F.silu(self.norm_out(x)))
        return LatentUNetOutput(sample=x[..., :height, :width])

    def _embed(self, timestep: Tensor) -> Tensor:
        """Sinusoidal embedding of the timestep (Vaswani et al. 2017), periods from 1 to 10,000 timesteps."""
        half = int(self.config["time_channels"]) // 2
        frequencies = torch.exp(torch.arange(half, device=timestep.device) * (-math.log(10_000) / (half - 1)))
        angles = timestep.reshape(-1, 1).float() * frequencies
        return torch.cat([angles.sin(), angles.cos()], 1)
