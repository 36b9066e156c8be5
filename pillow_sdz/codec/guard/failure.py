"""Where a decoded picture fails: the structural error of each cell of 8x8 pixels, normalised by local contrast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from pillow_sdz.container.patches import CELL

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK: Final = 4
"""Side in pixels of the blocks whose sums the windows are made of. A window is a cell and one block around it."""

WINDOW: Final = CELL // BLOCK + 2
"""Blocks of a window along each axis."""

STRIP: Final = 64
"""Rows of blocks that are worked on at a time: it bounds the memory for large pictures."""

CONTRAST: Final = (0.03 * 255) ** 2
"""SSIM's constant C2 (Wang et al. 2004)."""


def structural_error(original: NDArray[np.uint8], decoded: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The structural error of each cell: 1 less the contrast-structure term of SSIM over a window of 16x16 pixels.

    Args:
        original, decoded: (H, W, 3).

    Returns:
        (ceil(H / 8), ceil(W / 8)), from 0 (same structure) over 1 (nothing in common) to 2 (inverted).
    """
    a, b = _luma(original), _luma(decoded)
    mean_a, mean_b = _means(a), _means(b)
    variances = _means(a, a) + _means(b, b) - mean_a * mean_a - mean_b * mean_b
    covariance = _means(a, b) - mean_a * mean_b
    error: NDArray[np.float32] = 1 - (2 * covariance + CONTRAST) / (variances + CONTRAST)
    return error


def contrast(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The standard deviation of luma in the window of each cell, (ceil(H / 8), ceil(W / 8)), 0 to 128."""
    luma = _luma(picture)
    mean = _means(luma)
    deviation: NDArray[np.float32] = np.sqrt(np.maximum(_means(luma, luma) - mean * mean, 0))
    return deviation


def _luma(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Luma of ITU-R 601, (H', W'), the sides rounded up to whole cells by repeating the edge."""
    plane = np.asarray(Image.fromarray(picture).convert("L"))
    return np.pad(plane, [(0, -side % CELL) for side in plane.shape], mode="edge")


def _means(plane: NDArray[np.uint8], factor: NDArray[np.uint8] | None = None) -> NDArray[np.float32]:
    """Means over the window of each cell of a plane, or of its products with another, both centred at 128.

    Beyond the edges, the picture is continued by repeating blocks.
    """
    height, width = (side // BLOCK for side in plane.shape)
    blocks = np.empty((height, width), np.float32)
    for top in range(0, height, STRIP):
        rows = slice(top * BLOCK, (top + STRIP) * BLOCK)
        values = plane[rows].astype(np.float32) - 128
        if factor is not None:
            values *= factor[rows].astype(np.float32) - 128
        down = values.reshape(-1, BLOCK, width * BLOCK).sum(1)
        blocks[top : top + STRIP] = down.reshape(-1, width, BLOCK).sum(2)
    blocks = np.pad(blocks, 1, mode="edge")
    rows_of_windows = np.add.reduce([blocks[start : start + height : 2] for start in range(WINDOW)])
    sums = np.add.reduce([rows_of_windows[:, start : start + width : 2] for start in range(WINDOW)])
    means: NDArray[np.float32] = (sums / (BLOCK * WINDOW) ** 2).astype(np.float32, copy=False)
    return means
