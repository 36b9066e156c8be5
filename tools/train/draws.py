"""What a training step draws at random, where the latents are: drawn beforehand, a CUDA graph can use it."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

PHASES = 8
"""Pixels of the latent's grid: LPIPS-Alex may start its window at any of them."""


class Draws(NamedTuple):
    """The random part of a step of a stage whose bottleneck is not ``palette``."""

    steps: Tensor
    """(B,), the quantiser's step of each picture, in codes."""
    noise: Tensor
    """(B, C, h, w), uniform in [0, 1): in place of rounding, for the rate."""
    phase: Tensor
    """(2,), whole: row and column where LPIPS-Alex's window starts; 0 and 0 on the latent's grid."""


def draw(pictures: Tensor, shape: tuple[int, int], stage: dict[str, Any], generator: torch.Generator) -> Draws:
    """Draw for a batch of pictures (B, 3, h, w); the shape is that of their latents: channels, and pixels a position."""
    count, _, height, width = pictures.shape
    channels, factor = shape
    off = float(torch.rand((), generator=generator)) < stage.get("shifted", 0.0)
    phase = torch.randint(PHASES, (2,), generator=generator) * off
    noise = uniform(torch.Size((count, channels, height // factor, width // factor)), pictures.device, generator)
    return Draws(draw_steps(count, stage, generator).to(pictures.device), noise, phase.to(pictures.device))


def uniform(shape: torch.Size, device: torch.device, generator: torch.Generator) -> Tensor:
    """Uniform in [0, 1), drawn on the device: a GPU does not wait for numbers from the CPU."""
    seed = int(torch.randint(2**62, (), generator=generator))
    return torch.rand(shape, generator=torch.Generator(device).manual_seed(seed), device=device)


def draw_steps(count: int, stage: dict[str, Any], generator: torch.Generator) -> Tensor:
    """Steps in codes, log-uniform in one of the stage's ranges, each as likely."""
    ranges = torch.tensor(stage["code_steps"]).log()
    low, high = ranges[torch.randint(len(ranges), (count,), generator=generator)].T
    return (low + (high - low) * torch.rand(count, generator=generator)).exp()
