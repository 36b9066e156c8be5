"""Removing quantisation noise with a U-Net: the measured noise picks the timestep, a scheduler takes the steps."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pillow_sdz.models.diffusion.schedulers import Sampler


def timesteps(scheduler: Any, noise: float, steps: int) -> list[int]:
    """Descending timesteps from the one whose noise level is ``noise``.

    Args:
        scheduler: `ddim.Ddim`, or a diffusers scheduler with ``alphas_cumprod``.
        noise: root mean square error of the latent, in the units that the U-Net was trained on (scaled latents). The
            noise level of timestep t is sqrt((1 - a) / a) with a = alphas_cumprod[t].
        steps: at most this many; fewer where the first timestep is small.
    """
    alphas = scheduler.alphas_cumprod.cpu()  # diffusers moves it to where it was last used
    levels = ((1 - alphas) / alphas).sqrt()
    first = min(int(torch.searchsorted(levels, torch.tensor(noise, dtype=levels.dtype))), len(levels) - 1)
    return sorted({first * (steps - i) // steps for i in range(steps)}, reverse=True)


def denoise(unet: Any, scheduler: Any, latents: Tensor, noise: float, steps: int) -> Tensor:
    """Deterministic denoising without adding noise: DDIM with eta = 0 (Song et al. 2021), or a `Sampler`'s method.

    Args:
        unet: called as unet(sample, timestep).sample, predicts noise.
        scheduler: `ddim.Ddim`, `schedulers.Sampler`, or a diffusers scheduler with ``add_noise`` and
            ``step(...).pred_original_sample``, its timesteps set (once, when it was loaded: other threads may be using
            it).
        latents: (1, C, h, w), scaled latents with quantisation noise.
        noise: see `timesteps`.
        steps: 1 or more.

    Returns:
        The estimate of the latent without quantisation noise, shaped like ``latents``.
    """
    schedule = timesteps(scheduler, noise, steps)
    if isinstance(scheduler, Sampler):
        return scheduler.denoise(unet, latents, schedule)
    sample = latents * scheduler.alphas_cumprod[schedule[0]].sqrt().to(latents)
    for index, timestep in enumerate(schedule):
        predicted = unet(sample, timestep).sample
        latents = scheduler.step(predicted, timestep, sample).pred_original_sample
        if index + 1 < len(schedule):
            following = torch.tensor([schedule[index + 1]], device=latents.device)
            sample = scheduler.add_noise(latents, predicted, following)
    return latents
