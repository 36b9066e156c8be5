"""Draw latents, levels, bits, palettes and index planes as pictures, one pixel per value."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from pillow_sdz.payloads.codes import SIGNED_OFFSET
from pillow_sdz.payloads.preview_matrix import SHIFT

if TYPE_CHECKING:
    from numpy.typing import NDArray

GAP: Final = 1
"""Pixels between tiles."""

GROUND: Final = 128
"""Grey value between tiles: visible on light and dark pages."""

SHARE: Final = 0.995
"""Quantile of the values at which a drawing's scale ends: a few large values must not make all others pale."""


def columns(count: int) -> int:
    """Number of tiles in a row: near the square root, and such that the last row is full where that is possible.

    >>> [columns(count) for count in (1, 4, 8, 16, 5)]
    [1, 2, 4, 4, 3]
    """
    least = math.ceil(math.sqrt(count))
    return next((n for n in range(least, count + 1) if count % n == 0 and n <= 2 * least - 2), least)


def tiles(planes: NDArray[np.uint8]) -> Image.Image:
    """Planes (C, h, w) or (C, h, w, 3) as one picture of tiles, with gaps between them."""
    count, height, width = planes.shape[:3]
    across = columns(count)
    down = -(-count // across)
    size = (down * (height + GAP) - GAP, across * (width + GAP) - GAP, *planes.shape[3:])
    whole = np.full(size, GROUND, np.uint8)
    for index, plane in enumerate(planes):
        y, x = index // across * (height + GAP), index % across * (width + GAP)
        whole[y : y + height, x : x + width] = plane
    return Image.fromarray(whole)


def code_planes(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Codes (h, w, C) as grey planes (C, h, w); the range of each channel is stretched to black and white."""
    planes = []
    for plane in np.moveaxis(values, 2, 0).astype(np.float64):
        low, high = np.quantile(plane, [1 - SHARE, SHARE])
        planes.append(np.clip((plane - low) * 255 / max(1.0, high - low), 0, 255).round())
    return np.array(planes).astype(np.uint8)


def levels(values: NDArray[np.int16]) -> Image.Image:
    """Levels (h, w, C), numbers of quantiser steps, as tiles: white is zero, blue negative, red positive."""
    from matplotlib import colormaps

    reach = max(1.0, float(np.quantile(np.abs(values), SHARE)))
    colours = colormaps["RdBu_r"](np.clip(np.moveaxis(values, 2, 0) / (2 * reach) + 0.5, 0, 1), bytes=True)
    return tiles(colours[..., :3])


def heat(bits: NDArray[np.float64]) -> tuple[Image.Image, float]:
    """Bits of each position (h, w) as a heat map, dark for none; and the bits that its brightest colour stands for."""
    from matplotlib import colormaps

    most = max(float(np.quantile(bits, SHARE)), 1e-9)
    return Image.fromarray(colormaps["magma"](np.clip(bits / most, 0, 1), bytes=True)[..., :3]), most


def entry_colours(palette: NDArray[np.uint8], matrix: NDArray[np.int8]) -> NDArray[np.uint8]:
    """The colour of each palette entry, (N, 3), by the model's preview matrix.

    Args:
        palette: (N, C) codes.
        matrix: (C + 1, 3); see `pillow_sdz.payloads.preview_matrix`.
    """
    weights, bias = matrix[:-1].astype(np.int32), matrix[-1].astype(np.int32)
    linear = (palette.astype(np.int32) - SIGNED_OFFSET) @ weights + (1 << SHIFT >> 1) >> SHIFT
    colours: NDArray[np.uint8] = np.clip(linear + bias + SIGNED_OFFSET, 0, 255).astype(np.uint8)
    return colours


def swatches(colours: NDArray[np.uint8]) -> Image.Image:
    """Colours (N, 3) as a square with one pixel each, row by row; the rest of the last row is grey."""
    side = math.ceil(math.sqrt(len(colours)))
    whole = np.full((side * -(-len(colours) // side), 3), GROUND, np.uint8)
    whole[: len(colours)] = colours
    return Image.fromarray(whole.reshape(-1, side, 3))


def index_plane(indices: NDArray[np.uint16], entries: int) -> Image.Image:
    """Indices (h, w) as a grey picture: black is the first entry of the palette, white the last."""
    return Image.fromarray((indices.astype(np.uint32) * 255 // max(1, entries - 1)).astype(np.uint8))
