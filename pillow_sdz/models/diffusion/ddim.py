"""The noise schedule of Stable Diffusion and one exact step of DDIM (Song et al. 2021), as diffusers computes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from pillow_sdz.errors import SdzModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

REQUIRED = {
    "beta_schedule": "scaled_linear",
    "prediction_type": "epsilon",
    "clip_sample": False,
    "thresholding": False,
    "trained_betas": None,
    "rescale_betas_zero_snr": False,
}
DEFAULTS = {"thresholding": False, "trained_betas": None, "rescale_betas_zero_snr": False, "num_train_timesteps": 1000}
"""Those of diffusers' DDIMScheduler, where they say what `REQUIRED` asks for; the other fields must be there."""

MAX_TIMESTEPS = 100_000


class Step(NamedTuple):
    """What `Ddim.step` returns: the estimate of the sample without noise."""

    pred_original_sample: Tensor


def covers(config: Mapping[str, Any]) -> bool:
    """Whether `Ddim` is the scheduler that this configuration of diffusers' DDIMScheduler describes.

    The fields that are not asked about choose timesteps or clip values, which `denoise` does itself or not at all.
    """
    config = DEFAULTS | dict(config)
    return all(config.get(field, ...) == value for field, value in REQUIRED.items())


class Ddim:
    """A schedule of noise levels; safe to share between threads.

    Args:
        config: one that `covers`.

    Attributes:
        alphas_cumprod: (timesteps,), the share of the signal's variance at each timestep.

    Raises:
        SdzModelError: a number is missing or out of range.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        start, end = _beta(config, "beta_start"), _beta(config, "beta_end")
        count = config.get("num_train_timesteps", DEFAULTS["num_train_timesteps"])
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MAX_TIMESTEPS:
            raise _wrong("num_train_timesteps", count, f"a whole number from 1 to {MAX_TIMESTEPS}")
        betas = torch.linspace(start**0.5, end**0.5, count, dtype=torch.float32) ** 2
        self.alphas_cumprod = torch.cumprod(1.0 - betas, dim=0)

    def step(self, predicted: Tensor, timestep: int, sample: Tensor) -> Step:
        """Remove the ``predicted`` noise from ``sample``; both (B, C, h, w)."""
        alpha = self.alphas_cumprod[timestep]
        return Step((sample - (1 - alpha) ** 0.5 * predicted) / alpha**0.5)

    def add_noise(self, clean: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Mix ``clean`` and ``noise``, both (B, C, h, w), as of ``timesteps``, (1,) or (B,)."""
        alpha = self.alphas_cumprod.to(clean)[timesteps.to(clean.device)].view(-1, 1, 1, 1)
        return alpha**0.5 * clean + (1 - alpha) ** 0.5 * noise


def _beta(config: Mapping[str, Any], field: str) -> float:
    value = config.get(field)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1:
        raise _wrong(field, value, "a number between 0 and 1")
    return float(value)


def _wrong(field: str, found: object, expected: str) -> SdzModelError:
    return SdzModelError("wrong field", field=field, found=repr(found)[:80], expected=expected)
