"""diffusers' schedulers by name, from the timestep that stands for a file's quantisation noise down to none.

The schedule is the checkpoint's, the steps are the scheduler's. No noise is added, and what the U-Net predicts is
brought to epsilon before (`pillow_sdz.models.diffusion.denoise`), so that one loop serves all of them.
"""

from __future__ import annotations

import copy
import warnings
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pillow_sdz.errors import SdzDependencyError, SdzModelError
from pillow_sdz.models.diffusers_parts import diffusers_class

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor


MAX_TIMESTEPS: Final = 100_000
PREDICTIONS: Final = ("epsilon", "v_prediction")
BETA_SCHEDULES: Final = ("linear", "scaled_linear", "squaredcos_cap_v2")
SCHEDULE: Final = ("beta_start", "beta_end", "beta_schedule", "trained_betas", "rescale_betas_zero_snr")
"""Fields that say which noise level each timestep stands for."""


class Kind(NamedTuple):
    """One of diffusers' schedulers.

    Attributes:
        module: where it is, within ``diffusers.schedulers``.
        prepare: called with a new scheduler and descending timesteps; sets what it steps through.
        exploding: whether its sample is signal plus noise, and not a mixture of constant variance.
        fields: configuration that is ours to choose.
    """

    module: str
    prepare: Callable[[Any, list[int]], None]
    exploding: bool = False
    fields: Mapping[str, Any] = {}


class Sampler:
    """A scheduler and its noise levels; safe to share between threads, for each use takes a copy of the scheduler.

    Args:
        name: a key of `KINDS`.
        config: what ``scheduler_config.json`` holds.

    Attributes:
        alphas_cumprod: (timesteps,), the share of the signal's variance at each timestep.

    Raises:
        SdzModelError: the schedule makes no sense.
        SdzDependencyError: the scheduler needs a package that is not installed.
    """

    def __init__(self, name: str, config: Mapping[str, Any]) -> None:
        self._kind = KINDS[name]
        betas = betas_of(config)
        fields = {"num_train_timesteps": len(betas), "trained_betas": betas, **self._kind.fields}
        try:
            scheduler_class = diffusers_class(f"schedulers.{self._kind.module}", name)
        except ImportError as error:
            raise SdzDependencyError(
                f"{name} needs a package that cannot be imported: {error}", remedy="pip install 'pillow-sdz[sd]'"
            ) from error
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # numpy's, of how diffusers takes values from tensors
            self._unused = scheduler_class(**fields)
        self.alphas_cumprod: Tensor = self._unused.alphas_cumprod

    def denoise(self, unet: Any, latents: Tensor, times: list[int]) -> Tensor:
        """Take ``latents`` from the first of the descending ``times`` down to no noise.

        Args:
            unet: called as unet(sample, timestep).sample with a sample of constant variance; predicts noise.
            latents: (1, C, h, w), scaled latents with quantisation noise.
            times: one or more timesteps. PNDM needs equal distances and takes the nearest such times.

        Returns:
            The estimate of the latent without noise, shaped like ``latents``.
        """
        scheduler = copy.deepcopy(self._unused)
        self._kind.prepare(scheduler, times)
        first = int(scheduler.timesteps[0])
        sample = latents if self._kind.exploding else latents * self.alphas_cumprod[first].sqrt().to(latents)
        for timestep in scheduler.timesteps:
            inputs = scheduler.scale_model_input(sample, timestep)
            predicted = unet(inputs.to(latents.dtype), int(timestep)).sample
            sample = scheduler.step(predicted, timestep, sample).prev_sample
        if self._kind.prepare is _pndm:  # which ends at timestep 0, and not at no noise
            sample = sample / self.alphas_cumprod[0].sqrt().to(latents)
        return sample.to(latents.dtype)


def betas_of(config: Mapping[str, Any]) -> list[float]:
    """The variance that each timestep adds.

    Raises:
        SdzModelError: a field is missing or out of range.
    """
    count = config.get("num_train_timesteps", 1000)
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MAX_TIMESTEPS:
        raise _wrong("num_train_timesteps", count, f"a whole number from 1 to {MAX_TIMESTEPS}")
    for field in ("beta_start", "beta_end"):
        _share(field, config.get(field))
    if (schedule := config.get("beta_schedule")) not in BETA_SCHEDULES:
        raise _wrong("beta_schedule", schedule, " or ".join(BETA_SCHEDULES))
    given = config.get("trained_betas")
    if given is not None:
        if not isinstance(given, list) or len(given) != count:
            raise _wrong("trained_betas", given, f"null or {count} numbers")
        for value in given:
            _share("trained_betas", value)
    fields = {field: config[field] for field in SCHEDULE if field in config}
    scheduler = diffusers_class("schedulers.scheduling_ddim", "DDIMScheduler")(num_train_timesteps=count, **fields)
    betas: list[float] = scheduler.betas.tolist()
    return betas


def _share(field: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1:
        raise _wrong(field, value, "a number between 0 and 1")


def _wrong(field: str, found: object, expected: str) -> SdzModelError:
    return SdzModelError("wrong field", field=field, found=repr(found)[:80], expected=expected)


def prediction_of(config: Mapping[str, Any]) -> str:
    """What the U-Net predicts, one of `PREDICTIONS`, by its scheduler's configuration.

    Raises:
        SdzModelError: it is something else.
    """
    found = config.get("prediction_type", "epsilon")
    if found not in PREDICTIONS:
        raise _wrong("prediction_type", found, " or ".join(PREDICTIONS))
    return str(found)


def _by_sigmas(scheduler: Any, times: list[int]) -> None:
    """Euler, LMS and UniPC. Most choose times only by themselves, and take others where they keep them."""
    import torch

    scheduler.num_inference_steps = len(times)
    alphas = scheduler.alphas_cumprod[times]
    scheduler.timesteps = torch.tensor(times, dtype=torch.float32)  # Euler refuses whole numbers
    scheduler.sigmas = torch.cat([((1 - alphas) / alphas).sqrt(), torch.zeros(1)])


def _pndm(scheduler: Any, times: list[int]) -> None:
    """PNDM's linear multistep method, which visits the second of its times twice (a step of Heun's method)."""
    from fractions import Fraction

    import torch

    spacing = max(1, times[0] // len(times))
    even = [spacing * count for count in range(len(times), 0, -1)]
    scheduler.set_timesteps(len(even))
    # it divides the whole schedule by this to know how far it steps, and asks for nothing else
    scheduler.num_inference_steps = Fraction(scheduler.config.num_train_timesteps, spacing)
    scheduler.timesteps = torch.tensor([*even[:2], *even[1:]])


KINDS: Mapping[str, Kind] = {
    "PNDMScheduler": Kind("scheduling_pndm", _pndm, fields={"skip_prk_steps": True}),
    "EulerDiscreteScheduler": Kind("scheduling_euler_discrete", _by_sigmas, exploding=True),
    "LMSDiscreteScheduler": Kind("scheduling_lms_discrete", _by_sigmas, exploding=True),
    "UniPCMultistepScheduler": Kind("scheduling_unipc_multistep", _by_sigmas),
}
"""Besides DDIM, which `pillow_sdz.models.loading` builds."""


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
        import torch

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
