"""Which pictures a benchmark takes, and how: upright, RGB, without metadata, not larger than asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp"}

SMALLEST = 64
"""Shortest side that is measured: networks and MS-SSIM-like scales have little to say about less."""


@dataclass(frozen=True)
class Photo:
    """One picture.

    Attributes:
        name: its path below the folder, with slashes.
        image: RGB, with an empty ``info``: no format may pay for metadata that another drops.
        scaled: whether it was made smaller.
    """

    name: str
    image: Image.Image
    scaled: bool = False

    @property
    def pixels(self) -> int:
        return self.image.width * self.image.height


def files(paths: Iterable[Path]) -> Iterator[Path]:
    """The files among ``paths`` as they are, and those with a picture's suffix in the folders, sorted by name."""
    for path in paths:
        yield from (
            sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
        )


def plain(image: Image.Image) -> Image.Image:
    """Pixels and nothing else: turned upright, transparent parts on white, RGB."""
    image = ImageOps.exif_transpose(image)
    if image.has_transparency_data:
        above = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), above)
    return Image.fromarray(np.array(image.convert("RGB")))


def load(path: Path, folder: Path, longest: int | None = None) -> Photo:
    """Read one picture of ``folder``.

    Args:
        path: the file.
        folder: what its name is relative to.
        longest: a longer side is scaled down to this (Lanczos); None leaves every size.
    """
    with Image.open(path) as file:
        image = plain(file)
    scaled = longest is not None and max(image.size) > longest
    if longest is not None and scaled:
        image = ImageOps.contain(image, (longest, longest), Image.Resampling.LANCZOS)
    return Photo(path.relative_to(folder).as_posix(), image, scaled)
