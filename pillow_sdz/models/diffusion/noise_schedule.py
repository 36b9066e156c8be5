"""Noise schedules: how much noise a latent has at each timestep, by the fields of a scheduler's configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pillow_sdz.errors import SdzModelError
from pillow_sdz.limits import is_real, is_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

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
