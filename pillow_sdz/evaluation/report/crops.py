"""Where two pictures differ most: a few boxes that do not overlap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

SIDES: Final = (24, 96)
"""Shortest and longest side of a box, in pixels; between them it is a fifth of the picture's shorter side."""

Box = tuple[int, int, int, int]
"""Left, top, right, bottom."""


def boxes(original: Image.Image, other: Image.Image, count: int) -> list[Box]:
    """The boxes with the largest mean absolute difference of two RGB pictures of one size, the largest first.

    At most ``count``; fewer where the picture has no room for more.
    """
    error = np.abs(np.asarray(original, np.float64) - np.asarray(other, np.float64)).mean(2)
    height, width = error.shape
    side = min(height, width, max(SIDES[0], min(SIDES[1], min(height, width) // 5)))
    sums = np.pad(error.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    inside = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    found: list[Box] = []
    while len(found) < count and inside.max() >= 0:
        y, x = divmod(int(inside.argmax()), inside.shape[1])
        found.append((x, y, x + side, y + side))
        inside[max(0, y - side + 1) : y + side, max(0, x - side + 1) : x + side] = -1
    return found
