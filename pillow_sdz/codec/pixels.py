"""Files without a model: the whole picture as pixels, in the coding and quality that suit it. Imports no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from pillow_sdz.container.header import NO_FINGERPRINT, Header
from pillow_sdz.container.metadata import encode_metadata
from pillow_sdz.container.sections import Container
from pillow_sdz.payloads.pixels import streams
from pillow_sdz.payloads.pixels.chroma import FINE_CHROMA, subsampling_for
from pillow_sdz.payloads.pixels.payload import LOSSLESS_PLAN, LOSSLESS_QUALITY, PixelsPlan, encode_pixels, speed_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from pillow_sdz.codec.picture import Picture
    from pillow_sdz.container.metadata import Metadata

_WORTH_TRYING: Final = 1.5
"""A lossless coding is tried in full if its fastest variant is at most so many times as long as AV1."""

FASTEST: Final = 10
"""The highest speed of the codings."""

QUICK: Final = 8
"""The speed at which a quality is searched for, at least."""

FIRST_QUALITY: Final = 30
"""The quality that a search starts with."""

DOUBLING: Final = 15
"""By how much the quality rises when the size doubles, on photos."""

GUESSES: Final = 4
"""How often a search trusts that."""

SLACK: Final = 2
"""By how much the quality that was found is lowered at a time, until it fits at the speed of the effort, too."""

_SMALL: Final = 1 << 20
"""Up to how many pixels the fastest lossless variant is tried on the whole picture."""

_SAMPLE, _SAMPLED = 16, 128
"""Of larger pictures, it is tried on so many of so many rows."""


def can_hold(rgb: NDArray[np.uint8]) -> bool:
    """Whether a picture (H, W, 3) is not too large for AV1, which takes longer sides than the other codings."""
    return streams.can_hold("av1", *rgb.shape[1::-1])


def container_of(picture: Picture, body: bytes, alpha: bytes | None, metadata: Metadata) -> Container:
    """A file of payload kind ``pixels``.

    Args:
        picture: its mode and its size are stored.
        body: of the layer section, from `best_body` or `fit_body`.
        alpha: body of the alpha section, or None.
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
        fingerprint=NO_FINGERPRINT,
        noise=0,
        denoise_steps=0,
        synthesised=False,
        colour_space=metadata.colour_space,
    )
    return Container(header, [body], alpha=alpha, metadata=encode_metadata(metadata))


def best_body(rgb: NDArray[np.uint8], quality: int, effort: int) -> bytes:
    """The body of the one layer: AV1 of a quality, or the lossless coding if that is smaller, as of pixel art.

    Args:
        rgb: (H, W, 3).
        quality: 0 to 99; or 100, which is lossless if the picture is not too large for that coding.
        effort: 0 (fast) to 9 (small).

    Raises:
        SdzError: the picture is too large for the codings, or Pillow was built without them.
    """
    may_be_lossless = _may_be_lossless(rgb)
    if quality == LOSSLESS_QUALITY and may_be_lossless:
        return encode_pixels(rgb, LOSSLESS_PLAN, effort)
    body = encode_pixels(rgb, PixelsPlan("av1", quality, subsampling_for(rgb, quality)), effort)
    if not may_be_lossless:
        return body
    if _lossless_bytes(rgb) > _WORTH_TRYING * len(body):
        return body
    return min(body, encode_pixels(rgb, LOSSLESS_PLAN, effort), key=len)


def _lossless_bytes(rgb: NDArray[np.uint8]) -> float:
    """About how many bytes the fastest lossless variant takes."""
    sample = _sample(rgb)
    return streams.encoded_bytes(sample, streams.LOSSLESS, LOSSLESS_QUALITY, FASTEST) * rgb.size / sample.size


def _sample(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture of at most `_SAMPLE` rows of each `_SAMPLED` of a large picture; a small one as it is."""
    height = rgb.shape[0]
    if height * rgb.shape[1] <= _SMALL:
        return rgb
    return np.concatenate([rgb[top : top + _SAMPLE] for top in range(0, height, _SAMPLED)])


@dataclass(frozen=True)
class FittedBody:
    """The body of a layer, and the quality that it has: 0 to 99, or 100 if it is lossless."""

    body: bytes
    quality: int


def fit_body(rgb: NDArray[np.uint8], size: int, effort: int) -> FittedBody | None:
    """The best body of the one layer that is found to be no larger than a number of bytes, or None.

    The quality is searched for with a fast variant of the coding, whose sizes are nearly those of slower ones.

    Args:
        rgb: (H, W, 3).
        size: bytes of the body at most.
        effort: 0 (fast) to 9 (small).

    Raises:
        SdzError: the picture is too large for the codings, or Pillow was built without them.
    """
    if _may_be_lossless(rgb) and _lossless_bytes(rgb) <= _WORTH_TRYING * size:
        body = encode_pixels(rgb, LOSSLESS_PLAN, effort)
        if len(body) <= size:
            return FittedBody(body, LOSSLESS_QUALITY)
    chroma = cache(lambda fine: subsampling_for(rgb, LOSSLESS_QUALITY if fine else 0))

    def measure(quality: int) -> int:
        speed = max(QUICK, speed_of(effort))
        return streams.encoded_bytes(rgb, "av1", quality, speed, chroma(quality >= FINE_CHROMA))

    @cache
    def coded(quality: int) -> bytes:
        return encode_pixels(rgb, PixelsPlan("av1", quality, chroma(quality >= FINE_CHROMA)), effort)

    quality = _searched(measure, size)
    while len(coded(quality)) > size:
        if quality == 0:
            return None
        quality = max(0, quality - SLACK)
    while quality + 1 < LOSSLESS_QUALITY and len(coded(quality + 1)) <= size:
        quality += 1
    return FittedBody(coded(quality), quality)


def _searched(measure: Callable[[int], int], size: int) -> int:
    """The highest quality, 0 to 99, that measures no more than a size; 0 if there is none.

    Sizes double every `DOUBLING` qualities or so: the next quality is guessed from that a few times, then bisected.

    >>> _searched(lambda quality: 1000 * 2 ** (quality // 10), 7999)
    29
    """
    fits, fails, quality, attempts = 0, LOSSLESS_QUALITY, FIRST_QUALITY, 0
    while fails - fits > 1:
        measured = measure(quality)
        fits, fails = (quality, fails) if measured <= size else (fits, quality)
        guess = quality + round(DOUBLING * math.log2(max(size, 1) / measured))
        attempts += 1
        if attempts > GUESSES:
            guess = (fits + fails) // 2
        quality = min(fails - 1, max(fits + 1, guess))
    return fits


def decode_body(body: bytes, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """The pixels (H, W, 3) of a body, as readers decode it.

    Args:
        body: of the layer section.
        shape: (H, W, 3).
    """
    height, width = shape[:2]
    return streams.decode(body[0], body[1:], width, height, "layer 1")


def _may_be_lossless(rgb: NDArray[np.uint8]) -> bool:
    return streams.can_hold(streams.LOSSLESS, *rgb.shape[1::-1])
