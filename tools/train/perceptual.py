"""LPIPS and DISTS as training losses: `pillow_sdz.evaluation.perceptual` with faster operations.

That module says where to get the weights; ``--perceptual`` names their folder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor

from pillow_sdz.evaluation import perceptual as plain
from tools.train.fast import unit_distance
from tools.train.winograd import FEWEST_FROZEN, FrozenConvolution

if TYPE_CHECKING:
    from pathlib import Path


class Features(plain.Features):
    """Features whose convolutions can be computed by Winograd's method."""

    def __init__(self, net: str, folder: Path) -> None:
        super().__init__(net, folder)
        self.wide: dict[int, FrozenConvolution] = {}

    def use_winograd(self) -> None:
        """Compute convolutions of enough channels by Winograd's method, for float32 on a CPU.

        Call it when the weights are loaded: their transforms are computed here, once.
        """
        if self.net == "vgg":
            kernels = {i: self.get_buffer(f"conv{i}_weight") for i in range(sum(plain.VGG_DEPTHS))}
            self.wide = {i: FrozenConvolution(k) for i, k in kernels.items() if min(k.shape[:2]) >= FEWEST_FROZEN}

    def convolve(self, x: Tensor, index: int, stride: int = 1, padding: int = 1) -> Tensor:
        """See `pillow_sdz.evaluation.perceptual.Features.convolve`."""
        if index in self.wide:
            return F.relu(self.wide[index](x) + self.get_buffer(f"conv{index}_bias")[:, None, None])
        return super().convolve(x, index, stride, padding)


class LPIPS(Features, plain.LPIPS):
    """LPIPS that takes less memory and time to train with on a CPU."""

    def distance(self, reference: Tensor, features: Tensor, weight: Tensor) -> Tensor:
        """See `pillow_sdz.evaluation.perceptual.LPIPS.distance`."""
        if features.is_cuda:  # `unit_distance` works picture by picture: good for a CPU's cache, but many GPU kernels
            return super().distance(reference.float(), features.float(), weight)
        return unit_distance(reference, features, weight)


class DISTS(plain.DISTS, Features):
    """DISTS whose convolutions can be computed by Winograd's method."""
