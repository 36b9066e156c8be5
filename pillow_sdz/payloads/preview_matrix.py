"""The preview matrix: a linear map from the codes of a latent position to one RGB pixel, in integer arithmetic.

The matrix is stored in the file, so such a preview needs no model. The colours of a picture are nearly
linear in its latent; the matrix is fitted by least squares, like the latent previews in tools for Stable Diffusion.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pillow_sdz.errors import SdzFormatError
from pillow_sdz.payloads.codes import SIGNED_OFFSET

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHIFT = 6
"""Fraction bits of the weights: a matrix entry of 64 maps one code to one grey level."""

BINOMIAL_SHIFT = 4
"""Binary logarithm of the sum of the weights of `binomial`, 16."""

BAND_POSITIONS = 1 << 20
"""About how many positions are computed at a time, in whole rows. Each takes some 70 bytes of temporary memory."""


def matrix_from_bytes(body: bytes, channels: int) -> NDArray[np.int8]:
    """Return the matrix (C + 1, 3) of a preview section: a row for each channel, then the bias; columns R, G, B.

    Args:
        body: the section's body.
        channels: latent channels C of the file.

    Raises:
        SdzFormatError: the body has not (C + 1) * 3 bytes.
    """
    expected = (channels + 1) * 3
    if len(body) != expected:
        raise SdzFormatError(
            "has the wrong length", field="preview matrix",
            found=f"{len(body)} bytes", expected=f"{expected} bytes for {channels} channels",
        )  # fmt: skip
    return np.frombuffer(body, np.int8).reshape(channels + 1, 3).copy()


def preview(codes: NDArray[np.uint8], matrix: NDArray[np.int8]) -> NDArray[np.uint8]:
    """Return the preview: signed codes times matrix, smoothed by `binomial`, in 32-bit integers.

    ``clip(128 + bias + ((binomial((codes - 128) @ matrix) + 512) >> 10), 0, 255)``. The smoothing removes checkerboard
    patterns, which latents contain where the picture has fine detail.

    Args:
        codes: (h, w, C).
        matrix: (C + 1, 3), see `matrix_from_bytes`.

    Returns:
        RGB, (h, w, 3).

    >>> preview(np.full((2, 2, 1), 192, np.uint8), np.array([[64, 32, 0], [0, 0, -28]], np.int8))[0, 0].tolist()
    [192, 160, 100]
    """
    height, width, channels = codes.shape
    result = np.empty((height, width, 3), np.uint8)
    rows = max(1, BAND_POSITIONS // width)
    for top in range(0, height, rows):
        first, last = max(0, top - 1), min(height, top + rows + 1)
        total = np.zeros((last - first, width, 3), np.int32)
        for channel in range(channels):
            total += (codes[first:last, :, channel, None].astype(np.int32) - SIGNED_OFFSET) * matrix[channel].astype(
                np.int32
            )
        total = binomial(total)[top - first :][:rows]
        total += 1 << (SHIFT + BINOMIAL_SHIFT - 1)
        total >>= SHIFT + BINOMIAL_SHIFT
        total += matrix[channels].astype(np.int32) + SIGNED_OFFSET
        result[top : top + rows] = np.clip(total, 0, 255)
    return result


def binomial(values: NDArray[Any]) -> NDArray[np.int32]:
    """Convolve with the 3x3 binomial kernel 1 2 1, 2 4 2, 1 2 1 (sum 16, not divided by it); edges are repeated.

    Args:
        values: (h, w, C), whole numbers, below 2**27 in magnitude.

    Returns:
        Same shape.

    >>> binomial(np.array([[[0], [16]]]))[0, :, 0].tolist()
    [64, 192]
    """
    total = values.astype(np.int32)
    for axis in (0, 1):
        previous = np.concatenate([total.take([0], axis), total.take(range(total.shape[axis] - 1), axis)], axis)
        following = np.concatenate([total.take(range(1, total.shape[axis]), axis), total.take([-1], axis)], axis)
        total = previous + 2 * total + following
    return total


def fit_matrix(codes: NDArray[Any], rgb: NDArray[Any]) -> NDArray[np.int8]:
    """Fit the matrix whose previews are nearest to given colours, by least squares.

    Args:
        codes: (n, C) float, smoothed like previews: ``binomial(codes) / 16`` of each picture.
        rgb: (n, 3), the mean colour of the pixels of each position, 0 to 255.

    Returns:
        (C + 1, 3), for `preview`; entries beyond -128..127 are clipped.
    """
    inputs = codes.astype(np.float64) - SIGNED_OFFSET
    colours = rgb.astype(np.float64) - SIGNED_OFFSET
    design = np.concatenate([inputs, np.ones((len(inputs), 1))], axis=1)
    solution = np.linalg.lstsq(design, colours, rcond=None)[0]
    weights = np.clip(np.rint(solution[:-1] * (1 << SHIFT)), -128, 127)
    # The bias is fitted again, to the weights after rounding and clipping.
    bias = np.clip(np.rint(np.mean(colours - inputs @ weights / (1 << SHIFT), axis=0)), -128, 127)
    return np.concatenate([weights, bias[None]]).astype(np.int8)
