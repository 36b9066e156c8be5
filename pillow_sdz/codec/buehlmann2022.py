"""The profile ``buehlmann2022``: the arithmetic of Bühlmann's experiment of 2022, with the same palette and indices.

A picture of 512x512 pixels becomes a latent of 64x64 positions by Stable Diffusion 1.x, sampled from the autoencoder's
distribution, quantised to 8 bits, and palettised to 256 entries with dithering. His program compressed palette and
indices by zlib; here they are the layer of a palette payload. Use: ``image.save(file, profile="buehlmann2022", ...)``.
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
    from pillow_sdz.models.code_mapping import CodeMapping

NAME: Final = "buehlmann2022"
SIDE: Final = 512
"""Width and height of the picture in pixels."""

SEED: Final = 0
"""Seed of the random numbers that the latent is sampled with."""

STEP: Final = 0.18215
"""Latent units per code: the scaling factor of Stable Diffusion 1.x, by which the experiment divides latents."""

PLAN: Final = PalettePlan((256,), dithered=True)
"""The only plan of the profile."""


def check_model(codes: CodeMapping, name: str) -> None:
    """Refuse models with another code mapping than the experiment's.

    Raises:
        SdzModelError: channels, factor or step are not those of Stable Diffusion 1.x and 2.x.
    """
    found, expected = (codes.channels, codes.factor, codes.step), (4, 8, STEP)
    if found != expected:
        raise SdzModelError(
            f"model {name} does not fit the profile {NAME}", field="channels, factor, step", found=found,
            expected=expected, remedy="add Stable Diffusion 1.4 or 1.5: sdz-convert models add NAME SOURCE",
        )  # fmt: skip


def to_square(picture: Picture) -> Picture:
    """Crop a picture to its middle square and scale that to `SIDE`; a picture of that size is not changed."""

    def scaled(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if plane.shape[:2] == (SIDE, SIDE):
            return plane
        return np.array(ImageOps.fit(Image.fromarray(plane), (SIDE, SIDE), Image.Resampling.LANCZOS))

    return replace(picture, rgb=scaled(picture.rgb), alpha=None if picture.alpha is None else scaled(picture.alpha))


def to_codes(latents: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Quantise latents as the experiment does: ``uint8(clip(z / (255 * 0.18215) + 0.5, 0, 1) * 255 + 0.5)``.

    Args:
        latents: any shape, unscaled.

    >>> to_codes(np.array([-30, 0, 0.18215, 30], np.float32)).tolist()
    [0, 128, 129, 255]
    """
    scaled = np.clip(latents / np.float32(255 * STEP) + np.float32(0.5), 0, 1)
    codes: NDArray[np.uint8] = (scaled * np.float32(255) + np.float32(0.5)).astype(np.uint8)
    return codes
