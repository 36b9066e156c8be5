"""Sizes of an 8-bit latent in general lossless formats: WebP and DEFLATE."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from pillow_sdz.evaluation.codecs import saved

if TYPE_CHECKING:
    from numpy.typing import NDArray

WEBP_SIDE: Final = 16383
"""Longest side of a WebP picture."""


def deflated(codes: NDArray[np.uint8]) -> int:
    """Size in bytes of the codes (h, w, C), channel after channel, compressed by zlib at level 9."""
    return len(zlib.compress(np.ascontiguousarray(np.moveaxis(codes, 2, 0)).tobytes(), 9))


def lossless_webp(codes: NDArray[np.uint8]) -> int | None:
    """Size in bytes of the codes (h, w, C) as one lossless WebP; None if it would be too wide or too high for WebP.

    Four channels become the red, green, blue and alpha of a picture, as in the article of 2022. More channels become
    several such pictures, one below the other; channels missing to a multiple of four are filled with 255.
    """
    height, width, channels = codes.shape
    pictures = -(-channels // 4)
    if pictures * height > WEBP_SIDE or width > WEBP_SIDE:
        return None
    filled = np.full((height, width, 4 * pictures), 255, np.uint8)
    filled[:, :, :channels] = codes
    stacked = np.concatenate(np.split(filled, pictures, axis=2))
    return len(saved(Image.fromarray(stacked), "WEBP", lossless=True, exact=True, quality=100, method=6))
