"""Pictures for the tests of the guard, and a detector without weights: it takes whatever is rough for lettering."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import torch
import toy_model
from PIL import Image
from pixel_samples import letters

from pillow_sdz.codec.guard import detector

if TYPE_CHECKING:
    import pytest
    from numpy.typing import NDArray

SIDE: Final = 176
"""Side of the pictures in pixels: enough for MS-SSIM."""

SIGN: Final = (slice(48, 72), slice(40, 88))
"""Rows and columns of the sign in `photo`, at the edges of cells."""

ROUGH: Final = 20.0
"""Standard deviation of a cell's grey levels from which on it is lettering."""


class RoughIsLettering:
    """Stands in for the detector's network, `pillow_sdz.models.networks.detector.Detector`."""

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """(1, 3, H, W) -> logits (1, 3, H / 8, W / 8)."""
        height, width = (side // detector.CELL for side in pixels.shape[2:])
        cells = pixels.mean(1).reshape(height, detector.CELL, width, detector.CELL)
        logits = torch.full((1, detector.CLASSES, height, width), -9.0)
        logits[0, detector.TEXT][cells.std((1, 3)) >= ROUGH] = 9.0
        return logits


def install_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the guard ask this detector for one test."""
    monkeypatch.setattr(detector, "_network", RoughIsLettering)


def plain(seed: int = 0) -> NDArray[np.uint8]:
    """Blocks like those of a sky, which the toy model keeps, with noise that nobody would miss, (SIDE, SIDE, 3)."""
    rng = np.random.default_rng(seed)
    rough = Image.fromarray(rng.integers(60, 200, (4, 4, 3), np.uint8))
    colours = rough.resize((SIDE // toy_model.FACTOR,) * 2, Image.Resampling.BICUBIC)
    blocks = toy_model.grow(np.array(colours), SIDE, SIDE)
    return (blocks + rng.normal(0, 1.5, blocks.shape)).clip(0, 255).astype(np.uint8)


def photo(seed: int = 0) -> NDArray[np.uint8]:
    """The same with a sign, whose letters the toy model does not keep."""
    rgb = plain(seed)
    rgb[SIGN] = letters(SIGN[1].stop - SIGN[1].start, SIGN[0].stop - SIGN[0].start, seed)
    return rgb


def page() -> NDArray[np.uint8]:
    """Nothing but letters, on paper with some grain, (SIDE, SIDE, 3)."""
    noise = np.random.default_rng(0).normal(0, 3, (SIDE, SIDE, 3))
    return (letters(SIDE, SIDE) + noise).clip(0, 255).astype(np.uint8)


def in_mode(rgb: NDArray[np.uint8], mode: str) -> Image.Image:
    """A picture in L, LA, RGB or RGBA; what alpha there is varies, and is nowhere 0: colours would not count there."""
    image = Image.fromarray(rgb).convert(mode.rstrip("A"))
    if mode.endswith("A"):
        image.putalpha(Image.radial_gradient("L").resize(image.size).point(lambda level: max(level, 1)))
    return image
