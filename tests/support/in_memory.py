"""Saving and opening without files."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageFile

from pillow_sdz import SdzImageFile

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def opened(data: bytes) -> ImageFile.ImageFile:
    """The image in a file's bytes, not yet loaded."""
    return Image.open(io.BytesIO(data))


def saved(image: Image.Image, kind: str = "SDZ", **keywords: Any) -> bytes:
    """An image as a file's bytes."""
    stream = io.BytesIO()
    image.save(stream, kind, **keywords)
    return stream.getvalue()


def through(image: Image.Image, kind: str = "SDZ", **keywords: Any) -> ImageFile.ImageFile:
    """An image saved and opened again, not yet loaded."""
    return opened(saved(image, kind, **keywords))


def assert_pixels(image: Image.Image, expected: ArrayLike | Image.Image) -> None:
    """Compare pixels."""
    assert np.array_equal(np.asarray(image), np.asarray(expected))


def psnr(one: ArrayLike | Image.Image, other: ArrayLike | Image.Image) -> float:
    """Peak signal-to-noise ratio of two pictures of 8 bits, in dB."""
    difference = np.asarray(one).astype(float) - np.asarray(other).astype(float)
    return float(10 * np.log10(255**2 / np.mean(difference**2)))


def opened_sdz(data: bytes) -> SdzImageFile:
    """As `opened`, typed as an `SdzImageFile`."""
    image = opened(data)
    assert isinstance(image, SdzImageFile)
    return image
