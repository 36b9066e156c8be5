"""Regular structures over photos, for the detector: windows, pickets, grids, bricks, tiles, weaves, blinds.

A structure is a function of coordinates (u, v) in periods, which a homography makes of pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

PERIODS: Final = (4.5, 34.0)
"""Pixels of a period, log-uniform."""

OVERSAMPLING: Final = 2
"""Samples per pixel along each axis."""

LEAST_PERIODS: Final = 3.2
"""Least number of periods across the region."""


LEAST_CONTRAST: Final = 28
"""Difference of brightness, of 255."""

DECOYS: Final = 0.2
"""Share of regions without a structure, so that not the outline is learned."""


def _wave(x: Floats) -> Floats:
    """Fraction of a period, 0 .. 1."""
    return x - np.floor(x)


def _number(u: Floats, v: Floats) -> Floats:
    """A fixed random number in 0 .. 1 for each cell of the lattice."""
    return _wave(np.sin(np.floor(u) * 12.9898 + np.floor(v) * 78.233).astype(np.float32) * 43758.547)


def _windows(rng: Generator, u: Floats, v: Floats) -> tuple[Floats, Floats]:
    width, height = rng.uniform(0.35, 0.8, 2)
    x, y = _wave(u), _wave(v)
    pane = (x < width) & (y < height)
    bars = pane & ((np.abs(x - width / 2) < 0.04) | (np.abs(y - height * 0.4) < 0.04)) & (rng.random() < 0.5)
    value = np.where(pane & ~bars, 0.15 + 0.5 * (_number(u, v) > 0.7) * _number(v, u), 0.85)
    return value.astype(np.float32), np.ones_like(u)


def _pickets(rng: Generator, u: Floats, v: Floats) -> tuple[Floats, Floats]:
    width, rails = rng.uniform(0.25, 0.75), rng.uniform(2, 6)
    x = _wave(u)
    bar = (x < width) | ((_wave(v / rails) < 0.12) & (rng.random() < 0.7))
    value = np.where(x < width, 0.75 + 0.25 * np.sin(np.pi * x / width), 0.6).astype(np.float32)
    return value, bar.astype(np.float32)


def _grid(rng: Generator, u: Floats, v: Floats) -> tuple[Floats, Floats]:
    line = rng.uniform(0.08, 0.3)
    bars = (_wave(u) < line) | (_wave(v) < line)
    if rng.random() < 0.3:  # tiles of two colours
        return ((np.floor(u) + np.floor(v)) % 2).astype(np.float32), np.ones_like(u)
    if rng.random() < 0.5:
        return np.where(bars, 1.0, 0.3 + 0.2 * _number(u, v)).astype(np.float32), np.ones_like(u)
    return np.ones_like(u), bars.astype(np.float32)


def _bricks(rng: Generator, u: Floats, v: Floats) -> tuple[Floats, Floats]:
    u = (u / rng.uniform(1.5, 3.2) + np.floor(v) * 0.5).astype(np.float32)
    line = rng.uniform(0.06, 0.22)
    mortar = (_wave(u) < line / 2) | (_wave(v) < line)
    return np.where(mortar, 0.9, 0.25 + 0.35 * _number(u, v)).astype(np.float32), np.ones_like(u)


def _tiles(rng: Generator, u: Floats, v: Floats) -> tuple[Floats, Floats]:
    shift = np.float32(0.5 * (rng.random() < 0.6)) * (np.floor(v) % 2)
    x = _wave(u + shift) - 0.5
    round_end = _wave(v + np.float32(rng.uniform(0.6, 1.8)) * x * x)
    value = 0.35 + 0.5 * round_end + 0.15 * np.cos(2 * np.pi * x) + 0.1 * _number(u, v)
    return value.astype(np.float32), np.ones_like(u)


def _weave(rng: Generator, u: Floats, v: Floats) -> tuple[Floats, Floats]:
    over = (np.floor(u) + np.floor(v)) % 2 > 0.5
    across = np.where(over, np.sin(np.pi * _wave(u)), np.sin(np.pi * _wave(v)))
    return (0.25 + 0.65 * across * np.where(over, 1, rng.uniform(0.5, 1))).astype(np.float32), np.ones_like(u)


def _blinds(rng: Generator, u: Floats, v: Floats) -> tuple[Floats, Floats]:
    x = _wave(v)
    edge = rng.uniform(0.3, 0.8)
    value = np.where(x < edge, 0.9 - 0.4 * x, 0.15) if rng.random() < 0.6 else 0.5 + 0.45 * np.sin(2 * np.pi * x)
    return value.astype(np.float32), np.ones_like(u)


PATTERNS: Final[tuple[Callable[[Generator, Floats, Floats], tuple[Floats, Floats]], ...]] = (
    _windows, _pickets, _grid, _bricks, _tiles, _weave, _blinds,
)  # fmt: skip
"""Functions of (u, v): brightness in about 0 .. 1, and how opaque the structure is."""


def _two_colours(rng: Generator) -> tuple[Floats, Floats]:
    """The colours of brightness 0 and 1, more often greyish than not."""
    while True:
        low, high = rng.uniform(0, 255, (2, 3)).astype(np.float32)
        vivid = 1 if rng.random() < 0.3 else 0.25 * rng.random()
        low, high = (c.mean() + vivid * (c - c.mean()) for c in (low, high))
        if abs(low.mean() - high.mean()) > LEAST_CONTRAST:
            return low, high


def _no_lattice(rng: Generator, side: int) -> Floats:
    """One brightness, or noise that is coarse to some degree."""
    if rng.random() < 0.4:
        return np.full((side, side), rng.random(), np.float32)
    noise = _smooth_noise(rng, side, int(side / rng.uniform(1.5, 14)))
    return (0.5 + rng.uniform(0.1, 0.4) * noise).astype(np.float32)


def _smooth_noise(rng: Generator, side: int, cells: int) -> Floats:
    small = Image.fromarray(rng.normal(0, 1, (cells, cells)).astype(np.float32))
    return np.asarray(small.resize((side, side), Image.Resampling.BICUBIC), np.float32)


def add_lattice(rng: Generator, rgb: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A square picture with a structure on a part of it.

    Args:
        rng: decides everything.
        rgb: (n, n, 3).

    Returns:
        The new picture, and (n, n) in 0 .. 1, where the structure is.
    """
    side = len(rgb)
    fine = side * OVERSAMPLING
    period = PERIODS[0] * (PERIODS[1] / PERIODS[0]) ** rng.random()
    extent = np.clip(rng.uniform(0.2, 0.9, 2) * side, LEAST_PERIODS * period, side * 1.2)
    centre = rng.uniform(0.15, 0.85, 2) * side
    angle = rng.normal(0, 0.15) + (np.pi / 2 * rng.integers(0, 2)) + (np.pi / 4 if rng.random() < 0.12 else 0)
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * extent / 2 + rng.normal(0, 0.08, (4, 2)) * extent
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    corners = corners @ turn + centre
    region = Image.new("L", (side, side))
    ImageDraw.Draw(region).polygon([(float(x), float(y)) for x, y in corners], fill=255)
    grid = (np.arange(fine, dtype=np.float32) + 0.5) / OVERSAMPLING
    x, y = grid[None, :] - np.float32(centre[0]), grid[:, None] - np.float32(centre[1])
    tilt = rng.normal(0, 0.35 / side, 2).astype(np.float32) if rng.random() < 0.6 else np.zeros(2, np.float32)
    depth = np.maximum(1 + tilt[0] * x + tilt[1] * y, np.float32(0.4)) * np.float32(period)
    stretch = np.float32(rng.uniform(0.6, 1.7))
    u = ((turn[0, 0] * x + turn[0, 1] * y) / depth).astype(np.float32)
    v = ((turn[1, 0] * x + turn[1, 1] * y) / depth * stretch).astype(np.float32)
    value, opaque = PATTERNS[int(rng.integers(len(PATTERNS)))](rng, u, v)
    if decoy := rng.random() < DECOYS:
        value, opaque = _no_lattice(rng, fine), np.ones_like(u)
    value, opaque = (a.reshape(side, 2, side, 2).mean((1, 3)) for a in (value, opaque))
    low, high = _two_colours(rng)
    colour = low + np.clip(value, 0, 1)[..., None] * (high - low)
    light = 1 + 0.18 * _smooth_noise(rng, side, int(rng.integers(2, 6)))
    grain = rng.normal(0, rng.uniform(0, 9), (side, side))
    photo = rgb.astype(np.float32)
    if rng.random() < 0.5:  # the photo's own shading lies over it
        grey = photo.mean(2)
        light = light * (0.6 + 0.4 * grey / max(float(grey.mean()), 1.0))
    colour = colour * light[..., None] + grain[..., None]
    if rng.random() < 0.4:
        region = region.filter(ImageFilter.GaussianBlur(rng.uniform(1, 4)))
    cover = np.asarray(region, np.float32) / 255
    mixed = photo + (cover * opaque * rng.uniform(0.75, 1))[..., None] * (colour - photo)
    return np.clip(mixed, 0, 255).astype(np.uint8), (cover * (not decoy)).astype(np.float32)
