"""The two other ideas for a latent, kept to show why they do not compress: img2img, and a latent made smaller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pillow_sdz.models.model import Model

STEPS_AT_FULL: Final = 20
"""U-Net steps of a strength of 1, as image generators commonly take; fewer in proportion, as their img2img does."""


def img2img(model: Model, latents: NDArray[np.float32], strength: float, seed: int = 0) -> NDArray[np.float32]:
    """Add noise to latents (h, w, C) and let the U-Net take it away again; returns latents of the same shape."""
    level = model.noise_at(strength)
    noise = np.random.default_rng(seed).standard_normal(latents.shape, np.float32) * np.float32(level)
    return model.denoise(latents + noise, level, max(1, round(STEPS_AT_FULL * strength)))


def shrunk(latents: NDArray[np.float32]) -> tuple[NDArray[np.float32], int]:
    """Latents (h, w, C) at half the size, enlarged again; and how many values the smaller ones have."""
    height, width, channels = latents.shape
    smaller = max(1, width // 2), max(1, height // 2)
    result = np.empty_like(latents)
    for channel in range(channels):
        plane = Image.fromarray(np.ascontiguousarray(latents[:, :, channel]))  # mode F
        small = plane.resize(smaller, Image.Resampling.BILINEAR)
        result[:, :, channel] = np.asarray(small.resize((width, height), Image.Resampling.BILINEAR))
    return result, smaller[0] * smaller[1] * channels
