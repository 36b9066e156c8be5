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
    n = float((CELL + 2 * BLOCK) ** 2)
    mean_a, mean_b = _windows(a) / n, _windows(b) / n
    variances = _windows(a * a + b * b) / n - mean_a**2 - mean_b**2
    covariance = _windows(a * b) / n - mean_a * mean_b
    return (1 - (2 * covariance + CONTRAST) / (variances + CONTRAST)).astype(np.float32)


def contrast(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The standard deviation of luma in the window of each cell, (ceil(H / 8), ceil(W / 8)), 0 to 128."""
    luma = _luma(picture)
    n = float((CELL + 2 * BLOCK) ** 2)
    variance = _windows(luma * luma) / n - (_windows(luma) / n) ** 2
    return np.sqrt(np.maximum(variance, 0)).astype(np.float32)


def _luma(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Luma of ITU-R 601 as sums need it, (H', W'), the sides rounded up to whole cells by repeating the edge."""
    plane = np.asarray(Image.fromarray(picture).convert("L"), np.float64)
    return np.pad(plane, [(0, -side % CELL) for side in plane.shape], mode="edge")


def _windows(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums over the window of each cell. Beyond the edges of the picture it is continued by repeating blocks."""
    height, width = (side // BLOCK for side in plane.shape)
    blocks = plane.reshape(height, BLOCK, width, BLOCK).sum((1, 3))
    blocks = np.pad(blocks, 1, mode="edge")
    rows = sum(blocks[start : start + height : 2] for start in range(4))
    sums: NDArray[np.float64] = sum(rows[:, start : start + width : 2] for start in range(4))  # type: ignore[index]
    return sums
