"""The Bühlmann profile, the arithmetic of his experiment of 2022: ``image.save(file, profile="buehlmann2022", ...)``.

A picture of 512x512 pixels becomes 64x64 latents of Stable Diffusion 1.x, sampled, in 8 bits, and a dithered palette
of 256 entries. His program puts palette and indices through zlib; here they lie in a container, unchanged.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image, ImageOps

from pillow_sdz.errors import SdzModelError
from pillow_sdz.payloads.palette.payload import PalettePlan

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pillow_sdz.codec.picture import Picture
    from pillow_sdz.models.fingerprint import CodeMapping

NAME: Final = "buehlmann2022"
SIDE: Final = 512
"""Sides of the picture in pixels."""

SEED: Final = 0
"""Of the generator that samples the latent from the autoencoder's distribution."""

STEP: Final = 0.18215
"""Latent units of one code: the scaling factor of Stable Diffusion 1.x, which he divides latents by."""

PLAN: Final = PalettePlan((256,), dithered=True)


def check_model(codes: CodeMapping, name: str) -> None:
    """Refuse models whose codes mean something else than his.

    Raises:
        SdzModelError: the model is not one of Stable Diffusion 1.x or 2.x.
    """
    found, expected = (codes.channels, codes.factor, codes.step), (4, 8, STEP)
    if found != expected:
        raise SdzModelError(
            f"model {name} does not fit the profile {NAME}", field="channels, factor, step", found=found,
            expected=expected, remedy="add Stable Diffusion 1.4 or 1.5: sdz-convert models add NAME SOURCE",
        )  # fmt: skip


def fit(picture: Picture) -> Picture:
    """Cut the middle square out of a picture and scale it to `SIDE`; pictures of that size stay as they are."""

    def scaled(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if plane.shape[:2] == (SIDE, SIDE):
            return plane
        return np.array(ImageOps.fit(Image.fromarray(plane), (SIDE, SIDE), Image.Resampling.LANCZOS))

    return replace(picture, rgb=scaled(picture.rgb), alpha=None if picture.alpha is None else scaled(picture.alpha))


def to_codes(latents: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Quantise latents as he does: ``uint8(clip(z / (255 * 0.18215) + 0.5, 0, 1) * 255 + 0.5)``.

    Args:
        latents: any shape, unscaled.

    >>> to_codes(np.array([-30, 0, 0.18215, 30], np.float32)).tolist()
    [0, 128, 129, 255]
    """
    scaled = np.clip(latents / np.float32(255 * STEP) + np.float32(0.5), 0, 1)
    codes: NDArray[np.uint8] = (scaled * np.float32(255) + np.float32(0.5)).astype(np.uint8)
    return codes
