"""The prior being trained: how likely each latent value is, given the positions and channels coded before it.

`pillow_sdz.payloads.scalar.prior` computes the same in whole numbers. Values here are codes less 128, as floats.
"""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pillow_sdz.payloads.scalar.scan import NEIGHBOURS, NETWORKS, passes

UNIT = 32.0
"""Codes per unit of what the networks see and say."""

SCALE_START = 3.0
"""Logarithm (base 2) of the distribution's scale in codes that an output of zero stands for."""

SMALLEST, LARGEST = -4.0, 4.75
"""Range of the logarithm of scale / step; the tables of `pillow_sdz.payloads.scalar.tables` have the same."""


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
            own: (B, n, C), the values themselves, as they are known later; a group sees those of earlier groups only.
            log_step: (B,), log2 of the quantiser's step.
        """
        shared, near = self._share(context, log_step)
        means, scales = zip(*(self._predict(g, shared, near, own) for g in range(len(self.out))), strict=True)
        return torch.cat(means, 2), torch.cat(scales, 2)

    def quantise(self, context: Tensor, targets: Tensor, step: Tensor) -> Tensor:
        """Round ``targets`` (B, n, C) group after group, each in steps from what is predicted; ``step`` is (B,)."""
        shared, near = self._share(context, step.log2())
        known = torch.zeros_like(targets)
        for g in range(len(self.out)):
            channels = slice(g * self.size, (g + 1) * self.size)
            mean, _ = self._predict(g, shared, near, known)
            known[..., channels] = rounded(targets[..., channels], mean, step)
        return known

    def _share(self, context: Tensor, log_step: Tensor) -> tuple[Tensor, Tensor]:
        """What all groups see: the hidden values they share, and the means of the four nearest neighbours."""
        b, n = context.shape[:2]
        step = ((log_step - 5) / 2)[:, None, None].expand(b, n, 1)
        inputs = torch.cat([context.reshape(b, n, -1) / UNIT, step], 2)
        return F.relu(self.context(inputs)), context[:, :, :4].mean(2)

    def _predict(self, group: int, shared: Tensor, near: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log2 of the scale of one group's channels."""
        first = group * self.size
        seen = torch.cat([shared, own[..., :first] / UNIT], 2)
        result = self.out[group](F.relu(self.hidden[group](seen)))
        mean = result[..., : self.size] * UNIT + near[..., first : first + self.size]
        return mean, result[..., self.size :] + SCALE_START


def rounded(targets: Tensor, mean: Tensor, step: Tensor) -> Tensor:
    """Whole codes less 128, the nearest to ``targets`` (B, n, C) among those that lie whole steps from the mean."""
    mean, step = mean.clamp(-128, 127), step[:, None, None]
    return (mean + ((targets - mean) / step).round() * step).round().clamp(-128, 127)


class LatentPrior(nn.Module):
    """All networks of a prior, and the one distribution per channel of pass 0."""

    def __init__(self, channels: int, groups: int = 4, wide: int = 64, deep: int = 48) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.cat([torch.zeros(1, channels), torch.full((1, channels), 5.0)]))
        self.networks = nn.ModuleList(PassNetwork(channels, groups, wide, deep) for _ in range(NETWORKS))

    def forward(self, values: Tensor, step: Tensor, known: Tensor | None = None) -> Tensor:
        """Bits that the values of each picture take, (B,).

        Args:
            values: (B, C, h, w), codes less 128: as a file gives them back, or with uniform noise in place of rounding.
            step: (B,), in codes.
            known: what is seen of each value when others are predicted, if that is not ``values``.
        """
        b, _, h, w = values.shape
        flat = values.flatten(2).transpose(1, 2)
        seen = F.pad((values if known is None else known).flatten(2), (0, 1)).transpose(1, 2)
        log_step = step.log2()
        total = torch.zeros(b, device=values.device)
        for number, positions, near in _passes(h, w, values.device):
            if number is None:
                mean, log_scale = self.first[0], self.first[1]
            else:
                mean, log_scale = self.networks[number](_around(seen, near), seen.index_select(1, positions), log_step)
            own = flat.index_select(1, positions)
            total = total + bits(own, mean, log_scale, step[:, None, None]).sum((1, 2))
        return total

    @torch.no_grad()
    def quantise(self, values: Tensor, step: Tensor) -> Tensor:
        """What a file gives back of codes less 128: each is rounded in steps from what is predicted from those before.

        Args:
            values: (B, C, h, w), not rounded.
            step: (B,), in codes.
        """
        b, c, h, w = values.shape
        targets = values.float().flatten(2).transpose(1, 2)
        known = targets.new_zeros(b, h * w + 1, c)
        with torch.autocast(values.device.type, enabled=False):  # a prediction in bfloat16 is off by half a code
            for number, positions, near in _passes(h, w, values.device):
                own = targets.index_select(1, positions)
                if number is None:
                    result = rounded(own, self.first[0].expand_as(own), step)
                else:
                    result = self.networks[number].quantise(_around(known, near), own, step)
                known.index_copy_(1, positions, result)
        return known[:, :-1].transpose(1, 2).reshape(values.shape)


@cache  # a CUDA graph goes on reading what it has recorded
def _passes(height: int, width: int, device: torch.device) -> list[tuple[int | None, Tensor, Tensor]]:
    """Network, positions and neighbours of each pass, where the latents are."""
    return [
        (each.network, torch.from_numpy(each.positions).to(device), torch.from_numpy(each.neighbours).to(device))
        for each in passes(height, width)
    ]


def _around(known: Tensor, near: Tensor) -> Tensor:
    """What is known (B, h * w + 1, C) at the neighbours (n, 12) of positions: (B, n, 12, C)."""
    return known.index_select(1, near.reshape(-1)).unflatten(1, (len(near), NEIGHBOURS))


def bits(value: Tensor, mean: Tensor, log_scale: Tensor, step: Tensor) -> Tensor:
    """Minus log2 of the probability of the interval of one step around ``value`` under a logistic distribution."""
    relative = torch.maximum(
        torch.minimum(log_scale - step.log2(), torch.full_like(step, LARGEST)), torch.full_like(step, SMALLEST)
    )
    scale = step * torch.exp2(relative)
    distance = (value - mean).abs()
    low, high = (-distance - step / 2) / scale, (-distance + step / 2) / scale
    return -(torch.sigmoid(high) - torch.sigmoid(low)).clamp(min=2**-20).log2()
