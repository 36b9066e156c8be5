"""diffusers' schedulers by name: each removes noise, and its steps are those of its formula."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import sd_checkpoints as sd
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pillow_sdz.models.diffusion.denoise import denoise, timesteps
from pillow_sdz.models.loading import SCHEDULERS, load_scheduler
from pillow_sdz.models.tiling import fading_windows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Predicted:
    def __init__(self, sample: Tensor) -> None:
        self.sample = sample


def oracle(alphas: Tensor, clean: Tensor) -> Callable[[Tensor, int], Predicted]:
    """A U-Net that knows the picture."""
    return lambda x, t: Predicted((x - alphas[t].sqrt() * clean) / (1 - alphas[t]).sqrt())


def curved(x: Tensor, t: int) -> Predicted:
    """A U-Net whose output changes along the way, so that the order of a method shows."""
    return Predicted(torch.tanh(x) * 0.4 + t / 500)


def loaded(tmp_path: Path, name: str, **change: Any) -> Any:
    sd.write_scheduler(tmp_path, name, **change)
    return load_scheduler(tmp_path)


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_all_of_them_find_the_picture(name: str, steps: int, tmp_path: Path) -> None:
    scheduler = loaded(tmp_path, name)
    torch.manual_seed(steps)
    clean = torch.randn(1, 4, 5, 6)
    noisy = clean + 0.4 * torch.randn(1, 4, 5, 6)
    found = denoise(oracle(scheduler.alphas_cumprod, clean), scheduler, noisy, 0.4, steps)
    # PNDM ends at timestep 0, where some of the noise is left
    left = 0.035 if name == "PNDMScheduler" else 1e-4
    assert (found - clean).abs().max() < left * (noisy - clean).abs().max() / 0.4 + 1e-4
    assert torch.equal(found, denoise(oracle(scheduler.alphas_cumprod, clean), scheduler, noisy, 0.4, steps))


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("noise", [0.0, 1e-3, 0.05, 200.0])
def test_any_level_of_noise(name: str, noise: float, tmp_path: Path) -> None:
    scheduler = loaded(tmp_path, name)
    for steps in (1, 2, 255):
        found = denoise(curved, scheduler, torch.ones(1, 4, 2, 2), noise, steps)
        assert torch.isfinite(found).all()


def levels(scheduler: Any, times: list[int]) -> list[float]:
    alphas = scheduler.alphas_cumprod[times].double()
    return [*((1 - alphas) / alphas).sqrt().tolist(), 0.0]


def test_euler_by_hand(tmp_path: Path) -> None:
    scheduler = loaded(tmp_path, "EulerDiscreteScheduler", use_karras_sigmas=True)
    latents = torch.randn(1, 4, 3, 3)
    times = timesteps(scheduler, 0.5, 3)
    assert len(times) == 3
    x = latents.double()
    sigmas = levels(scheduler, times)
    for time, sigma, after in zip(times, sigmas, sigmas[1:], strict=False):
        x = x + (after - sigma) * curved((x / (1 + sigma**2) ** 0.5).float(), time).sample.double()
    torch.testing.assert_close(denoise(curved, scheduler, latents, 0.5, 3), x.float(), atol=1e-4, rtol=1e-4)


def test_lms_by_hand(tmp_path: Path) -> None:
    """The first step is Euler's, the second that of Adams and Bashforth on uneven distances."""
    scheduler = loaded(tmp_path, "LMSDiscreteScheduler")
    latents = torch.randn(1, 4, 3, 3)
    times = timesteps(scheduler, 0.5, 2)
    first, second, _ = levels(scheduler, times)
    x = latents.double()
    one = curved((x / (1 + first**2) ** 0.5).float(), times[0]).sample.double()
    x = x + (second - first) * one
    two = curved((x / (1 + second**2) ** 0.5).float(), times[1]).sample.double()
    change = 0 - second
    x = x + change * two + change**2 / 2 * (two - one) / (second - first)
    torch.testing.assert_close(denoise(curved, scheduler, latents, 0.5, 2), x.float(), atol=1e-4, rtol=1e-4)


