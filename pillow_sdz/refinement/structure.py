"""Distance of structure: SSIM in a perceptual colour space at several scales, with weight on the worst places.

It follows SSIMULACRA2 (Sneyers 2022, https://github.com/cloudinary/ssimulacra2), with whose colour space, window and
constants it computes SSIM. It has none of its fitted weights, and does not look at the full size, where SSIM prefers
blur to a texture that is right but for its phase.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

OPSIN: Final = (
    (0.30, 0.622, 0.078),
    (0.23, 0.692, 0.078),
    (0.24342268924547819, 0.20476744424496821, 0.5518098863095536),
)
"""Linear R, G and B to the responses of the eye's long, middle and short cones; of XYB, as in JPEG XL."""

OPSIN_BIAS: Final = 0.0037930732552754493
"""Added to the responses before their cube root; of XYB, as in JPEG XL."""

X_GAIN: Final = 14.0
"""Gain of X, the difference of long and middle cones, as in SSIMULACRA2."""

CONTRAST: Final = 0.0009
"""SSIM's constant C2 (Wang et al. 2004) for values of a range of 1."""

SIGMA: Final = 1.5
"""Standard deviation of SSIM's Gaussian window in pixels."""

RADIUS: Final = 5
"""The window has 2 * RADIUS + 1 pixels a side."""

SCALES: Final = (2, 4, 8, 16)
"""By how much pictures are scaled down."""

PLANES: Final = (0.25, 0.5, 0.25)
"""Weights of X, Y and B - Y."""

WORST: Final = 0.25
"""Weight of the fourth-power mean over a plane, in which the worst places count most; that of the mean is 1."""


class Statistics(NamedTuple):
    """What SSIM needs to know of one picture at one scale, each (B, 3, h, w)."""

    planes: Tensor
    """X, Y and B - Y."""
    mean: Tensor
    """Their local means."""
    variance: Tensor
    """Their local variances."""


def statistics(pictures: Tensor) -> list[Statistics]:
    """The statistics of pictures (B, 3, h, w), RGB in [0, 1], at those of `SCALES` that leave as much as the window."""
    result: list[Statistics] = []
    linear, scale = to_linear(pictures), 1
    for wanted in SCALES:
        if min(pictures.shape[2:]) < wanted * (2 * RADIUS + 1):
            break
        linear, scale = F.avg_pool2d(linear, wanted // scale), wanted
        planes = to_xyb(linear)
        mean, square = blurred(torch.cat([planes, planes * planes])).chunk(2)
        result.append(Statistics(planes, mean, square - mean * mean))
    return result


def structure_distance(original: list[Statistics], decoded: list[Statistics]) -> Tensor:
    """The distance of structure of pictures, from 0 (none) to about 1, (B,).

    Args:
        original, decoded: `statistics` of pictures of the same size.
    """
    if not original:  # smaller than the window at half size
        return torch.zeros(1)
    total = original[0].mean.new_zeros(len(original[0].mean))
    weights = original[0].mean.new_tensor(PLANES)
    for a, b in zip(original, decoded, strict=True):
        covariance = blurred(a.planes * b.planes) - a.mean * b.mean
        luminance = 1 - (a.mean - b.mean).square()
        contrast = (2 * covariance + CONTRAST) / (a.variance + b.variance + CONTRAST)
        error = (1 - luminance * contrast).clamp(min=0)
        worst = (error.pow(4).mean((2, 3)) + 1e-8).sqrt().sqrt()
        total = total + ((error.mean((2, 3)) + WORST * worst) * weights).sum(1)
    return total / len(original)


def to_linear(pictures: Tensor) -> Tensor:
    """SRGB values in [0, 1] to light (IEC 61966-2-1)."""
    low = pictures / 12.92
    high = ((pictures.clamp(min=0.04045) + 0.055) / 1.055).pow(2.4)
    return torch.where(pictures <= 0.04045, low, high)


def to_xyb(linear: Tensor) -> Tensor:
    """Linear RGB (B, 3, h, w) to X, Y and B - Y, as SSIMULACRA2 scales them."""
    opsin = torch.einsum("pc,bcyx->bpyx", _matrix(linear.device), linear)
    responses = (opsin.clamp(min=0) + OPSIN_BIAS).pow(1 / 3) - OPSIN_BIAS ** (1 / 3)
    long, middle, short = responses.unbind(1)
    y = (long + middle) / 2
    return torch.stack([(long - middle) / 2 * X_GAIN, y, short - y], 1)


@lru_cache(maxsize=4)
def _matrix(device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # what is kept here may be needed for gradients later
        return torch.tensor(OPSIN, device=device)


@lru_cache(maxsize=16)
def _window(length: int, device: torch.device) -> Tensor:
    """The window along one axis as a matrix (length, length), whose rows add up to 1 at the edges, too."""
    with torch.inference_mode(False):
        places = torch.arange(length, device=device)
        distance = places[:, None] - places
        weights = torch.exp(-(distance**2) / (2 * SIGMA**2)) * (distance.abs() <= RADIUS)
        return weights / weights.sum(1, keepdim=True)


def blurred(planes: Tensor) -> Tensor:
    """Planes (B, C, h, w) blurred by SSIM's window: as products of matrices, six times as fast as by convolution."""
    rows, columns = (_window(side, planes.device) for side in planes.shape[2:])
    return rows @ planes @ columns.T
