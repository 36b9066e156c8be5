"""MS-SSIM (Wang, Simoncelli, Bovik: Multiscale structural similarity for image quality assessment, 2003), in numpy.

For each channel, on five scales, windows of a Gaussian of 11 x 11 pixels that lie within the picture are
compared; the channels' results are averaged. All of it is as in the package pytorch-msssim, whose results differ by
rounding. Sums and differences of the two pictures are filtered, instead of the pictures: so the figure of pictures
that are nearly the same is not the difference of two large numbers.

Filters are products with banded matrices, on blocks of rows and columns: BLAS does many times the arithmetic of eleven
shifted additions, and is faster. A picture is filtered a band of rows at a time, and memory is that of its halved
copies: about three bytes for each pixel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Rows = Callable[[int, int], Floats]
    """From two row numbers to the sum and difference of two channels in these rows, (2, rows, W), 0 to 2, -1 to 1."""

SMALLEST_SIDE: Final = 161
"""Shortest side in pixels of a picture that MS-SSIM can measure: one window after four halvings, as pytorch-msssim."""

WEIGHTS: Final = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the scales, finest first (section 3.2 of the paper)."""

_WINDOW: Final = 11
_SIGMA: Final = 1.5
_LUMINANCE: Final = np.float32(2 * 0.01**2)
"""Twice the constant C1 = (K1 L)^2 of SSIM, for values from 0 to L = 1."""

_CONTRAST: Final = np.float32(2 * 0.03**2)
"""Twice the constant C2 = (K2 L)^2 of SSIM."""

_BLOCK: Final = 32
"""Filtered rows or columns that one product of matrices gives, of those and ten more."""

_STRIP: Final = 16 * _BLOCK
"""Columns that are filtered together: what they take stays in a processor's cache."""


def ms_ssim(original: NDArray[np.uint8], decoded: NDArray[np.uint8]) -> float | None:
    """MS-SSIM of two pictures.

    Args:
        original: (H, W, C), uint8; the result is the mean of those of the channels.
        decoded: of the same shape.

    Returns:
        0 to 1; None if a side is shorter than `SMALLEST_SIDE`.
    """
    if min(original.shape[:2]) < SMALLEST_SIDE:
        return None
    return float(np.mean([_channel(original[:, :, each], decoded[:, :, each]) for each in range(original.shape[2])]))


def _channel(original: NDArray[np.uint8], decoded: NDArray[np.uint8]) -> float:
    height, width = original.shape

    def from_bytes(start: int, stop: int) -> Floats:
        one, other = original[start:stop], decoded[start:stop]
        both = np.empty((2, stop - start, width), np.float32)
        np.add(one, other, out=both[0], dtype=np.float32)
        np.subtract(one, other, out=both[1], dtype=np.float32)
        both *= np.float32(1 / 255)
        return both

    rows: Rows = from_bytes
    result = 1.0
    for scale, weight in enumerate(WEIGHTS):
        last = scale == len(WEIGHTS) - 1
        similarity, halved = _scale(rows, height, width, last=last)
        result *= max(0.0, similarity) ** weight
        if halved is not None:
            height, width = halved.shape[1:]
            rows = _slices(halved)
    return result


def _slices(stored: Floats) -> Rows:
    return lambda start, stop: stored[:, start:stop]


