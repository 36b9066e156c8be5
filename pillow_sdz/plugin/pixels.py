"""Pillow's modes -> the four that the format keeps (L, LA, RGB, RGBA) as arrays, and back to Pillow's bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pillow_sdz.errors import SdzOptionError
from pillow_sdz.notices import notice
from pillow_sdz.plugin.transparency import fill_transparent

if TYPE_CHECKING:
    from numpy.typing import NDArray

KEPT = ("L", "LA", "RGB", "RGBA")
GREY = ("1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B", "I;16N")
"""Modes without colour; all others are stored as RGB or RGBA."""


@dataclass(frozen=True)
class Planes:
    """A picture as the encoder takes it.

    Attributes:
        rgb: (H, W, 3) uint8; three equal planes for a grey picture. Under fully transparent pixels lies a smooth
            continuation of the visible ones.
        alpha: (H, W) uint8, or None.
        mode: the mode stored in the file: L, LA, RGB or RGBA.
    """

    rgb: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None
    mode: str


def stored_mode(image: Image.Image) -> str:
    """The mode in which an image is stored: with alpha if it has transparent pixels or may have, grey if it is grey.

    >>> [stored_mode(Image.new(mode, (1, 1))) for mode in ("1", "PA", "La", "CMYK", "I;16", "LA")]
    ['L', 'RGBA', 'LA', 'RGB', 'L', 'LA']
    """
    colour = "L" if image.mode in GREY else "RGB"
    alpha = image.has_transparency_data or "transparency" in image.info
    return colour + "A" if alpha else colour


def to_planes(image: Image.Image) -> Planes:
    """Convert an image of any mode.

    A palette and 1-bit pictures are expanded; a transparent colour in ``info`` becomes an alpha plane; 16-bit grey
    keeps its upper 8 bits; CMYK, YCbCr, LAB, HSV are converted to RGB as Pillow does, without colour management.
    Modes I and F hold numbers of any range: as in Pillow's own conversion, values outside 0 to 255 are clipped (and
    fractions cut off); a warning says so where it happens.

    Raises:
        SdzOptionError: the image has no pixels, or its ``info["transparency"]`` does not suit its mode.
        ValueError: Pillow cannot convert this mode.
    """
    if min(image.size) < 1:
        found = f"{image.width} x {image.height}"
        raise SdzOptionError("the image has no pixels", field="size", found=found, expected="1 x 1 or more")
    mode = stored_mode(image)
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        grey, alpha = _numbers(image)
        rgb = np.repeat(grey[:, :, None], 3, axis=2)
    else:
        try:
            pixels = np.asarray(image if image.mode == mode else image.convert(mode))
        except TypeError as error:
            raise _wrong_transparency(image) from error
        if pixels.ndim == 2:
            pixels = pixels[:, :, None]
        alpha = np.ascontiguousarray(pixels[:, :, -1]) if mode.endswith("A") else None
        colours = pixels[:, :, : 1 if mode.startswith("L") else 3]
        rgb = np.repeat(colours, 3, axis=2) if colours.shape[2] == 1 else np.array(colours)
    if alpha is not None:
        fill_transparent(rgb, alpha)
    return Planes(rgb, alpha, mode)


def _numbers(image: Image.Image) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Grey (H, W) in 8 bits, and alpha, of an image with more than 8 bits per pixel."""
    values = np.asarray(image)
    transparent = image.info.get("transparency")
    alpha = None
    if transparent is not None:
        if not isinstance(transparent, int | float):
            raise _wrong_transparency(image)
        alpha = np.where(values == transparent, 0, 255).astype(np.uint8)
    if image.mode.startswith("I;16"):
        return (values >> 8).astype(np.uint8), alpha
    low, high = values.min(), values.max()
    if not (low >= 0 and high < 256):  # written so that a NaN warns, too
        notice(f"values from {low} to {high} in a mode {image.mode} image are clipped to 0 to 255: scale them first")
    return np.nan_to_num(values, nan=0.0, posinf=255.0, neginf=0.0).clip(0, 255).astype(np.uint8), alpha


def _wrong_transparency(image: Image.Image) -> SdzOptionError:
    found = repr(image.info.get("transparency"))
    return SdzOptionError(f"does not suit mode {image.mode}", field='info["transparency"]', found=found)


def to_bytes(rgb: NDArray[np.uint8], alpha: NDArray[np.uint8] | None, mode: str) -> bytes:
    """Pixels in Pillow's raw layout of one of the four modes.

    Args:
        rgb: (H, W, 3).
        alpha: (H, W); needed for LA and RGBA.
        mode: L, LA, RGB or RGBA. Grey is the luma of ITU-R 601, as in ``Image.convert("L")``.

    >>> to_bytes(np.full((1, 2, 3), 7, np.uint8), np.full((1, 2), 9, np.uint8), "LA")
    b'\\x07\\t\\x07\\t'
    """
    colours = np.asarray(Image.fromarray(rgb).convert("L"))[:, :, None] if mode.startswith("L") else rgb
    if not mode.endswith("A"):
        return colours.tobytes()
    assert alpha is not None
    return np.concatenate([colours, alpha[:, :, None]], axis=2).tobytes()
