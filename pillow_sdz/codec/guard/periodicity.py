"""Finds regular structure by its spectrum: rows of windows, pickets, grids, weaves, tiles, bricks.

In a window of 64x64 pixels, whatever repeats has its energy at a few places of the spectrum, while that of textures
such as grass is spread, and that of single edges and of shading lies at low frequencies.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from pillow_sdz.container.patches import CELL

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE: Final = 64
"""Side of a window in pixels."""

STEP: Final = 32
"""Distance of windows in pixels."""

REACH: Final = 24
"""How far from the middle of a window, in pixels, cells are marked: where its weights are not small."""

LOWEST: Final = 4
"""Lowest frequency, in periods per window, of what counts as repeating."""

STRONGEST: Final = 12
"""How many places of the spectrum may hold the energy of a regular structure. A window function spreads each harmonic
over some of them."""

CONCENTRATED: Final = 0.42
"""Least share of the energy from `LOWEST` on that these places must hold."""

REPEATING: Final = 0.5
"""Least share of all energy that must lie at frequencies from `LOWEST` on."""

CONTRAST: Final = 5.0
"""Least amplitude, in levels, of what repeats."""


def regular(rgb: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Mark the cells of 8x8 pixels with regular structure.

    Args:
        rgb: (H, W, 3).

    Returns:
        (ceil(H / 8), ceil(W / 8)). Nothing is marked in pictures with a side shorter than a window.

    >>> stripes = np.repeat(np.tile([40, 40, 40, 200, 200, 200], (96, 16))[:, :, None], 3, axis=2).astype(np.uint8)
    >>> bool(regular(stripes).all()), bool(regular(np.full((96, 96, 3), 77, np.uint8)).any())
    (True, False)
    """
    luma = np.asarray(Image.fromarray(rgb).convert("L"))
    height, width = luma.shape
    marked = np.zeros((-(-height // CELL), -(-width // CELL)), bool)
    if min(height, width) < SIDE:
        return marked
    lefts = np.unique(np.r_[0 : width - SIDE + 1 : STEP, width - SIDE])
    for top in np.unique(np.r_[0 : height - SIDE + 1 : STEP, height - SIDE]):
        strip = np.lib.stride_tricks.sliding_window_view(luma[top : top + SIDE].astype(np.float32), SIDE, axis=1)
        found = _regular_windows(strip.transpose(1, 0, 2)[lefts])
        for left in lefts[found]:
            marked[_cells(int(top), height), _cells(int(left), width)] = True
    return marked


def _cells(first: int, side: int) -> slice:
    """The rows, or columns, of cells that a window marks: all around its middle, and on to the edge of the picture."""
    start = 0 if first == 0 else (first + SIDE // 2 - REACH) // CELL
    end = side if first + SIDE == side else first + SIDE // 2 + REACH
    return slice(start, -(-end // CELL))


def _regular_windows(windows: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether each of the windows (n, SIDE, SIDE) shows a regular structure, (n,)."""
    weights, high = _weights()
    energy = np.abs(np.fft.rfft2((windows - windows.mean((1, 2), keepdims=True)) * weights)) ** 2
    whole = energy.sum((1, 2))
    energy = (energy * high).reshape(len(windows), -1)
    repeating = energy.sum(1)
    strongest = np.partition(energy, -STRONGEST, axis=1)[:, -STRONGEST:].sum(1)
    strong = np.sqrt(repeating) * 2 / SIDE**2 >= CONTRAST
    found: NDArray[np.bool_] = strong & (repeating >= REPEATING * whole) & (strongest >= CONCENTRATED * repeating)
    return found


@lru_cache(maxsize=1)
def _weights() -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The window function (SIDE, SIDE), and which places of the spectrum are at `LOWEST` or above."""
    hann = np.hanning(SIDE).astype(np.float32)
    rows, columns = np.fft.fftfreq(SIDE) * SIDE, np.fft.rfftfreq(SIDE) * SIDE
    return np.outer(hann, hann), np.hypot(rows[:, None], columns) >= LOWEST
