"""Pictures and weights for the tests of codecs, metrics and benchmarks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

from pillow_sdz.evaluation.codecs import CODECS

if TYPE_CHECKING:
    from pathlib import Path

CODEC: Final = {codec.name: codec for codec in CODECS}
"""Name -> codec."""


def picture(width: int = 96, height: int = 80, seed: int = 0) -> Image.Image:
    """Smooth colours with some grain, RGB."""
    y, x = np.mgrid[:height, :width]
    waves = np.stack([np.sin(x / 11 + seed), np.cos(y / 7), np.sin((x + y) / 17)], -1)
    grain = np.random.default_rng(seed).normal(0, 8, (height, width, 3))
    return Image.fromarray((127 + 90 * waves + grain).clip(0, 255).astype(np.uint8))


def write_pictures(folder: Path) -> Path:
    """Write two pictures that are measured, one that is too small, and a file that is no picture."""
    (folder / "more").mkdir(parents=True)
    picture().save(folder / "b.png")
    picture(176, 164, 1).save(folder / "more" / "a.png")
    picture(20, 20).save(folder / "tiny.png")
    (folder / "notes.txt").write_text("not a picture")
    return folder


def write_alexnet(folder: Path) -> Path:
    """Write the weights of LPIPS-Alex: a narrow AlexNet of random weights."""
    random, inputs = np.random.default_rng(0), 3
    arrays: dict[str, Any] = {}
    for index, side in enumerate((11, 5, 3, 3, 3)):
        arrays[f"conv{index}.weight"] = random.normal(0, 0.1, (4, inputs, side, side))
        arrays[f"conv{index}.bias"] = np.full(4, 0.1)
        arrays[f"lin{index}.weight"] = np.ones((1, 4, 1, 1))
        inputs = 4
    folder.mkdir()
    np.savez(folder / "lpips_alex.npz", **arrays)
    return folder
