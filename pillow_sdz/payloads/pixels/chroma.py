"""Whether the chroma of a picture may be subsampled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FINE_CHROMA: Final = 90
"""From this quality on the chroma is not subsampled, whatever the picture: it would be the larger error."""

_CHROMA_EDGE: Final = 24
"""By how much the mean of the chroma of 2x2 pixels may differ from the least or greatest of them, in levels."""

_CHROMA_EDGES: Final = 0.01
"""Share of 2x2 pixels with larger differences from which on the chroma is not subsampled: coloured letters, lines."""

_STRIP: Final = 512
"""Rows whose chroma is looked at together; even."""


def subsampling_for(rgb: NDArray[np.uint8], quality: int) -> str:
    """``4:4:4`` at high qualities, and for pictures with many edges between colours of one brightness; else ``4:2:0``.

    Args:
        rgb: (H, W, 3).
        quality: 0 to 100.
    """
    if quality >= FINE_CHROMA:
        return "4:4:4"
    height, width = (side // 2 * 2 for side in rgb.shape[:2])
    if min(height, width) < 2:
        return "4:2:0"
    edges = 0
    for top in range(0, height, _STRIP):
        strip = rgb[top : min(top + _STRIP, height), :width].astype(np.int16)
        red, green, blue = (strip[..., channel] for channel in range(3))
        luma = (red + 2 * green + blue) >> 2
        for chroma in (red - luma, blue - luma):
            four = [chroma[y::2, x::2] for y in (0, 1) for x in (0, 1)]
            mean = (four[0] + four[1] + four[2] + four[3]) >> 2
            high, low = (extreme.reduce(four) for extreme in (np.maximum, np.minimum))
            edges += int((np.maximum(high - mean, mean - low) > _CHROMA_EDGE).sum())
    return "4:4:4" if edges > _CHROMA_EDGES * height * width / 2 else "4:2:0"
