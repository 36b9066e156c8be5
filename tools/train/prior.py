"""The prior in training: the probability of each latent value, given the positions and channels coded before it.

`pillow_sdz.payloads.scalar.prior` computes the same in whole numbers. Values here are codes less 128, in float32.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pillow_sdz.payloads.scalar.prior import PriorShape
from pillow_sdz.payloads.scalar.scan import NEIGHBOUR_COUNT, NETWORKS, scan

UNIT: Final = 32.0
"""Codes per unit of the networks' inputs and predicted means."""

SCALE_START: Final = 3.0
"""log2 of the scale, in codes, of the distribution that a network's output of zero stands for."""

FIRST_SCALE: Final = 5.0
"""Initial value of log2 of the scale, in codes, of the distributions of pass 0."""

STEP_CENTRE: Final = 5.0
"""The networks' input for the quantiser's step is (log2(step) - STEP_CENTRE) / 2, with the step in codes."""

SMALLEST: Final = -4.0
LARGEST: Final = 4.75
"""Range of log2(scale / step): that of the tables in `pillow_sdz.payloads.scalar.tables`."""

SMALLEST_PROBABILITY: Final = 2**-20
"""Lower bound of the probability of a value: no value costs more than 20 bits, and gradients stay finite."""


def prior_shape(settings: dict[str, Any]) -> PriorShape:
    """The sizes of the prior that a configuration's table ``[model]`` describes."""
    sizes = settings["prior"]
    return PriorShape(settings["vae"]["latent_channels"], sizes["groups"], sizes["wide"], sizes["deep"])


