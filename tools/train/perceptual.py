"""Perceptual distances as training losses: those of `pillow_sdz.evaluation.perceptual`, made faster to train with.

Its description says where the weights are had; name their folder with ``--perceptual``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor

from fast import unit_distance
from pillow_sdz.evaluation import perceptual as plain
from winograd import FEWEST_FROZEN, FrozenConvolution

if TYPE_CHECKING:
    from pathlib import Path


class Features(plain.Features):
    """Features whose wide convolutions may go by Winograd's method."""

    def __init__(self, net: str, folder: Path) -> None:
        super().__init__(net, folder)
        self.wide: dict[int, FrozenConvolution] = {}

    def use_winograd(self) -> None:
        """Compute wide convolutions by Winograd's method: for float32 on a CPU, once the weights are in place."""
        if self.net == "vgg":
            kernels = {i: self.get_buffer(f"conv{i}_weight") for i in range(sum(plain.VGG_DEPTHS))}
            self.wide = {i: FrozenConvolution(k) for i, k in kernels.items() if min(k.shape[:2]) >= FEWEST_FROZEN}

    def convolve(self, x: Tensor, index: int, stride: int = 1, padding: int = 1) -> Tensor:
        if index in self.wide:
            return F.relu(self.wide[index](x) + self.get_buffer(f"conv{index}_bias")[:, None, None])
        return super().convolve(x, index, stride, padding)


class LPIPS(Features, plain.LPIPS):
    def distance(self, reference: Tensor, features: Tensor, weight: Tensor) -> Tensor:
        if features.is_cuda:  # what saves passes over memory on a CPU costs a GPU launches
            return super().distance(reference.float(), features.float(), weight)
        return unit_distance(reference, features, weight)


class DISTS(plain.DISTS, Features):
    pass
