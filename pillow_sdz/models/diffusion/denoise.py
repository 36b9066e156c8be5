"""Removing quantisation noise with a U-Net: the noise level picks the first timestep, the scheduler takes the steps.

It works on tensors and on numpy arrays alike, and imports no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    from pillow_sdz.models.protocols import NoisePredictor, Scheduler, UNet


def timesteps(scheduler: Scheduler, noise: float, denoise_steps: int) -> list[int]:
    """Descending timesteps, starting with the smallest one whose noise level is ``noise`` or more.

    Args:
        scheduler: has the noise schedule.
        noise: root mean square error of the latent, in the units that the U-Net was trained on (scaled latents). The
            noise level of timestep t is sqrt((1 - a) / a) with a = alphas_cumprod[t].
        denoise_steps: at most this many timesteps; fewer where the first one is small.
    """
    alphas = scheduler.alphas_cumprod
    with np.errstate(divide="ignore"):  # schedules may end in pure noise, an infinite level
        levels = np.sqrt((1 - alphas) / alphas)
    first = min(int(np.searchsorted(levels, np.float32(noise))), len(levels) - 1)
    return sorted({first * (denoise_steps - i) // denoise_steps for i in range(denoise_steps)}, reverse=True)


def denoise(unet: NoisePredictor, scheduler: Scheduler, latents: Any, noise: float, denoise_steps: int) -> Any:
    """Remove noise from latents, deterministically: no random noise is added between the steps.

    Args:
        unet: predicts noise.
        scheduler: takes the steps.
        latents: (1, C, h, w), scaled latents with quantisation noise; of the kind that the U-Net takes.
        noise: see `timesteps`.
        denoise_steps: 1 or more.

    Returns:
        The estimate of the latent without quantisation noise, shaped like ``latents``.
    """
    return scheduler.denoise(unet, latents, timesteps(scheduler, noise, denoise_steps))


class Noise(NamedTuple):
    """What `UNetAdapter` returns: ``sample``, the predicted noise, shaped like its input."""

    sample: Tensor


class UNetAdapter:
    """Adapts a U-Net to `NoisePredictor`: adds the unconditional embedding, and converts v-prediction to epsilon.

    Args:
        unet: a UNet2DConditionModel, or any U-Net if ``embedding`` is None.
        embedding: (1, tokens, width), the text encoder's output for the empty prompt.
        alphas_cumprod: the noise schedule's, if the U-Net predicts velocity; None if it predicts noise.
    """

    def __init__(self, unet: UNet, embedding: Tensor | None, alphas_cumprod: NDArray[np.float32] | None) -> None:
        self._unet, self._embedding, self._alphas = unet, embedding, alphas_cumprod

    def around(self, change: Callable[[Any], Any]) -> UNetAdapter:
        """The same adapter around ``change(unet)`` in place of its U-Net."""
        return UNetAdapter(change(self._unet), self._embedding, self._alphas)

    def __call__(self, sample: Tensor, timestep: int) -> Noise:
        """See `NoisePredictor`."""
        if self._embedding is None:
            predicted = self._unet(sample, timestep).sample
        else:
            prompt = self._embedding.expand(len(sample), -1, -1)
            predicted = self._unet(sample, timestep, encoder_hidden_states=prompt).sample
        if self._alphas is None:
            return Noise(predicted)
        # velocity = sqrt(a) noise - sqrt(1 - a) signal (Salimans and Ho 2022)
        alpha = float(self._alphas[timestep])
        return Noise(alpha**0.5 * predicted + (1 - alpha) ** 0.5 * sample)