def test_one_step_of_unipc_is_one_of_ddim(tmp_path: Path) -> None:
    latents = torch.randn(1, 4, 3, 3)
    found, expected = (
        denoise(curved, loaded(tmp_path, name), latents, 0.5, 1)
        for name in ("UniPCMultistepScheduler", "DDIMScheduler")
    )
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_unipc_is_nearer_to_the_limit_than_ddim(tmp_path: Path) -> None:
    latents = torch.randn(1, 4, 3, 3)
    ddim, unipc = loaded(tmp_path, "DDIMScheduler"), loaded(tmp_path, "UniPCMultistepScheduler")
    limit = denoise(curved, ddim, latents, 1.0, 255)
    errors = [(denoise(curved, scheduler, latents, 1.0, 6) - limit).abs().max() for scheduler in (ddim, unipc)]
    assert errors[1] < errors[0] / 2


def test_pndm_by_hand(tmp_path: Path) -> None:
    """Three distances: a step of Heun's kind, then two of the linear multistep method (Liu et al. 2022, eq. 9)."""
    scheduler = loaded(tmp_path, "PNDMScheduler")
    latents = torch.randn(1, 4, 3, 3)
    alphas = scheduler.alphas_cumprod.double()
    first = timesteps(scheduler, 0.3, 3)[0]
    spacing = first // 3
    assert spacing > 10

    def move(x: Tensor, noise: Tensor, start: int, end: int) -> Tensor:
        a, b = alphas[start], alphas[end]
        denominator = a * (1 - b).sqrt() + (a * (1 - a) * b).sqrt()
        return (b / a).sqrt() * x - (b - a) * noise / denominator

    times = [3 * spacing, 2 * spacing, spacing, 0]
    start = latents.double() * alphas[times[0]].sqrt()
    seen = [curved(start.float(), times[0]).sample.double()]
    x = move(start, seen[0], times[0], times[1])
    again = curved(x.float(), times[1]).sample.double()
    x = move(start, (seen[0] + again) / 2, times[0], times[1])
    seen.append(curved(x.float(), times[1]).sample.double())
    x = move(x, (3 * seen[1] - seen[0]) / 2, times[1], times[2])
    seen.append(curved(x.float(), times[2]).sample.double())
    x = move(x, (23 * seen[2] - 16 * seen[1] + 5 * seen[0]) / 12, times[2], 0)
    found = denoise(curved, scheduler, latents, 0.3, 3)
    torch.testing.assert_close(found, (x / alphas[0].sqrt()).float(), atol=1e-4, rtol=1e-4)


def test_the_checkpoints_own_schedule_counts(tmp_path: Path) -> None:
    plain, steep = (loaded(tmp_path, "PNDMScheduler", beta_end=end).alphas_cumprod for end in (0.012, 0.02))
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    torch.testing.assert_close(plain, torch.cumprod(1 - betas, 0))
    assert steep[-1] < plain[-1]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 9))
def test_fading_windows_cover_the_grid_in_order(height: int, width: int, overlap: int) -> None:
    side = 2 * overlap + 3
    written = np.zeros((height, width), bool)
    for window in fading_windows(height, width, side, overlap):
        top, bottom, left, right = window.core
        assert (bottom - top, right - left) == (min(side, height), min(side, width))
        place = written[top:bottom, left:right]
        down, across = window.fade
        assert place[:down].all(), "what fades out is there"
        assert place[:, :across].all()
        place[...] = True
    assert written.all()


def test_windows_of_a_constant_fade_without_a_seam() -> None:
    from pillow_sdz.models.model import _paste

    target = np.full((40, 50, 3), np.nan, np.float32)
    ones = np.ones((11, 11, 3), np.float32)
    for window in fading_windows(40, 50, 11, 4):
        _paste(target, window, ones, 1)
    np.testing.assert_allclose(target, 1)
