"""Removing quantisation noise with a U-Net: the measured noise picks the timestep, a scheduler takes the steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from pillow_sdz.models.diffusion.schedulers import Sampler

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


def timesteps(scheduler: Any, noise: float, denoise_steps: int) -> list[int]:
    """Descending timesteps from the one whose noise level is ``noise``.

    Args:
        scheduler: `ddim.Ddim`, or a diffusers scheduler with ``alphas_cumprod``.
        noise: root mean square error of the latent, in the units that the U-Net was trained on (scaled latents). The
            noise level of timestep t is sqrt((1 - a) / a) with a = alphas_cumprod[t].
        denoise_steps: at most this many; fewer where the first timestep is small.
    """
    alphas = scheduler.alphas_cumprod.cpu()  # diffusers moves it to where it was last used
    levels = ((1 - alphas) / alphas).sqrt()
    first = min(int(torch.searchsorted(levels, torch.tensor(noise, dtype=levels.dtype))), len(levels) - 1)
    return sorted({first * (denoise_steps - i) // denoise_steps for i in range(denoise_steps)}, reverse=True)


def denoise(unet: Any, scheduler: Any, latents: Tensor, noise: float, denoise_steps: int) -> Tensor:
    """Deterministic denoising without adding noise: DDIM with eta = 0 (Song et al. 2021), or a `Sampler`'s method.

    Args:
        unet: called as unet(sample, timestep).sample, predicts noise.
        scheduler: `ddim.Ddim`, `schedulers.Sampler`, or a diffusers scheduler with ``add_noise`` and
            ``step(...).pred_original_sample``, its timesteps set (once, when it was loaded: other threads may be using
            it).
        latents: (1, C, h, w), scaled latents with quantisation noise.
        noise: see `timesteps`.
        denoise_steps: 1 or more.

    Returns:
        The estimate of the latent without quantisation noise, shaped like ``latents``.
    """
    schedule = timesteps(scheduler, noise, denoise_steps)
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


class Noise(NamedTuple):
    """What `Conditioned` returns: ``sample``, the predicted noise, shaped like its input."""

    sample: Tensor


class Conditioned:
    """A U-Net, the unconditional embedding, and what its output means.

    Args:
        unet: a UNet2DConditionModel, or any U-Net where ``embedding`` is None.
        embedding: (1, tokens, width), what the text encoder says of the empty prompt.
        alphas_cumprod: the schedule's, if the U-Net predicts velocity; None if it predicts noise.
    """

    def __init__(self, unet: Any, embedding: Tensor | None, alphas_cumprod: Tensor | None) -> None:
        self._unet, self._embedding, self._alphas = unet, embedding, alphas_cumprod

    def around(self, change: Callable[[Any], Any]) -> Conditioned:
        """The same with what ``change`` makes of the U-Net."""
        return Conditioned(change(self._unet), self._embedding, self._alphas)

    def __call__(self, sample: Tensor, timestep: int) -> Noise:
        """Predict the noise in ``sample`` (B, C, h, w), of constant variance, at ``timestep``."""
        if self._embedding is None:
            predicted = self._unet(sample, timestep).sample
        else:
            prompt = self._embedding.expand(len(sample), -1, -1)
            predicted = self._unet(sample, timestep, encoder_hidden_states=prompt).sample
        if self._alphas is None:
            return Noise(predicted)
        # velocity = sqrt(a) noise - sqrt(1 - a) signal (Salimans and Ho 2022)
        alpha = self._alphas[timestep].to(sample)
        return Noise(alpha.sqrt() * predicted + (1 - alpha).sqrt() * sample)
