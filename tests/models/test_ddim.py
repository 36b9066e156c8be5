"""`Ddim` computes what diffusers' DDIMScheduler does, on tensors and on arrays, and refuses damaged configurations."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from pillow_sdz.errors import SdzModelError
from pillow_sdz.models import registry
from pillow_sdz.models.diffusion.ddim import Ddim, DiffusersDdim, covers
from pillow_sdz.models.diffusion.denoise import Noise, denoise
from pillow_sdz.models.loading import load_scheduler
from pillow_sdz.models.onnx_model import Predicted

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor


def shipped() -> dict[str, Any]:
    config: dict[str, Any] = json.loads(
        (registry.find("tiny").folder / "scheduler" / "scheduler_config.json").read_text()
    )
    return config


def written(folder: Path, **changes: object) -> Path:
    (folder / "scheduler_config.json").write_text(json.dumps(shipped() | changes))
    return folder


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("noise", "denoise_steps"), [(0.0, 1), (0.05, 1), (0.4, 2), (3.0, 7), (100.0, 4)])
def test_equals_diffusers(noise: float, denoise_steps: int, dtype: torch.dtype) -> None:
    def unet(sample: Tensor, timestep: int) -> Noise:
        return Noise(sample.flip(-1) * 0.3 + timestep / 1000)

    def unet_of_arrays(sample: NDArray[np.float32], timestep: int) -> Predicted:
        return Predicted(sample[..., ::-1] * np.float32(0.3) + np.float32(timestep / 1000))

    torch.manual_seed(1)
    latents = torch.randn(1, 4, 5, 6).to(dtype)
    ours, theirs = load_scheduler(registry.find("tiny").folder / "scheduler"), DiffusersDdim(shipped())
    assert isinstance(ours, Ddim)
    np.testing.assert_allclose(ours.alphas_cumprod, theirs.alphas_cumprod, rtol=1e-6)
    with torch.inference_mode():
        expected = denoise(unet, theirs, latents, noise, denoise_steps)
        found = denoise(unet, ours, latents, noise, denoise_steps)
    assert found.dtype == expected.dtype
    close = 0.05 if dtype == torch.bfloat16 else 1e-5  # diffusers rounds the noise schedule, too, at each of the steps
    torch.testing.assert_close(found, expected, rtol=close, atol=close)
    if dtype == torch.float32:
        array = denoise(unet_of_arrays, ours, latents.numpy(), noise, denoise_steps)
        np.testing.assert_allclose(array, expected.numpy(), rtol=close, atol=close)
        assert array.dtype == np.float32


@pytest.mark.parametrize(
    "change", [{"rescale_betas_zero_snr": True}, {"beta_schedule": "linear"}, {"clip_sample": True}]
)
def test_other_schedules_are_left_to_diffusers(tmp_path: Path, change: dict[str, object]) -> None:
    assert not covers(shipped() | change)
    assert isinstance(load_scheduler(written(tmp_path, **change)), DiffusersDdim)


def test_fields_with_other_defaults_in_diffusers_must_be_there() -> None:
    assert covers(shipped())
    for field in ("beta_schedule", "clip_sample"):
        assert not covers({name: value for name, value in shipped().items() if name != field})
    assert covers({name: value for name, value in shipped().items() if name != "thresholding"})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("beta_start", -1.0), ("beta_end", "0.1"), ("beta_end", None), ("beta_start", True),
        ("num_train_timesteps", 0), ("num_train_timesteps", 10**9), ("num_train_timesteps", 10.5),
        ("_class_name", "os.system"),
    ],
)  # fmt: skip
def test_hostile_numbers_are_refused_by_name(tmp_path: Path, field: str, value: object) -> None:
    with pytest.raises(SdzModelError) as caught:
        load_scheduler(written(tmp_path, **{field: value}))
    assert caught.value.field == field
    assert caught.value.file == str(tmp_path / "scheduler_config.json")
