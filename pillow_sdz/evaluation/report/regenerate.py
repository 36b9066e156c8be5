"""Two uses of a latent that are often mistaken for compression: img2img, and scaling a latent down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pillow_sdz.models.model import Model

STEPS_AT_FULL: Final = 20
"""U-Net steps at a strength of 1, a usual number in image generators; img2img takes proportionally fewer."""


def img2img(model: Model, latents: NDArray[np.float32], strength: float, seed: int = 0) -> NDArray[np.float32]:
    """Add noise to a latent, and let the U-Net remove it.

    Args:
        model: one with a U-Net.
        latents: (h, w, C).
        strength: how much noise, as a fraction of the noise schedule, 0 to 1.
        seed: of the noise.

    Returns:
        Latents, (h, w, C).
    """
    level = model.noise_at(strength)
    noise = np.random.default_rng(seed).standard_normal(latents.shape, np.float32) * np.float32(level)
    return model.denoise(latents + noise, level, max(1, round(STEPS_AT_FULL * strength)))


def shrunk(latents: NDArray[np.float32]) -> tuple[NDArray[np.float32], int]:
    """Reduce latents (h, w, C) to half the width and height, and enlarge them again.

    Returns:
        The enlarged latents, (h, w, C), and the number of values of the reduced ones.
    """
    height, width, channels = latents.shape
    smaller = max(1, width // 2), max(1, height // 2)
    result = np.empty_like(latents)
    for channel in range(channels):
        plane = Image.fromarray(np.ascontiguousarray(latents[:, :, channel]))  # mode F
        small = plane.resize(smaller, Image.Resampling.BILINEAR)
        result[:, :, channel] = np.asarray(small.resize((width, height), Image.Resampling.BILINEAR))
    return result, smaller[0] * smaller[1] * channels
