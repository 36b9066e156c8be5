"""Schedulers: noise schedules, and methods to step down them from a file's quantisation noise to none.

The noise schedule is the checkpoint's; the method is DDIM, or one of `SAMPLERS`. No random noise is added between the
steps. All U-Nets predict noise (epsilon) here: `pillow_sdz.models.diffusion.denoise.UNetAdapter` converts v-prediction.
Every scheduler implements `pillow_sdz.models.protocols.Scheduler`; `pillow_sdz.models.loading` builds the right one.

`Ddim` works on tensors and on numpy arrays alike, and needs no torch. torch and diffusers, which the others need, are
imported within functions.
"""

from __future__ import annotations

import copy
import warnings
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import numpy as np

from pillow_sdz.errors import SdzModelError
from pillow_sdz.limits import is_real, is_whole
from pillow_sdz.models.manifest_fields import REINSTALL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from pillow_sdz.models.protocols import NoisePredictor

PREDICTIONS: Final = ("epsilon", "v_prediction")
"""What U-Nets predict: noise, or velocity (Salimans and Ho 2022); diffusers' names."""

BETA_SCHEDULES: Final = ("linear", "scaled_linear", "squaredcos_cap_v2")
"""Noise schedules by diffusers' names."""

SCHEDULE_FIELDS: Final = ("beta_start", "beta_end", "beta_schedule", "trained_betas", "rescale_betas_zero_snr")
"""Fields of a configuration that determine the noise level of each timestep."""

MAX_TIMESTEPS: Final = 100_000
"""Most timesteps of a noise schedule; those in use have 1000."""

DDIM_DEFAULTS: Final = {"beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear"}
"""diffusers' defaults for the noise schedule of a DDIMScheduler, whose configuration may leave these fields out."""


def prediction_of(config: Mapping[str, Any]) -> str:
    """What the U-Net predicts, one of `PREDICTIONS`, by its scheduler's configuration.

    Raises:
        SdzModelError: it is something else.
    """
    found = config.get("prediction_type", "epsilon")
    if found not in PREDICTIONS:
        raise _wrong("prediction_type", found, " or ".join(PREDICTIONS))
    return str(found)


def check_schedule(config: Mapping[str, Any]) -> int:
    """Check the fields of a configuration that make its noise schedule.

    Returns:
        The number of timesteps.

    Raises:
        SdzModelError: a field is missing or out of range.
    """
    count = config.get("num_train_timesteps", 1000)  # diffusers' default
    if not is_whole(count, 1, MAX_TIMESTEPS):
        raise _wrong("num_train_timesteps", count, f"a whole number from 1 to {MAX_TIMESTEPS}")
    if (schedule := config.get("beta_schedule")) not in BETA_SCHEDULES:
        raise _wrong("beta_schedule", schedule, " or ".join(BETA_SCHEDULES))
    betas = [("beta_start", config.get("beta_start")), ("beta_end", config.get("beta_end"))]
    trained = config.get("trained_betas")
    if trained is not None:
        if not isinstance(trained, list) or len(trained) != count:
            raise _wrong("trained_betas", trained, f"null or {count} numbers")
        betas += [("trained_betas", beta) for beta in trained]
    for field, beta in betas:
        if not is_real(beta, 0, 1) or beta in (0, 1):
            raise _wrong(field, beta, "a number between 0 and 1")
    return count


def _wrong(field: str, found: object, expected: str) -> SdzModelError:
    return SdzModelError("wrong field", field=field, found=repr(found)[:80], expected=expected)


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
