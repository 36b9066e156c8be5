"""What storing a latent does to it, for training: 8-bit codes, a palette per picture, or additive noise instead."""

from __future__ import annotations

import torch
from torch import Tensor


def palettise(latents: Tensor, group: int, entries: int, generator: torch.Generator, iterations: int = 6) -> Tensor:
    """Replace each latent vector by the nearest of ``entries`` centroids, found by k-means over ``group`` pictures.

    Args:
        latents: (B, C, h, w); crops of one photo are neighbours in B and share a palette, as they would in its file.
        group: how many crops there are of each photo; divides B.
        entries: palette size, at most group * h * w.
        generator: draws the entries that k-means starts from.
        iterations: how many iterations of k-means.

    Returns:
        (B, C, h, w), without gradients.
    """
    b, c, h, w = latents.shape
    points = latents.detach().float().reshape(b // group, group, c, h * w).transpose(2, 3).reshape(b // group, -1, c)
    order = torch.rand(points.shape[:2], generator=generator).argsort(1)[:, :entries].to(points.device)
    centroids = points.gather(1, order[..., None].expand(-1, -1, c))
    for i in range(iterations + 1):
        nearest = torch.cdist(points, centroids).argmin(2)
        if i == iterations:
            break
        sums = torch.zeros_like(centroids).scatter_add_(1, nearest[..., None].expand_as(points), points)
        counts = torch.zeros(centroids.shape[:2], device=points.device).scatter_add_(
            1, nearest, torch.ones_like(nearest, dtype=torch.float32)
        )
        centroids = torch.where(counts[..., None] > 0, sums / counts[..., None].clamp_min(1), centroids)
    quantised = centroids.gather(1, nearest[..., None].expand_as(points))
    return quantised.reshape(b // group, group, h * w, c).transpose(2, 3).reshape(b, c, h, w).to(latents.dtype)


def to_code_grid(latents: Tensor, step: float) -> Tensor:
    """Round to the 256 values that an 8-bit code can stand for: (code - 127.5) * step, in latent values."""
    return ((latents / step + 127.5).round().clamp(0, 255) - 127.5) * step


def straight_through(latents: Tensor, quantised: Tensor) -> Tensor:
    """The quantised values, with the gradient of the latents (straight-through estimator: Bengio et al. 2013)."""
    return latents + (quantised - latents).detach()


def add_noise(latents: Tensor, most: float, generator: torch.Generator) -> Tensor:
    """Add Gaussian noise to latents (B, C, h, w): 0 to ``most`` times their root mean square, one level per picture."""
    level = torch.rand(len(latents), 1, 1, 1, generator=generator).to(latents) * most
    rms = latents.detach().square().mean((1, 2, 3), keepdim=True).sqrt()
    return latents + torch.randn(latents.shape, generator=generator).to(latents) * level * rms