class PassNetwork(nn.Module):
    """Predicts mean and scale of each channel at a position, one group of channels after the other.

    A group is predicted from the neighbours, and from the earlier groups at the same position.
    """

    def __init__(self, shape: PriorShape) -> None:
        super().__init__()
        self.group_size, groups = shape.group_size, range(shape.groups)
        self.context = nn.Linear(NEIGHBOUR_COUNT * shape.channels + 1, shape.shared_width)
        inputs = [shape.shared_width + g * self.group_size for g in groups]
        self.hidden = nn.ModuleList(nn.Linear(width, shape.group_width) for width in inputs)
        self.out = nn.ModuleList(nn.Linear(shape.group_width, 2 * self.group_size) for _ in groups)
        for parameter in self.out.parameters():
            nn.init.zeros_(parameter)

    def group_layers(self) -> list[tuple[nn.Linear, nn.Linear]]:
        """Hidden and output layer of each group."""
        layers = zip(self.hidden, self.out, strict=True)
        return [(h, o) for h, o in layers if isinstance(h, nn.Linear) and isinstance(o, nn.Linear)]

    def forward(self, context: Tensor, own: Tensor, log_step: Tensor) -> tuple[Tensor, Tensor]:
        """Mean (in codes) and log2 of the scale (in codes), (B, n, C) each.

        Args:
            context: (B, n, 12, C), the neighbours' values.
            own: (B, n, C), the reconstructed values at the positions; a group sees those of earlier groups only.
            log_step: (B,), log2 of the quantiser's step.
        """
        shared, near = self._share(context, log_step)
        means, scales = zip(*(self._predict(g, shared, near, own) for g in range(len(self.out))), strict=True)
        return torch.cat(means, 2), torch.cat(scales, 2)

    def quantise(self, context: Tensor, targets: Tensor, step: Tensor) -> Tensor:
        """Round each group to whole steps from its predicted mean.

        Args:
            context: (B, n, 12, C), the neighbours' reconstructed values.
            targets: (B, n, C), not rounded.
            step: (B,), the quantiser's step in codes.

        Returns:
            The reconstruction, (B, n, C).
        """
        shared, near = self._share(context, step.log2())
        reconstructed = torch.zeros_like(targets)
        for g in range(len(self.out)):
            channels = slice(g * self.group_size, (g + 1) * self.group_size)
            mean, _ = self._predict(g, shared, near, reconstructed)
            reconstructed[..., channels] = rounded(targets[..., channels], mean, step)
        return reconstructed

    def _share(self, context: Tensor, log_step: Tensor) -> tuple[Tensor, Tensor]:
        """What all groups see: the shared hidden layer, and the means of the four nearest neighbours."""
        b, n = context.shape[:2]
        step = ((log_step - STEP_CENTRE) / 2)[:, None, None].expand(b, n, 1)
        inputs = torch.cat([context.reshape(b, n, -1) / UNIT, step], 2)
        return F.relu(self.context(inputs)), context[:, :, :4].mean(2)

    def _predict(self, group: int, shared: Tensor, near: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log2 of the scale of one group's channels."""
        first = group * self.group_size
        seen = torch.cat([shared, own[..., :first] / UNIT], 2)
        result: Tensor = self.out[group](F.relu(self.hidden[group](seen)))
        mean = result[..., : self.group_size] * UNIT + near[..., first : first + self.group_size]
        return mean, result[..., self.group_size :] + SCALE_START


def rounded(targets: Tensor, mean: Tensor, step: Tensor) -> Tensor:
    """Round ``targets`` (B, n, C) to whole steps (B,) from the mean, and the results to whole codes, less 128."""
    mean, step = mean.clamp(-128, 127), step[:, None, None]
    return (mean + ((targets - mean) / step).round() * step).round().clamp(-128, 127)


class LatentPrior(nn.Module):
    """All networks of a prior, and one distribution per channel for pass 0, which has no neighbours.

    Attributes:
        shape: its sizes.
        first: (2, C), mean and log2 of the scale of pass 0, in codes.
        networks: one `PassNetwork` for each network number of `pillow_sdz.payloads.scalar.scan.Pass`.
    """

    def __init__(self, shape: PriorShape) -> None:
        super().__init__()
        self.shape = shape
        means, scales = torch.zeros(1, shape.channels), torch.full((1, shape.channels), FIRST_SCALE)
        self.first = nn.Parameter(torch.cat([means, scales]))
        self.networks = nn.ModuleList(PassNetwork(shape) for _ in range(NETWORKS))

    def forward(self, values: Tensor, step: Tensor, reconstructed: Tensor | None = None) -> Tensor:
        """Information content of the values of each picture in bits, (B,).

        Args:
            values: (B, C, h, w), codes less 128: reconstructed ones, or with uniform noise in place of rounding.
            step: (B,), the quantiser's step in codes.
            reconstructed: (B, C, h, w), what values are predicted from; None is ``values``.
        """
        b, _, h, w = values.shape
        flat = values.flatten(2).transpose(1, 2)
        seen = F.pad((values if reconstructed is None else reconstructed).flatten(2), (0, 1)).transpose(1, 2)
        log_step = step.log2()
        total = torch.zeros(b, device=values.device)
        for number, positions, near in _passes(h, w, values.device):
            if number is None:
                mean, log_scale = self.first[0], self.first[1]
            else:
                mean, log_scale = self.pass_networks()[number](
                    _around(seen, near), seen.index_select(1, positions), log_step
                )
            own = flat.index_select(1, positions)
            total = total + bits(own, mean, log_scale, step[:, None, None]).sum((1, 2))
        return total

    def pass_networks(self) -> list[PassNetwork]:
        """`networks`, typed."""
        return [network for network in self.networks if isinstance(network, PassNetwork)]

    @torch.no_grad()
    def quantise(self, values: Tensor, step: Tensor) -> Tensor:
        """Quantise as the scalar payload does: each value to whole steps from its mean, predicted from earlier values.

        Args:
            values: (B, C, h, w), codes less 128, not rounded.
            step: (B,), the quantiser's step in codes.

        Returns:
            The reconstruction, (B, C, h, w), codes less 128.
        """
        b, c, h, w = values.shape
        targets = values.float().flatten(2).transpose(1, 2)
        reconstructed = targets.new_zeros(b, h * w + 1, c)
        with torch.autocast(values.device.type, enabled=False):  # a prediction in bfloat16 is off by half a code
            for number, positions, near in _passes(h, w, values.device):
                own = targets.index_select(1, positions)
                if number is None:
                    result = rounded(own, self.first[0].expand_as(own), step)
                else:
                    result = self.pass_networks()[number].quantise(_around(reconstructed, near), own, step)
                reconstructed.index_copy_(1, positions, result)
        return reconstructed[:, :-1].transpose(1, 2).reshape(values.shape)


@cache  # a CUDA graph keeps reading the tensors that it was recorded with, so they must not be freed
def _passes(height: int, width: int, device: torch.device) -> list[tuple[int | None, Tensor, Tensor]]:
    """Network, positions (n,) and neighbours (n, 12) of each pass of the scan, as tensors on the device."""
    return [
        (each.network, torch.from_numpy(each.positions).to(device), torch.from_numpy(each.neighbours).to(device))
        for each in scan(height, width)
    ]


def _around(reconstructed: Tensor, near: Tensor) -> Tensor:
    """Reconstructed values (B, h * w + 1, C) at the neighbours (n, 12) of positions: (B, n, 12, C)."""
    count, _, channels = reconstructed.shape
    return reconstructed.index_select(1, near.reshape(-1)).reshape(count, len(near), NEIGHBOUR_COUNT, channels)


def bits(value: Tensor, mean: Tensor, log_scale: Tensor, step: Tensor) -> Tensor:
    """Information content in bits: -log2 of the mass of a logistic distribution within half a step of ``value``."""
    relative = torch.maximum(
        torch.minimum(log_scale - step.log2(), torch.full_like(step, LARGEST)), torch.full_like(step, SMALLEST)
    )
    scale = step * torch.exp2(relative)
    distance = (value - mean).abs()
    low, high = (-distance - step / 2) / scale, (-distance + step / 2) / scale
    return -(torch.sigmoid(high) - torch.sigmoid(low)).clamp(min=SMALLEST_PROBABILITY).log2()
