"""Resampling pictures with a cubic filter, in numpy: Pillow's ``resize`` with BICUBIC, but rounded once, at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SHARPNESS: Final = -0.5
"""The filter's parameter: that of Keys, "Cubic convolution interpolation for digital image processing" (1981)."""

_SUPPORT: Final = 2.0
"""Half the filter's width in pixels of the coarser one of both grids."""


def resize(pixels: NDArray[np.uint8], width: int, height: int, shown: tuple[float, float]) -> NDArray[np.uint8]:
    """Scale a picture down or up.

    Args:
        pixels: (H, W, C).
        width, height: of the result in pixels.
        shown: width and height, from the upper left corner, of the part of the picture that is scaled, in pixels.

    Returns:
        (height, width, C).
    """
    values = _along_rows(pixels, height, shown[1])
    values = _along_rows(values.swapaxes(0, 1), width, shown[0]).swapaxes(0, 1)
    values += 0.5
    return np.clip(values, 0, 255).astype(np.uint8)


def _along_rows(values: NDArray[np.uint8] | NDArray[np.float32], size: int, shown: float) -> NDArray[np.float32]:
    """Resample the first axis to ``size`` rows."""
    first, weights = _taps(len(values), size, shown)
    result = np.zeros((size, *values.shape[1:]), np.float32)
    for tap in range(weights.shape[1]):
        rows = np.minimum(first + tap, len(values) - 1)  # where the weight is zero the row does not matter
        result += weights[:, tap, None, None] * values[rows]
    return result


def _taps(length: int, size: int, shown: float) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """For each result the first row that it comes from, (size,), and the weights of that and the next, (size, taps)."""
    scale = shown / size
    reach = _SUPPORT * max(scale, 1.0)
    centres = (np.arange(size) + 0.5) * scale
    first = np.maximum(np.floor(centres - reach + 0.5), 0).astype(np.intp)
    end = np.minimum(np.floor(centres + reach + 0.5), length).astype(np.intp)
    rows = first[:, None] + np.arange(max(1, int((end - first).max())))
    weights = _cubic((rows + 0.5 - centres[:, None]) / max(scale, 1.0))
    weights[rows >= end[:, None]] = 0
    weights /= weights.sum(1, keepdims=True)
    return first, weights.astype(np.float32)


def _cubic(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """The filter's weight at a distance in pixels."""
    x, a = np.abs(distance), _SHARPNESS
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * a - 4 * a
    weight: NDArray[np.float64] = np.where(x < 1, near, np.where(x < _SUPPORT, far, 0))
    return weight
