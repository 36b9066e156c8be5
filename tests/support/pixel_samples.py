"""Pictures with letters and lines, and files with pixels and patches, for the tests of both."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import toy_model
from toy_files import direct_file_of

from pillow_sdz.codec.patching import encode_patches
from pillow_sdz.container.header import NO_FINGERPRINT, Header
from pillow_sdz.container.patches import Rectangle
from pillow_sdz.container.sections import Container, build, parse
from pillow_sdz.payloads.pixels.payload import PixelsPlan, encode_pixels

if TYPE_CHECKING:
    from numpy.typing import NDArray

CODINGS = ("av1", "vp8", "vp8l")

RECTANGLES = (Rectangle(1, 1, 3, 2), Rectangle(4, 2, 2, 4), Rectangle(7, 4, 2, 3))
"""Of a picture of 70 x 53 pixels, whose last column and row of cells are not whole: two touch, one is in the corner."""

WIDTH, HEIGHT = 70, 53


def letters(width: int = WIDTH, height: int = HEIGHT, seed: int = 0) -> NDArray[np.uint8]:
    """Black and coloured strokes on white, (height, width, 3)."""
    rng = np.random.default_rng(seed)
    picture = np.full((height, width, 3), 255, np.uint8)
    for _ in range(width * height // 60):
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        picture[y : y + int(rng.integers(1, 6)), x : x + int(rng.integers(1, 4))] = rng.choice([0, 60, 200], 3)
    return picture


def smooth(width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """A picture like a photo's sky with some noise, (height, width, 3)."""
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(0).normal(0, 6, (height, width))
    picture: NDArray[np.uint8] = (
        np.stack([x + y / 2 + noise, 90 + x / 3 + noise, 160 - y + noise], 2).clip(0, 255).astype(np.uint8)
    )
    return picture


def pixels_header(width: int, height: int, **changes: object) -> Header:
    """The header of a file of pixels; with changes."""
    fields: dict[str, object] = {
        "mode": "RGB", "payload": "pixels", "layer_count": 1, "width": width, "height": height, "factor": 1,
        "channels": 3, "latent_width": width, "latent_height": height, "fingerprint": NO_FINGERPRINT, "noise": 0,
        "denoise_steps": 0, "synthesised": False,
    }  # fmt: skip
    return Header(**{**fields, **changes})  # type: ignore[arg-type]


def pixels_file(coding: str = "av1", quality: int = 60) -> bytes:
    """A file of payload kind pixels."""
    body = encode_pixels(letters(), PixelsPlan(coding, quality))
    return build(Container(pixels_header(WIDTH, HEIGHT), [body]))


def base(seed: int = 0) -> NDArray[np.uint8]:
    """What the model makes of the picture under the patches: blocks, which the toy model keeps, (53, 70, 3)."""
    return toy_model.blocks(WIDTH, HEIGHT, seed)


def patched(coding: str = "vp8l") -> Container:
    """A file of the toy model that is `base`, with patches of `letters`."""
    container = parse(direct_file_of(base()))
    body = encode_patches(letters(), RECTANGLES, coding, 80)
    return replace(container, header=replace(container.header, patched=True), patches=body)


def with_patches(body: bytes) -> bytes:
    """The bytes of that file with another body of the patches section, whatever it holds."""
    return build(replace(patched(), patches=body))
