"""diffusers' schedulers by name: each removes noise, and its steps equal its published formula."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sd_checkpoints as sd
import torch
from torch import Tensor

from pillow_sdz.models.diffusion.denoise import Noise, denoise, timesteps
from pillow_sdz.models.loading import SCHEDULER_CLASSES, load_scheduler

if TYPE_CHECKING:
    from pathlib import Path

    from pillow_sdz.models.protocols import NoisePredictor, Scheduler


def oracle(alphas: Tensor, clean: Tensor) -> NoisePredictor:
    """A perfect noise predictor: it knows the clean latent."""
    return lambda x, t: Noise((x - alphas[t].sqrt() * clean) / (1 - alphas[t]).sqrt())


def curved(x: Tensor, t: int) -> Noise:
    """A U-Net whose output depends on sample and timestep: methods of different order give different results."""
    return Noise(torch.tanh(x) * 0.4 + t / 500)


def loaded(tmp_path: Path, name: str, **change: Any) -> Scheduler:
    sd.write_scheduler(tmp_path, name, **change)
    return load_scheduler(tmp_path)


@pytest.mark.parametrize("denoise_steps", [1, 2, 3, 5])
@pytest.mark.parametrize("name", SCHEDULER_CLASSES)
def test_every_scheduler_finds_the_clean_latent(name: str, denoise_steps: int, tmp_path: Path) -> None:
    scheduler = loaded(tmp_path, name)
    torch.manual_seed(denoise_steps)
    clean = torch.randn(1, 4, 5, 6)
    noisy = clean + 0.4 * torch.randn(1, 4, 5, 6)
    unet = oracle(torch.from_numpy(scheduler.alphas_cumprod), clean)
    found = denoise(unet, scheduler, noisy, 0.4, denoise_steps)
    # PNDM ends at timestep 0, where some of the noise is left
    left = 0.035 if name == "PNDMScheduler" else 1e-4
    assert (found - clean).abs().max() < left * (noisy - clean).abs().max() / 0.4 + 1e-4
    assert torch.equal(found, denoise(unet, scheduler, noisy, 0.4, denoise_steps))


@pytest.mark.parametrize("name", SCHEDULER_CLASSES)
@pytest.mark.parametrize("noise", [0.0, 1e-3, 0.05, 200.0])
def test_any_level_of_noise(name: str, noise: float, tmp_path: Path) -> None:
    scheduler = loaded(tmp_path, name)
    for denoise_steps in (1, 2, 255):
        found = denoise(curved, scheduler, torch.ones(1, 4, 2, 2), noise, denoise_steps)
        assert torch.isfinite(found).all()


def levels(scheduler: Scheduler, times: list[int]) -> list[float]:
    """The noise levels (sigmas) of timesteps, and 0 at the end."""
    alphas = torch.from_numpy(scheduler.alphas_cumprod)[times].double()
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
    """The first step is Euler's, the second that of Adams and Bashforth with steps of different sizes."""
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
    """Three steps: one of Heun's kind, then two of the linear multistep method (Liu et al. 2022, eq. 9)."""
    scheduler = loaded(tmp_path, "PNDMScheduler")
    latents = torch.randn(1, 4, 3, 3)
    alphas = torch.from_numpy(scheduler.alphas_cumprod).double()
    first = timesteps(scheduler, 0.3, 3)[0]
    spacing = first // 3
    assert spacing > 10

    def move(x: Tensor, noise: Tensor, start: int, end: int) -> Tensor:
        a, b = alphas[start], alphas[end]
        denominator = a * (1 - b).sqrt() + (a * (1 - a) * b).sqrt()
        moved: Tensor = (b / a).sqrt() * x - (b - a) * noise / denominator
        return moved

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


def test_the_noise_schedule_is_the_checkpoints(tmp_path: Path) -> None:
    plain, steep = (loaded(tmp_path, "PNDMScheduler", beta_end=end).alphas_cumprod for end in (0.012, 0.02))
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    torch.testing.assert_close(torch.from_numpy(plain), torch.cumprod(1 - betas, 0))
    assert steep[-1] < plain[-1]
