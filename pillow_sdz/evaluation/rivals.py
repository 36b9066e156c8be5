"""Other codecs at the nearest size that is not above a given one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from PIL import Image

from pillow_sdz.evaluation.codecs import decoded, largest_not_above

if TYPE_CHECKING:
    from pillow_sdz.evaluation.codecs import Format

REDUCTIONS: Final = (1, 3 / 4, 1 / 2, 3 / 8, 1 / 4, 3 / 16, 1 / 8)
"""Sides that are tried, relative to the picture's: what people do where the lowest quality is still too large."""


@dataclass(frozen=True)
class Rival:
    """A file of another codec.

    Attributes:
        size: its bytes.
        quality: the encoder's setting.
        stored: width and height in the file.
        picture: RGB, of the original's size.
    """

    size: int
    quality: int
    stored: tuple[int, int]
    picture: Image.Image


def at_most(form: Format, image: Image.Image, size: int) -> Rival | None:
    """The best file of ``form`` in at most ``size`` bytes: at full size if any quality fits, else reduced and enlarged.

    Args:
        form: which codec.
        image: RGB.
        size: bytes.

    Returns:
        What was found, or None where no file is that small.
    """
    for reduction in REDUCTIONS:
        stored = max(1, round(image.width * reduction)), max(1, round(image.height * reduction))
        smaller = image if stored == image.size else image.resize(stored, Image.Resampling.LANCZOS)
        found = largest_not_above(form, smaller, size)
        if len(found.data) <= size:
            picture = decoded(found.data)
            if stored != image.size:
                picture = picture.resize(image.size, Image.Resampling.BICUBIC)
            return Rival(len(found.data), found.quality, stored, picture)
    return None
