"""Preview networks in training: `pillow_sdz.payloads.preview_networks` with gradients, and the fit of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import trange

from pillow_sdz.coding.products import EXACT_IN_FLOAT32
from pillow_sdz.payloads.codes import SIGNED_OFFSET
from pillow_sdz.payloads.preview_networks import LARGEST_HIDDEN, SUM_BITS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pillow_sdz.payloads.preview_networks import LayerShape

    Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]  # codes (h, w, C) of a grid, colours (h, w, 3)

CODE_UNIT: Final = 32.0
HIDDEN_UNIT: Final = 128.0
COLOUR_UNIT: Final = 64.0
"""Codes, hidden values and levels of colour per unit of the networks in training."""

CROP: Final = 24
"""Side of the crops of grids in training, in positions."""

BATCH: Final = 16
RATE: Final = 4e-3
"""Crops of a training step, and the largest learning rate."""

SUM_LIMIT: Final = 0.9 * EXACT_IN_FLOAT32
SUM_PENALTY: Final = 1e-2
"""Largest possible sums above this limit are penalised in training, by their logarithm."""


class TrainableLayer(nn.Module):
    """A layer of a preview network, whose weights are rounded as the file holds them.

    Args:
        inputs: number of inputs.
        shape: of the layer.
        first, last: whether it is the first or last layer of its network.
    """

    def __init__(self, inputs: int, shape: LayerShape, *, first: bool, last: bool) -> None:
        super().__init__()
        self.last = last
        self.convolution = nn.Conv2d(inputs, shape.width, shape.side)
        self.in_unit, self.out_unit = CODE_UNIT if first else HIDDEN_UNIT, COLOUR_UNIT if last else HIDDEN_UNIT
        self.largest_input = SIGNED_OFFSET if first else LARGEST_HIDDEN

    def whole(self) -> tuple[Tensor, Tensor]:
        """Weights and biases in the units of the file, rounded; the gradient is that of the unrounded ones."""
        scale = self.out_unit * 2**SUM_BITS
        weight, bias = self.convolution.weight * (scale / self.in_unit), self.convolution.bias
        assert bias is not None
        centre = (SIGNED_OFFSET + 0.5) * 2**SUM_BITS if self.last else 0.0  # the last shift rounds to the nearest
        return _rounded(weight), _rounded(bias * scale + centre)

    def excess(self) -> Tensor:
        """By how much, as a natural logarithm, the largest possible sum is above `SUM_LIMIT`."""
        weight, bias = self.whole()
        sums = self.largest_input * weight.abs().sum((1, 2, 3)) + bias.abs()
        return F.relu((sums.max() / SUM_LIMIT).log())

    def forward(self, values: Tensor) -> Tensor:
        """Values of the file's units, (B, inputs, h, w), to such values; colours are not clamped."""
        weight, bias = self.whole()
        sums = F.conv2d(values, weight, bias) / 2**SUM_BITS
        return sums if self.last else (sums + (sums.floor() - sums).detach()).clamp(0, LARGEST_HIDDEN)


def _rounded(values: Tensor) -> Tensor:
    return values + (values.round() - values).detach()


class TrainableNetwork(nn.Module):
    """A preview network in training; see `pillow_sdz.payloads.preview_networks`."""

    def __init__(self, channels: int, shapes: tuple[LayerShape, ...]) -> None:
        super().__init__()
        inputs = [channels, *(shape.width for shape in shapes[:-1])]
        self.margin = sum(shape.side // 2 for shape in shapes)
        self.layers = nn.Sequential(
            *(
                TrainableLayer(count, shape, first=number == 0, last=number == len(shapes) - 1)
                for number, (count, shape) in enumerate(zip(inputs, shapes, strict=True))
            )
        )

    def all_layers(self) -> list[TrainableLayer]:
        """The layers, typed."""
        return [layer for layer in self.layers if isinstance(layer, TrainableLayer)]

    def forward(self, signed_codes: Tensor) -> Tensor:
        """(B, C, h, w) to colours (B, 3, h - 2 * margin, w - 2 * margin), 0 to 255."""
        colours: Tensor = self.layers(signed_codes)
        return colours

    def arrays(self) -> Iterator[NDArray[np.int32]]:
        """The arrays of the file, in order."""
        for layer in self.all_layers():
            weight, bias = (tensor.detach().numpy() for tensor in layer.whole())
            yield weight.transpose(2, 3, 1, 0).reshape(-1, len(weight)).astype("<i4")
            yield bias[None].astype("<i4")


def train(pairs: list[Pair], shapes: tuple[LayerShape, ...], steps: int, name: str) -> TrainableNetwork:
    """Fit a network.

    Args:
        pairs: codes of grids, and the colours that their previews should have.
        shapes: its layers.
        steps: number of training steps.
        name: for the progress bar.
    """
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    network = TrainableNetwork(pairs[0][0].shape[2], shapes)
    margin = network.margin
    padded = [np.pad(codes, ((margin, margin), (margin, margin), (0, 0)), mode="edge") for codes, _ in pairs]
    area = np.array([colours.shape[0] * colours.shape[1] for _, colours in pairs], float)
    optimiser = torch.optim.Adam(network.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    for _ in trange(steps, desc=name, disable=None):
        chosen = rng.choice(len(pairs), BATCH, p=area / area.sum())
        height, width = (min(CROP, *(pairs[i][1].shape[axis] for i in chosen)) for axis in (0, 1))
        codes, colours = [], []
        for index in chosen:
            target = pairs[index][1]
            y, x = (int(rng.integers(target.shape[a] - side + 1)) for a, side in ((0, height), (1, width)))
            codes.append(padded[index][y : y + height + 2 * margin, x : x + width + 2 * margin])
            colours.append(target[y : y + height, x : x + width])
        seen = torch.from_numpy(np.stack(codes)).permute(0, 3, 1, 2).float() - SIGNED_OFFSET
        wanted = torch.from_numpy(np.stack(colours)).permute(0, 3, 1, 2).float()
        loss = ((network(seen) - wanted) / COLOUR_UNIT).square().mean()
        for layer in network.all_layers():
            loss = loss + SUM_PENALTY * layer.excess()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return network
