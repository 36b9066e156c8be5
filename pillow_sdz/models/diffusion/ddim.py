"""DDIM (Song et al. 2021), the method that the shipped model removes noise with.

`Ddim` works on tensors and on numpy arrays alike, and needs neither torch nor diffusers, which `DiffusersDdim` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from pillow_sdz.errors import SdzModelError
from pillow_sdz.models.diffusion.noise_schedule import DDIM_DEFAULTS, check_schedule
from pillow_sdz.models.manifest_fields import REINSTALL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from pillow_sdz.models.protocols import NoisePredictor


class Steps(Protocol):
    """The steps of DDIM, on tensors or on arrays."""

    alphas_cumprod: NDArray[np.float32]

    def step(self, predicted: Any, timestep: int, sample: Any) -> Any:
        """Remove the ``predicted`` noise from ``sample``; both (B, C, h, w)."""

    def add_noise(self, clean: Any, noise: Any, timestep: int) -> Any:
        """Mix ``clean`` and ``noise``, both (B, C, h, w), at the noise level of ``timestep``."""


def ddim(scheduler: Steps, unet: NoisePredictor, latents: Any, times: list[int]) -> Any:
    """`pillow_sdz.models.protocols.Scheduler.denoise` by DDIM with eta = 0 (Song et al. 2021).

    Each step removes all predicted noise, and adds the same noise again at the level of the next timestep.
    """
    sample = latents * float(scheduler.alphas_cumprod[times[0]]) ** 0.5
    for index, timestep in enumerate(times):
        predicted = unet(sample, timestep).sample
        latents = scheduler.step(predicted, timestep, sample)
        if index + 1 < len(times):
            sample = scheduler.add_noise(latents, predicted, times[index + 1])
    return latents


COVERED: Final = {
    "beta_schedule": "scaled_linear",
    "prediction_type": "epsilon",
    "clip_sample": False,
    "thresholding": False,
    "trained_betas": None,
    "rescale_betas_zero_snr": False,
}
"""Values that a configuration must have for `Ddim` to compute what diffusers does."""

COVERED_DEFAULTS: Final = {"thresholding": False, "trained_betas": None, "rescale_betas_zero_snr": False}
"""Those of `COVERED` that are diffusers' defaults, too, so that a configuration may leave them out."""


def covers(config: Mapping[str, Any]) -> bool:
    """Whether `Ddim` computes what diffusers' DDIMScheduler does with this configuration.

    Other fields make no difference: they choose timesteps, which `denoise.timesteps` does here, or say how to clip.
    """
    config = COVERED_DEFAULTS | dict(config)
    return all(config.get(field, ...) == value for field, value in COVERED.items())


class Ddim:
    """DDIM without diffusers, whose import takes seconds; see `pillow_sdz.models.protocols.Scheduler`.

    Args:
        config: one that `covers`.

    Attributes:
        alphas_cumprod: (timesteps,), the signal's share of the variance at each timestep.

    Raises:
        SdzModelError: a field is missing or out of range.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        count = check_schedule(config)
        start, end = (float(config[field]) ** 0.5 for field in ("beta_start", "beta_end"))
        betas = np.linspace(start, end, count) ** 2
        self.alphas_cumprod: NDArray[np.float32] = np.cumprod(1 - betas).astype(np.float32)

    def denoise(self, unet: NoisePredictor, latents: Any, times: list[int]) -> Any:
        """See `ddim`."""
        return ddim(self, unet, latents, times)

    def step(self, predicted: Any, timestep: int, sample: Any) -> Any:
        """See `Steps`."""
        alpha = float(self.alphas_cumprod[timestep])
        return (sample - (1 - alpha) ** 0.5 * predicted) / alpha**0.5

    def add_noise(self, clean: Any, noise: Any, timestep: int) -> Any:
        """See `Steps`."""
        alpha = float(self.alphas_cumprod[timestep])
        return alpha**0.5 * clean + (1 - alpha) ** 0.5 * noise


class DiffusersDdim:
    """DDIM by diffusers, for configurations that `Ddim` does not cover.

    Args:
        config: what ``scheduler_config.json`` holds.

    Attributes:
        alphas_cumprod: (timesteps,), the signal's share of the variance at each timestep.

    Raises:
        SdzModelError: a field is out of range, or diffusers refuses the configuration.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        from pillow_sdz.models.diffusers_parts import diffusers_class

        count = check_schedule(DDIM_DEFAULTS | dict(config))
        scheduler_class = diffusers_class("schedulers.scheduling_ddim", "DDIMScheduler")
        try:
            scheduler = scheduler_class.from_config(config)
            scheduler.set_timesteps(count)
        except (TypeError, ValueError, KeyError, NotImplementedError) as error:
            raise SdzModelError(f"cannot build the scheduler: {error}", remedy=REINSTALL) from error
        self._scheduler = scheduler
        self.alphas_cumprod: NDArray[np.float32] = scheduler.alphas_cumprod.numpy().copy()

    def denoise(self, unet: NoisePredictor, latents: Tensor, times: list[int]) -> Any:
        """See `ddim`."""
        return ddim(self, unet, latents, times)

    def step(self, predicted: Tensor, timestep: int, sample: Tensor) -> Tensor:
        """See `Steps`."""
        clean: Tensor = self._scheduler.step(predicted, timestep, sample).pred_original_sample
        return clean

    def add_noise(self, clean: Tensor, noise: Tensor, timestep: int) -> Tensor:
        """See `Steps`."""
        import torch

        noisy: Tensor = self._scheduler.add_noise(clean, noise, torch.tensor([timestep], device=clean.device))
        return noisy