def _scale(rows: Rows, height: int, width: int, *, last: bool) -> tuple[float, Floats | None]:
    """The mean similarity of one scale, and the pictures of the next one.

    Contrast and structure are compared on all scales, luminance on the last one, too.
    """
    halved = None if last else np.zeros((2, (height + 1) // 2, (width + 1) // 2), np.float32)
    total = 0.0
    for start in range(0, height - _WINDOW + 1, _BLOCK):
        stop = min(start + _BLOCK + _WINDOW - 1, height)
        band = rows(start, stop)
        for left in range(0, width - _WINDOW + 1, _STRIP):
            total += _dissimilarity(band[:, :, left : left + _STRIP + _WINDOW - 1], last=last)
        if halved is not None:
            end = height if stop == height else start + _BLOCK
            _halve(band[:, : end - start], start, height % 2, width % 2, halved)
    return 1 - total / ((height - _WINDOW + 1) * (width - _WINDOW + 1)), halved


def _halve(band: Floats, start: int, odd_height: int, odd_width: int, out: Floats) -> None:
    """Add the rows from ``start`` on to means of 2 x 2 pixels, with zeros before the first row or column of an odd size
    (as the average pooling of pytorch-msssim has them).
    """
    wide = np.zeros((*band.shape[:2], 2 * out.shape[2]), np.float32)
    wide[:, :, odd_width:] = band
    pairs = wide[:, :, 0::2] + wide[:, :, 1::2]
    pairs *= np.float32(0.25)
    first = start + odd_height
    for parity in (0, 1):
        chosen = pairs[:, (first + parity) % 2 :: 2]
        at = (first + (first + parity) % 2) // 2
        out[:, at : at + chosen.shape[1]] += chosen


def _dissimilarity(band: Floats, *, last: bool) -> float:
    """The sum, over all windows of a band of rows, of one minus their similarity.

    With s and d, the sum and the difference of two pictures x and y, contrast and structure (equation 3 of the paper)
    are 1 - 2 var(d) / (var(s) + var(d) + 2 C2), and luminance is 1 - 2 mean(d)^2 / (mean(s)^2 + mean(d)^2 + 2 C1).
    """
    (sums, differences), (sum_squares, difference_squares) = _filtered(band)
    np.square(sums, out=sums)
    np.square(differences, out=differences)
    sum_squares -= sums
    difference_squares -= differences
    sum_squares += difference_squares
    sum_squares += _CONTRAST
    difference_squares /= sum_squares
    if not last:
        return 2 * float(difference_squares.sum())
    sums += differences
    sums += _LUMINANCE
    differences /= sums
    contrast, luminance = 1 - 2 * difference_squares, 1 - 2 * differences
    return float((1 - contrast * luminance).sum())


def _filtered(band: Floats) -> Floats:
    """Means of a band (2, H, W) and of its squares, weighted by the window: (2, 2, H - 10, W - 10)."""
    _, height, width = band.shape
    maps = np.empty((2, 2, height, width), np.float32)
    maps[0] = band
    np.square(band, out=maps[1])
    tall, broad = height - _WINDOW + 1, width - _WINDOW + 1
    means = (_MATRIX[:height, :tall].T @ maps).reshape(4 * tall, width)
    out = np.empty((4 * tall, broad), np.float32)
    whole = broad // _BLOCK
    if whole:
        np.matmul(_blocks(means, whole, len(_MATRIX)), _MATRIX, out=_blocks(out, whole, _BLOCK))
    if rest := broad - whole * _BLOCK:
        columns = rest + _WINDOW - 1
        np.matmul(means[:, -columns:], _MATRIX[:columns, :rest], out=out[:, -rest:])
    return out.reshape(2, 2, tall, broad)


def _blocks(array: Floats, count: int, columns: int) -> Floats:
    """Blocks of successive columns of an array, one every `_BLOCK` columns, as views: (count, rows, columns)."""
    down, right = array.strides
    return np.lib.stride_tricks.as_strided(array, (count, len(array), columns), (_BLOCK * right, down, right))


def _matrix() -> Floats:
    """The window as a matrix (42, 32): its products with 42 rows or columns are the 32 weighted means."""
    offsets = np.arange(_WINDOW) - _WINDOW // 2
    window = np.exp(-(offsets**2) / (2 * _SIGMA**2))
    matrix = np.zeros((_BLOCK + _WINDOW - 1, _BLOCK), np.float32)
    for column in range(_BLOCK):
        matrix[column : column + _WINDOW, column] = window / window.sum()
    return matrix


_MATRIX: Final = _matrix()
