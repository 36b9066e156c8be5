"""Schedulers of diffusers besides DDIM: methods to step down a noise schedule from a file's quantisation noise to none.

The noise schedule is the checkpoint's; the method is `pillow_sdz.models.diffusion.ddim`, or one of `SAMPLERS`. No
random noise is added between the steps. All U-Nets predict noise (epsilon) here:
`pillow_sdz.models.diffusion.denoise.UNetAdapter` converts v-prediction. Every scheduler implements
`pillow_sdz.models.protocols.Scheduler`; `pillow_sdz.models.loading` builds the right one.

torch and diffusers are imported within functions: commands about models need neither.
"""

from __future__ import annotations

import copy
import warnings
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pillow_sdz.models.diffusion.noise_schedule import SCHEDULE_FIELDS, check_schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from pillow_sdz.models.protocols import NoisePredictor


class Sampler:
    """One of diffusers' other schedulers, which keep state while they step: each use steps a copy.

    Args:
        name: a key of `SAMPLERS`.
        config: what ``scheduler_config.json`` holds.

    Attributes:
        alphas_cumprod: (timesteps,), the signal's share of the variance at each timestep.

    Raises:
        SdzModelError: a field is missing or out of range.
        SdzDependencyError: the scheduler needs a package that is not installed.
    """

    def __init__(self, name: str, config: Mapping[str, Any]) -> None:
        from pillow_sdz.models.diffusers_parts import diffusers_class

        self._kind = SAMPLERS[name]
        betas = _betas(config)
        fields = {"num_train_timesteps": len(betas), "trained_betas": betas, **self._kind.fields}
        scheduler_class = diffusers_class(f"schedulers.{self._kind.module}", name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # numpy's, of how diffusers takes values from tensors
            self._template = scheduler_class(**fields)
        self.alphas_cumprod: NDArray[np.float32] = self._template.alphas_cumprod.numpy().copy()

    def denoise(self, unet: NoisePredictor, latents: Tensor, times: list[int]) -> Tensor:
        """See `pillow_sdz.models.protocols.Scheduler`. PNDM steps evenly, and takes evenly spaced timesteps instead."""
        scheduler = copy.deepcopy(self._template)
        self._kind.prepare(scheduler, times)
        first = int(scheduler.timesteps[0])
        sample = latents if self._kind.variance_exploding else latents * float(self.alphas_cumprod[first]) ** 0.5
        for timestep in scheduler.timesteps:
            inputs = scheduler.scale_model_input(sample, timestep)
            predicted = unet(inputs.to(latents.dtype), int(timestep)).sample
            sample = scheduler.step(predicted, timestep, sample).prev_sample
        if self._kind.prepare is _pndm:  # it ends at timestep 0, where the signal is still scaled
            sample = sample / float(self.alphas_cumprod[0]) ** 0.5
        result: Tensor = sample.to(latents.dtype)
        return result


def _betas(config: Mapping[str, Any]) -> list[float]:
    """The variance of the noise that each timestep adds, as diffusers computes it from a checked configuration."""
    from pillow_sdz.models.diffusers_parts import diffusers_class

    count = check_schedule(config)
    fields = {field: config[field] for field in SCHEDULE_FIELDS if field in config}
    scheduler = diffusers_class("schedulers.scheduling_ddim", "DDIMScheduler")(num_train_timesteps=count, **fields)
    betas: list[float] = scheduler.betas.tolist()
    return betas


class SamplerKind(NamedTuple):
    """One of diffusers' schedulers.

    Attributes:
        module: where it is, within ``diffusers.schedulers``.
        prepare: called with a new scheduler and descending timesteps; makes it step through them.
        variance_exploding: whether its sample is signal + sigma * noise; otherwise it is variance-preserving, as
            `pillow_sdz.models.protocols.NoisePredictor` takes it.
        fields: configuration that does not depend on the checkpoint.
    """

    module: str
    prepare: Callable[[Any, list[int]], None]
    variance_exploding: bool = False
    fields: Mapping[str, Any] = {}


def _by_sigmas(scheduler: Any, times: list[int]) -> None:
    """Make Euler, LMS or UniPC step through ``times``, by setting attributes: most take timesteps in no other way."""
    import torch

    scheduler.num_inference_steps = len(times)
    alphas = scheduler.alphas_cumprod[times]
    scheduler.timesteps = torch.tensor(times, dtype=torch.float32)  # Euler refuses whole numbers
    scheduler.sigmas = torch.cat([((1 - alphas) / alphas).sqrt(), torch.zeros(1)])


def _pndm(scheduler: Any, times: list[int]) -> None:
    """Make PNDM's multistep method step evenly from ``times[0]`` (or just below) to 0, the second timestep twice."""
    from fractions import Fraction  # takes milliseconds to import

    import torch

    spacing = max(1, times[0] // len(times))
    even = [spacing * count for count in range(len(times), 0, -1)]
    scheduler.set_timesteps(len(even))
    # PNDM uses this number only to divide num_train_timesteps by it, which gives the distance of its steps
    scheduler.num_inference_steps = Fraction(scheduler.config.num_train_timesteps, spacing)
    scheduler.timesteps = torch.tensor([*even[:2], *even[1:]])


SAMPLERS: Final[Mapping[str, SamplerKind]] = {
    "PNDMScheduler": SamplerKind("scheduling_pndm", _pndm, fields={"skip_prk_steps": True}),
    "EulerDiscreteScheduler": SamplerKind("scheduling_euler_discrete", _by_sigmas, variance_exploding=True),
    "LMSDiscreteScheduler": SamplerKind("scheduling_lms_discrete", _by_sigmas, variance_exploding=True),
    "UniPCMultistepScheduler": SamplerKind("scheduling_unipc_multistep", _by_sigmas),
}
"""diffusers' schedulers besides DDIM, by class name."""
