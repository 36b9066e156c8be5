"""Regular structures: windows, pickets, weave, tiles and grids, photographed and rendered in perspective."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from tools.guard_set.perspective import paste

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.guard_set.entries import Box, Entry
    from tools.guard_set.photos import Photos

PHOTOGRAPHED: Final[dict[str, tuple[str, float, tuple[Box, ...]]]] = {
    "lattice_brick": ("brick", 1, ((0, 0, 512, 512),)),
    "lattice_tower": ("codrops_0110", 1, ((196, 310, 450, 640),)),
    "lattice_bridge": ("pixabay700_0614", 1, ((0, 90, 300, 342),)),
    "lattice_servers": ("photolab_0006", 0.8, ((0, 0, 170, 300),)),
}
"""Name -> photo, scale, boxes of the lattices in it."""

RENDERED: Final[dict[str, tuple[str, str, int, tuple[tuple[int, int], ...]]]] = {
    "lattice_windows": ("windows", "cid22_0000", 14, ((40, 60), (400, 110), (400, 420), (40, 450))),
    "lattice_pickets": ("pickets", "tinycoco_0092", 10, ((20, 200), (500, 230), (500, 340), (20, 360))),
    "lattice_weave": ("weave", "pixabay700_0554", 12, ((150, 30), (490, 50), (470, 320), (140, 300))),
    "lattice_roof": ("tiles", "pixabay700_0435", 16, ((120, 40), (400, 40), (490, 280), (30, 280))),
    "lattice_grid": ("grid", "pixabay700_0285", 9, ((60, 20), (380, 45), (370, 330), (70, 310))),
}
"""Name -> pattern, photo behind it, period in pixels, corners clockwise from the upper left one."""

FINER: Final = 4
"""Patterns are drawn this many times larger than they are placed, so that their edges are antialiased."""


def lattices(photos: Photos) -> Iterator[Entry]:
    """The pictures of the group, in a fixed order."""
    for name, (photo, scale, boxes) in PHOTOGRAPHED.items():
        entry = photos.get(photo).entry(name, "lattices", scale=scale)
        entry.lattices += [
            (left, top, min(right, entry.image.width), min(bottom, entry.image.height))
            for left, top, right, bottom in boxes
        ]
        yield entry
    rng = np.random.default_rng(13)
    for name, (kind, photo, period, corners) in RENDERED.items():
        entry = photos.get(photo).entry(name, "lattices")
        plane = pattern(kind, period, rng)
        paste(entry.image, plane, corners)
        target = np.array(corners)
        (left, top), (right, bottom) = target.min(0), target.max(0)
        entry.lattices.append((int(left), int(top), int(right), int(bottom)))
        yield entry


def pattern(kind: str, period: int, rng: np.random.Generator) -> Image.Image:
    """A regular structure, 400 x 400 pixels `FINER` times enlarged, RGB.

    Args:
        kind: ``windows``, ``pickets``, ``weave``, ``tiles`` or ``grid``.
        period: pixels after which it repeats.
        rng: chooses the two colours, and slight noise.
    """
    side = 400 * FINER
    rows, columns = np.mgrid[0:side, 0:side] / (FINER * period)
    y, x = rows % 1, columns % 1
    masks = {
        "windows": (abs(x - 0.5) < 0.28) & (abs(y - 0.5) < 0.34),
        "pickets": abs(x - 0.5) < 0.3,
        "weave": (abs(x - 0.5) < 0.25) ^ (abs(y - 0.5) < 0.25),
        "tiles": (y < 0.18) | (abs((x + rows // 1 % 2 / 2) % 1 - 0.5) < 0.07),
        "grid": (x < 0.2) | (y < 0.2),
    }
    dark, light = rng.integers(20, 110, 3), rng.integers(150, 245, 3)
    shade = np.linspace(0.8, 1.1, side)[:, None, None] + rng.normal(0, 0.02, (side, side, 1))
    return Image.fromarray((np.where(masks[kind][..., None], dark, light) * shade).clip(0, 255).astype(np.uint8))
