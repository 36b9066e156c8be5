"""Files without a model: the whole picture as pixels, in the coding and quality that suit it. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pillow_sdz.coding.planes import encode_alpha
from pillow_sdz.container.header import WITHOUT_MODEL, Header
from pillow_sdz.container.metadata import encode_metadata
from pillow_sdz.container.sections import Container, build
from pillow_sdz.payloads.pixels import streams
from pillow_sdz.payloads.pixels.chroma import subsampling_for
from pillow_sdz.payloads.pixels.payload import LOSSLESS_QUALITY, PixelsPlan, encode_pixels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pillow_sdz.codec.picture import Picture
    from pillow_sdz.container.metadata import Metadata
    from pillow_sdz.options import SaveOptions

_WORTH_TRYING: Final = 1.5
"""A lossless coding is tried in full if its fastest variant is at most so many times as long as AV1."""

_SMALL: Final = 1 << 20
"""Up to how many pixels the fastest lossless variant is tried on the whole picture."""

_SAMPLE, _SAMPLED = 16, 128
"""Of larger pictures, it is tried on so many of so many rows."""


def encode_without_model(picture: Picture, options: SaveOptions, metadata: Metadata) -> bytes:
    """Encode a picture as pixels, in the best plan for its quality.

    Args:
        picture: the pixels.
        options: the options of saving.
        metadata: the metadata to store.

    Returns:
        The bytes of the file.

    Raises:
        SdzError: the picture is too large for the codings, or Pillow was built without them.
    """
    body = best_body(picture.rgb, options.quality, options.effort)
    return build_without_model(picture, body, options, metadata)


def build_without_model(picture: Picture, body: bytes, options: SaveOptions, metadata: Metadata) -> bytes:
    """A file of payload kind ``pixels``.

    Args:
        picture: the pixels; their alpha is coded here.
        body: of the layer section, from `best_body` or `pillow_sdz.payloads.pixels.payload.encode_pixels`.
        options: the options of saving.
        metadata: the metadata to store.
    """
    height, width = picture.rgb.shape[:2]
    header = Header(
        mode=picture.mode,
        payload=PixelsPlan.kind,
        layer_count=1,
        width=width,
        height=height,
        factor=1,
        channels=3,
        latent_width=width,
        latent_height=height,
        fingerprint=WITHOUT_MODEL,
        noise=0,
        denoise_steps=0,
        synthesised=False,
        colour_space=metadata.colour_space,
    )
    alpha = None if picture.alpha is None else encode_alpha(picture.alpha, options.effort)
    return build(Container(header, [body], alpha=alpha, metadata=encode_metadata(metadata)))


def best_body(rgb: NDArray[np.uint8], quality: int, effort: int) -> bytes:
    """The body of the one layer: AV1 of a quality, or the lossless coding if that is smaller, as of pixel art.

    Args:
        rgb: (H, W, 3).
        quality: 0 to 99; or 100, which is lossless if the picture is not too large for that coding.
        effort: 0 (fast) to 9 (small).

    Raises:
        SdzError: the picture is too large for the codings, or Pillow was built without them.
    """
    may_be_lossless = max(rgb.shape[:2]) <= streams.longest_side(streams.LOSSLESS)
    lossless = PixelsPlan(streams.LOSSLESS, LOSSLESS_QUALITY)
    if quality == LOSSLESS_QUALITY and may_be_lossless:
        return encode_pixels(rgb, lossless, effort)
    body = encode_pixels(rgb, PixelsPlan("av1", quality, subsampling_for(rgb, quality)), effort)
    if not may_be_lossless:
        return body
    pixels, sample = rgb.shape[0] * rgb.shape[1], _sample(rgb)
    fastest = len(streams.encode(sample, streams.LOSSLESS, LOSSLESS_QUALITY, 10)) * pixels
    if fastest > _WORTH_TRYING * len(body) * sample.shape[0] * sample.shape[1]:
        return body
    return min(body, encode_pixels(rgb, lossless, effort), key=len)


def _sample(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture of at most `_SAMPLE` rows of each `_SAMPLED` of a large picture; a small one as it is."""
    height = rgb.shape[0]
    if height * rgb.shape[1] <= _SMALL:
        return rgb
    return np.concatenate([rgb[top : top + _SAMPLE] for top in range(0, height, _SAMPLED)])
