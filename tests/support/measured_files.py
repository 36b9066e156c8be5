"""Files of the toy model that say how far they are from an original, truly or not."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import toy_model
from PIL import Image
from toy_files import file_of

from pillow_sdz.codec.file import read
from pillow_sdz.codec.measure import error_sections, measure, shares_of
from pillow_sdz.container.sections import build, parse
from pillow_sdz.container.stored_error import build_error, parse_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

SIDE = 176
"""Side of the pictures: enough for MS-SSIM."""


def original(seed: int = 0, strength: float = 12.0) -> NDArray[np.uint8]:
    """Blocks of colour, which the toy model keeps, with noise, which it does not."""
    rgb = toy_model.blocks(SIDE, SIDE, seed)
    noise = np.random.default_rng(seed + 1).normal(0, strength, rgb.shape)
    return (rgb + noise).clip(0, 255).astype(np.uint8)


def measured_file(
    rgb: NDArray[np.uint8],
    mode: str = "RGB",
    *,
    score: bool = False,
    error_map: bool = True,
    lies: Mapping[str, float] | None = None,
) -> bytes:
    """A file of a picture with its error as it is with the toy model, which must be installed.

    Args:
        rgb: the original, (H, W, 3).
        mode: of the file.
        score: whether SSIMULACRA 2 is measured, too.
        error_map: whether the map is stored, too.
        lies: figures to store instead of the true ones.
    """
    alpha = np.full(rgb.shape[:2], 200, np.uint8) if mode.endswith("A") else None
    data = file_of(rgb, alpha, mode)
    container, file = parse(data), read(data)
    with Image.open(io.BytesIO(data)) as image:
        decoded = np.array(image.convert("RGB"))
    found = measure(rgb, decoded, grey=mode.startswith("L"), ssimulacra2=score)
    container.error, container.error_map = error_sections(
        found, shares_of(file.header, file.patches), error_map=error_map
    )
    changes: dict[str, Any] = dict(lies or {})
    container.error = build_error(replace(parse_error(container.error), **changes))
    return build(container)
