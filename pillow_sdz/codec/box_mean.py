"""Scaling down by a whole number: each pixel is the mean of a square of pixels. In numpy, so that previews do without
Pillow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BAND_VALUES: Final = 1 << 22
"""About how many values are added up at a time: it bounds the memory for sums."""


_UNIT_BITS: Final = 24
_UNIT: Final = np.uint32(1 << _UNIT_BITS)
"""Reciprocals are in units of 2**-24, so that sums of bytes times reciprocals fit 32 bits."""


def box_mean(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The means of squares of side x side pixels; those at the right and lower edge may be smaller.

    They are what Pillow's ``Image.reduce`` gives: rounded, and where a square at the edge has a number of pixels that
    is no power of two, perhaps a level less.

    Args:
        pixels: (H, W) or (H, W, C).
        side: 1 or more.

    Returns:
        (ceil(H / side), ceil(W / side)), with C if there is one.

    >>> box_mean(np.array([[0, 2, 9], [4, 5, 10]], np.uint8), 2).tolist()
    [[3, 10]]
    """
    if side == 1:
        return pixels
    rows = max(1, _BAND_VALUES // (side * max(1, pixels[0].size))) * side
    bands = [_of_band(pixels[top : top + rows], side) for top in range(0, len(pixels), rows)]
    return np.concatenate(bands)


def _of_band(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """`box_mean` of a few rows."""
    in_rows, in_columns = (_sums(np.ones((length, 1), np.uint8), side) for length in pixels.shape[:2])
    counts = in_rows * in_columns.T
    counts = counts.reshape(*counts.shape, *(1 for _ in pixels.shape[2:]))
    sums = _sums(_sums(pixels, side).swapaxes(0, 1), side).swapaxes(0, 1)
    means: NDArray[np.uint8] = ((sums + counts // 2) * (_UNIT // counts) >> _UNIT_BITS).astype(np.uint8)
    return means


def _sums(values: NDArray[np.uint8] | NDArray[np.uint32], side: int) -> NDArray[np.uint32]:
    """Sums over ``side`` successive rows; the last ones may be fewer."""
    sums = np.zeros((-(-values.shape[0] // side), *values.shape[1:]), np.uint32)
    for offset in range(min(side, values.shape[0])):
        part = values[offset::side]
        sums[: len(part)] += part
    return sums
