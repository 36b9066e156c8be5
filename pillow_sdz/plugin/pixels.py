"""Convert images of any of Pillow's modes to arrays in one of the format's modes (L, LA, RGB, RGBA), and arrays to
Pillow's raw bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from pillow_sdz.codec.picture import Picture
from pillow_sdz.errors import SdzOptionError, notice

if TYPE_CHECKING:
    from numpy.typing import NDArray


GREY: Final = ("1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B", "I;16N")
"""Modes without colour; all others are stored as RGB or RGBA."""


def stored_mode(image: Image.Image) -> str:
    """The mode in which an image is stored: with alpha if it has transparent pixels or may have, grey if it is grey.

    >>> [stored_mode(Image.new(mode, (1, 1))) for mode in ("1", "PA", "La", "CMYK", "I;16", "LA")]
    ['L', 'RGBA', 'LA', 'RGB', 'L', 'LA']
    """
    colour = "L" if image.mode in GREY else "RGB"
    alpha = image.has_transparency_data or "transparency" in image.info
    return colour + "A" if alpha else colour


def to_picture(image: Image.Image) -> Picture:
    """Convert an image of any mode. Colours under fully transparent pixels are replaced, see `fill_transparent`.

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
    return Picture(rgb, alpha, mode)


def _numbers(image: Image.Image) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Grey in 8 bits and alpha (or None), (H, W) each, of an image of mode I, F or I;16."""
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


def to_raw(picture: Picture) -> NDArray[np.uint8]:
    """Pixels in Pillow's raw layout of the picture's mode. Grey is the luma of ITU-R 601, as in ``Image.convert("L")``.

    Returns:
        (H, W, C), C-contiguous; the picture's own array where that is possible.

    >>> to_raw(Picture(np.full((1, 2, 3), 7, np.uint8), np.full((1, 2), 9, np.uint8), "LA")).tobytes()
    b'\\x07\\t\\x07\\t'
    """
    rgb, alpha, mode = picture.rgb, picture.alpha, picture.mode
    colours = np.asarray(Image.fromarray(rgb).convert("L"))[:, :, None] if mode.startswith("L") else rgb
    if not mode.endswith("A"):
        return np.ascontiguousarray(colours)
    assert alpha is not None
    return np.concatenate([colours, alpha[:, :, None]], axis=2)


BLOCK: Final = 8
"""Side in pixels of the blocks in which `fill_transparent` computes: one latent position of the usual models."""

NEUTRAL: Final = 128
"""Grey value that a picture without a single visible pixel is filled with."""


def fill_transparent(rgb: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> None:
    """Continue the visible colours smoothly into the fully transparent pixels, in place.

    A block with visible pixels gets their mean colour. Any other block gets the mean of the smallest group of blocks
    around it (2x2, 4x4, ...) that has visible pixels. The block colours are interpolated linearly. Pixels with alpha
    above 0 stay as they are.

    Args:
        rgb: (H, W, 3), changed where alpha is 0.
        alpha: (H, W).
    """
    hidden = alpha == 0
    if not hidden.any():
        return
    if hidden.all():
        rgb[:] = NEUTRAL
        return
    visible = ~hidden
    sums = np.stack([_block_sums(np.where(visible, rgb[:, :, c], 0), BLOCK) for c in range(3)], axis=2)
    colours = _spread(sums, _block_sums(visible, BLOCK))
    height, width = alpha.shape
    rows, columns = colours.shape[:2]
    smooth = Image.fromarray(colours).resize((columns * BLOCK, rows * BLOCK), Image.Resampling.BILINEAR)
    np.copyto(rgb, np.asarray(smooth)[:height, :width], where=hidden[:, :, None])


def _block_sums(plane: NDArray[np.generic], side: int) -> NDArray[np.int64]:
    """Sums over blocks of side x side, (ceil(H / side), ceil(W / side)); the last ones may be smaller."""
    rows = np.add.reduceat(plane, range(0, plane.shape[0], side), axis=0, dtype=np.int64)
    return np.asarray(np.add.reduceat(rows, range(0, plane.shape[1], side), axis=1, dtype=np.int64))


def _spread(sums: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Mean colours of all blocks, (h, w, 3), from sums (h, w, 3) and counts (h, w) of the visible pixels in them."""
    colours = (sums // np.maximum(counts, 1)[:, :, None]).astype(np.uint8)
    empty = counts == 0
    if empty.any():
        larger = np.stack([_block_sums(sums[:, :, c], 2) for c in range(3)], axis=2)
        coarse = _spread(larger, _block_sums(counts, 2))
        wide = coarse.repeat(2, axis=0).repeat(2, axis=1)[: counts.shape[0], : counts.shape[1]]
        np.copyto(colours, wide, where=empty[:, :, None])
    return colours
