"""The prior being trained: how likely each latent value is, given the positions and channels coded before it.

`pillow_sdz.prior` computes the same in whole numbers. Values here are codes less 128, as floats.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pillow_sdz.passes import NEIGHBOURS, NETWORKS, passes

UNIT = 32.0
"""Codes per unit of what the networks see and say."""

SCALE_START = 3.0
"""Logarithm (base 2) of the distribution's scale in codes that an output of zero stands for."""

SMALLEST, LARGEST = -4.0, 4.75
"""Range of the logarithm of scale / step; the tables of `pillow_sdz.prior_tables` have the same."""


class PassNetwork(nn.Module):
    """Predicts mean and scale of each channel of a position, group of channels by group of channels.

    Args:
        channels: latent channels.
        groups: channels / groups channels at a time; a group sees the ones before it at the same position.
        wide, deep: hidden values of the first layer, shared, and of each group's second layer.
    """

    def __init__(self, channels: int, groups: int, wide: int, deep: int) -> None:
        super().__init__()
        self.size = channels // groups
        self.context = nn.Linear(NEIGHBOURS * channels + 1, wide)
        self.hidden = nn.ModuleList(nn.Linear(wide + g * self.size, deep) for g in range(groups))
        self.out = nn.ModuleList(nn.Linear(deep, 2 * self.size) for _ in range(groups))
        for layer in self.out:
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, context: Tensor, own: Tensor, log_step: Tensor) -> tuple[Tensor, Tensor]:
        """Mean (in codes) and log2 of the scale, (B, n, C) each.

        Args:
            context: (B, n, 12, C), the neighbours' values.
            own: (B, n, C), the values to predict; a group sees those of earlier groups only.
            log_step: (B,), log2 of the quantiser's step.
        """
        b, n = context.shape[:2]
        step = ((log_step - 5) / 2)[:, None, None].expand(b, n, 1)
        shared = F.relu(self.context(torch.cat([context.reshape(b, n, -1) / UNIT, step], 2)))
        outputs = []
        for g, (hidden, out) in enumerate(zip(self.hidden, self.out, strict=True)):
            seen = torch.cat([shared, own[..., : g * self.size] / UNIT], 2)
            outputs.append(out(F.relu(hidden(seen))))
        mean = torch.cat([o[..., : self.size] for o in outputs], 2) * UNIT + context[:, :, :4].mean(2)
        return mean, torch.cat([o[..., self.size :] for o in outputs], 2) + SCALE_START


class LatentPrior(nn.Module):
    """All networks of a prior, and the one distribution per channel of pass 0."""

    def __init__(self, channels: int, groups: int = 4, wide: int = 64, deep: int = 48) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.cat([torch.zeros(1, channels), torch.full((1, channels), 5.0)]))
        self.networks = nn.ModuleList(PassNetwork(channels, groups, wide, deep) for _ in range(NETWORKS))

    def forward(self, values: Tensor, step: Tensor) -> Tensor:
        """Bits that the values of each picture take, (B,).

        Args:
            values: (B, C, h, w), codes less 128: multiples of the step, or with uniform noise in place of rounding.
            step: (B,), in codes.
        """
        b, c, h, w = values.shape
        flat = F.pad(values.flatten(2), (0, 1)).transpose(1, 2)
        log_step = step.log2()
        total = torch.zeros(b, device=values.device)
        for number, positions, near in _passes(h, w, values.device):
            own = flat[:, positions]
            if number is None:
                mean, log_scale = self.first[0], self.first[1]
            else:
                context = flat[:, near.reshape(-1)].view(b, len(near), NEIGHBOURS, c)
                mean, log_scale = self.networks[number](context, own, log_step)
            total = total + bits(own, mean, log_scale, step[:, None, None]).sum((1, 2))
        return total


@lru_cache(maxsize=8)
def _passes(height: int, width: int, device: torch.device) -> list[tuple[int | None, Tensor, Tensor]]:
    """Network, positions and neighbours of each pass, where the latents are."""
    return [
        (each.network, torch.from_numpy(each.positions).to(device), torch.from_numpy(each.neighbours).to(device))
        for each in passes(height, width)
    ]


def bits(value: Tensor, mean: Tensor, log_scale: Tensor, step: Tensor) -> Tensor:
    """Minus log2 of the probability of the interval of one step around ``value`` under a logistic distribution."""
    relative = torch.maximum(
        torch.minimum(log_scale - step.log2(), torch.full_like(step, LARGEST)), torch.full_like(step, SMALLEST)
    )
    scale = step * torch.exp2(relative)
    distance = (value - mean).abs()
    low, high = (-distance - step / 2) / scale, (-distance + step / 2) / scale
    return -(torch.sigmoid(high) - torch.sigmoid(low)).clamp(min=2**-20).log2()
