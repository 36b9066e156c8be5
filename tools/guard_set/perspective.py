"""Planes in perspective: the homography of four points, and pasting a picture through it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

FINER: Final = 4
"""Planes are turned at this multiple of the picture's resolution and reduced then, which antialiases them."""


def homography(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """The perspective that maps four points to four others.

    Args:
        source, target: (4, 2), x and y.

    Returns:
        (8,): a, b, c, d, e, f, g, h of x' = (a x + b y + c) / (g x + h y + 1) and
        y' = (d x + e y + f) / (g x + h y + 1), as `PIL.Image.Transform.PERSPECTIVE` takes them.
    """
    rows, values = [], []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows += [(x, y, 1, 0, 0, 0, -u * x, -u * y), (0, 0, 0, x, y, 1, -v * x, -v * y)]
        values += [u, v]
    return np.linalg.solve(np.array(rows, float), np.array(values, float))


def paste(picture: Image.Image, plane: Image.Image, corners: Sequence[Sequence[float]] | NDArray[np.float64]) -> None:
    """Put a plane on a picture.

    Args:
        picture: RGB; changed in place.
        plane: RGB.
        corners: where its corners come to lie, (x, y) in pixels, clockwise from the upper left one.
    """
    target = np.array(corners, float)
    source = np.array([(0, 0), (plane.width, 0), (plane.width, plane.height), (0, plane.height)], float)
    (left, top), (right, bottom) = np.floor(target.min(0)).astype(int), np.ceil(target.max(0)).astype(int)
    size = int(right - left), int(bottom - top)
    data = tuple(homography((target - (left, top)) * FINER, source))
    layer = plane.convert("RGBA").transform(
        (size[0] * FINER, size[1] * FINER), Image.Transform.PERSPECTIVE, data, Image.Resampling.BICUBIC
    )
    layer = layer.resize(size, Image.Resampling.LANCZOS)
    picture.paste(layer.convert("RGB"), (int(left), int(top)), layer.getchannel("A"))
