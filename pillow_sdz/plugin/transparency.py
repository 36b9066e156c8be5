"""Colour under fully transparent pixels: nobody sees it, so it may be what costs the encoder least."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK: Final = 8
"""Side in pixels of the blocks in which the fill is computed: about one latent position of the usual models."""

NEUTRAL: Final = 128
"""Grey of a picture without a single visible pixel."""


def fill_transparent(rgb: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> None:
    """Continue the visible colours smoothly into the fully transparent pixels, in place.

    Blocks with visible pixels take their mean, the others that of the smallest enclosing group of blocks (2x2, 4x4,
    ...) that has any; the block colours are interpolated linearly. Pixels with alpha above 0 stay as they are.

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
