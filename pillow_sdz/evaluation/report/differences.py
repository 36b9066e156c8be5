"""Where the picture of a file differs from the original, and which parts of it are patches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

from pillow_sdz.codec.measure import measure
from pillow_sdz.container.patches import CELL
from pillow_sdz.container.stored_error import cell_side
from pillow_sdz.evaluation.report.comparison import Drawing
from pillow_sdz.plugin.info import error_info

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from pillow_sdz.codec.file import SdzFile
    from pillow_sdz.container.patches import Rectangle

BRIGHTEST: Final = 12
"""Level of the error map that is drawn brightest: a root mean square difference of 45 to 64."""

OUTLINE: Final = (255, 64, 160)
"""Colour of the outlines of patches: rare in photos."""


def details(file: SdzFile) -> dict[str, Any]:
    """What a file says about its error and its patches, for JSON."""
    stored = error_info(file)
    patches = {} if file.patches is None else {"patches": len(file.patches.rectangles)}
    return patches | ({"stored_error": stored} if stored else {})


def drawings(file: SdzFile, original: NDArray[np.uint8], picture: Image.Image) -> Iterator[Drawing]:
    """The patches, where a file has some, and the error map, which is measured where the file has none.

    Args:
        file: the file.
        original: (H, W, 3).
        picture: what the file decodes to, RGB.
    """
    header = file.header
    if file.patches is not None:
        share = file.patches.share(header.width, header.height)
        yield Drawing(
            "Patches",
            outlined(picture, file.patches.rectangles),
            f"{len(file.patches.rectangles)} rectangles, {share:.1%} of the picture, are stored as pixels and blended"
            " over what the model paints.",
        )
    levels, source = file.error_map(), "as the file says"
    if levels is None:
        levels, source = measure(original, np.asarray(picture), grey=header.mode.startswith("L")).levels, "measured"
    side = cell_side(header.width, header.height)
    yield Drawing(
        "Where it differs",
        heat(levels),
        f"Root mean square difference from the original in cells of {side} pixels, {source}: black below 1, each step"
        f" a factor of 1.4, brightest from {2 ** ((BRIGHTEST - 1) / 2):.0f} (of 255).",
    )


def outlined(picture: Image.Image, rectangles: Sequence[Rectangle]) -> Image.Image:
    """A picture, darkened where no patch is, with an outline around each patch.

    Args:
        picture: RGB.
        rectangles: in cells.
    """
    pixels = np.asarray(picture)
    height, width = pixels.shape[:2]
    drawn = pixels // 3
    line = max(1, max(width, height) // 400)
    for each in rectangles:
        top, left = each.y * CELL, each.x * CELL
        bottom, right = min(top + each.height * CELL, height), min(left + each.width * CELL, width)
        drawn[top:bottom, left:right] = OUTLINE
        inner = slice(top + line, bottom - line), slice(left + line, right - line)
        drawn[inner] = pixels[inner]
    return Image.fromarray(drawn)


def heat(levels: NDArray[np.uint8]) -> Image.Image:
    """An error map as a heat map, one pixel for each cell."""
    from matplotlib import colormaps

    colours = colormaps["magma"](np.clip(levels / BRIGHTEST, 0, 1), bytes=True)
    return Image.fromarray(np.ascontiguousarray(colours[..., :3]))
