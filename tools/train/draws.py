"""The random numbers of a training step, drawn on the device before the step: a CUDA graph cannot draw its own."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import torch
from torch import Tensor

PHASES: Final = 8
"""Rows, and columns, at which the crop that LPIPS-Alex sees may start: pixels per latent position along each axis."""


class Draws(NamedTuple):
    """The random numbers of a step, for stages whose bottleneck is not ``palette``."""

    quantiser_steps: Tensor
    """(B,), the quantiser's step of each picture, in codes."""
    noise: Tensor
    """(B, C, h, w), uniform in [0, 1): takes the place of rounding where the rate is computed."""
    phase: Tensor
    """(2,), whole numbers: row and column where LPIPS-Alex's crop starts; (0, 0) aligns it with the latent's grid."""


def draw(pictures: Tensor, shape: tuple[int, int], stage: dict[str, Any], generator: torch.Generator) -> Draws:
    """Draw the random numbers of a step.

    Args:
        pictures: (B, 3, h, w), the batch.
        shape: channels of the latent, and pixels per latent position along each axis.
        stage: the stage's settings; ``code_steps`` and ``shifted`` are used.
        generator: the step's generator, on the CPU.
    """
    count, _, height, width = pictures.shape
    channels, factor = shape
    off = float(torch.rand((), generator=generator)) < stage.get("shifted", 0.0)
    phase = torch.randint(PHASES, (2,), generator=generator) * off
    noise = uniform(torch.Size((count, channels, height // factor, width // factor)), pictures.device, generator)
    steps = draw_quantiser_steps(count, stage, generator)
    return Draws(steps.to(pictures.device), noise, phase.to(pictures.device))


def uniform(shape: torch.Size, device: torch.device, generator: torch.Generator) -> Tensor:
    """Uniform in [0, 1), drawn on the device: copying numbers from the CPU would make a GPU wait."""
    seed = int(torch.randint(2**62, (), generator=generator))
    return torch.rand(shape, generator=torch.Generator(device).manual_seed(seed), device=device)


def draw_quantiser_steps(count: int, stage: dict[str, Any], generator: torch.Generator) -> Tensor:
    """Steps in codes, (count,): log-uniform in one of the ranges of ``code_steps``, which are equally likely."""
    ranges = torch.tensor(stage["code_steps"]).log()
    low, high = ranges[torch.randint(len(ranges), (count,), generator=generator)].T
    steps: Tensor = (low + (high - low) * torch.rand(count, generator=generator)).exp()
    return steps
