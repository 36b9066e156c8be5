"""The network of the detector of lettering, faces and lattices: from pixels to a logit of each class for each cell.

Three convolutions of stride 2 lead to cells of 8x8 pixels. There, residual blocks with dilated 3x3 windows (Yu and
Koltun 2016) between 1x1 convolutions (He et al. 2016) see what is around a cell. There is no normalisation: a tile gets
the same result as the whole picture.
"""

from __future__ import annotations

from typing import Final

import torch.nn.functional as F
from torch import Tensor, nn

CELL: Final = 8
"""Pixels of a cell along each axis."""

CLASSES: Final = 3
"""Lettering, faces, lattices."""

DILATIONS: Final = (1, 2, 4, 8, 4, 1)
"""Distances of the samples of the 3x3 windows of the blocks, in cells."""

CONTEXT: Final = CELL * (sum(DILATIONS) + 3)
"""Pixels beyond a cell that the network may see, rounded up: strides reach less than three cells."""

_STEM, _QUARTER, _CELLS, _INNER = 16, 24, 48, 24
"""Channels at a half, a quarter and an eighth of the picture's size, and within a block."""


class DilatedBlock(nn.Module):
    """x + expand(ReLU(window(ReLU(reduce(x)))))."""

    def __init__(self, channels: int, inner: int, dilation: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, inner, 1)
        self.window = nn.Conv2d(inner, inner, 3, padding=dilation, dilation=dilation)
        self.expand = nn.Conv2d(inner, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """The result for (B, channels, h, w), in the same shape."""
        result: Tensor = x + self.expand(F.relu(self.window(F.relu(self.reduce(x)))))
        return result


class Detector(nn.Module):
    """The whole network."""

    def __init__(self) -> None:
        super().__init__()
        self.to_half = nn.Conv2d(3, _STEM, 3, stride=2, padding=1)
        self.to_quarter = nn.Conv2d(_STEM, _QUARTER, 3, stride=2, padding=1)
        self.quarter = nn.ModuleList(nn.Conv2d(_QUARTER, _QUARTER, 3, padding=1) for _ in range(2))
        self.to_cells = nn.Conv2d(_QUARTER, _CELLS, 3, stride=2, padding=1)
        self.blocks = nn.ModuleList(DilatedBlock(_CELLS, _INNER, dilation) for dilation in DILATIONS)
        self.head = nn.Conv2d(_CELLS, CLASSES, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits (B, 3, H / 8, W / 8) of lettering, face and lattice.

        Args:
            pixels: (B, 3, H, W) in 0 .. 255; sides are multiples of 8.
        """
        x = F.relu(self.to_quarter(F.relu(self.to_half(pixels / 128 - 1))))
        for layer in self.quarter:
            x = F.relu(layer(x))
        x = self.to_cells(x)
        for block in self.blocks:
            x = block(x)
        result: Tensor = self.head(F.relu(x))
        return result
