"""Which pictures a benchmark takes, and how it reads them: upright, RGB, without metadata, scaled down if asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image, ImageOps

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

SUFFIXES: Final = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp"}
"""Files of a folder that are taken for pictures."""

SHORTEST_SIDE: Final = 64
"""Pictures with a shorter side, in pixels, are not measured: networks and multi-scale metrics need several scales."""


@dataclass(frozen=True)
class Photo:
    """One picture.

    Attributes:
        name: its path relative to the folder, with slashes.
        image: RGB, with an empty ``info``: otherwise formats that keep metadata would pay for it, and others would not.
        scaled: whether it was scaled down.
    """

    name: str
    image: Image.Image
    scaled: bool = False

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.image.width * self.image.height


def files(paths: Iterable[Path]) -> Iterator[Path]:
    """The files among ``paths`` as they are, and those with a picture's suffix in the folders, sorted by name."""
    for path in paths:
        if path.is_dir():
            yield from sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)
        else:
            yield path


def plain(image: Image.Image) -> Image.Image:
    """The pixels alone: rotated as EXIF says, transparent parts on white, RGB, without metadata."""
    image = ImageOps.exif_transpose(image)
    if image.has_transparency_data:
        above = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), above)
    return Image.fromarray(np.array(image.convert("RGB")))


def load(path: Path, folder: Path, longest: int | None = None) -> Photo:
    """Read one picture of a folder.

    Args:
        path: the file.
        folder: what its name is relative to.
        longest: a longer side is scaled down to this many pixels (Lanczos); None leaves every size.
    """
    with Image.open(path) as file:
        image = plain(file)
    scaled = longest is not None and max(image.size) > longest
    if longest is not None and scaled:
        image = ImageOps.contain(image, (longest, longest), Image.Resampling.LANCZOS)
    return Photo(path.relative_to(folder).as_posix(), image, scaled)


def sample(name: str = "astronaut") -> Image.Image:
    """A photo that scikit-image ships, RGB.

    Raises:
        AttributeError: there is none of that name.
    """
    import skimage.data

    return Image.fromarray(getattr(skimage.data, name)()).convert("RGB")


def square(photo: Path | Image.Image, side: int) -> Image.Image:
    """The middle square of a photo, scaled to ``side`` x ``side`` pixels, RGB."""
    if isinstance(photo, Image.Image):
        return ImageOps.fit(photo.convert("RGB"), (side, side))
    with Image.open(photo) as file:
        return ImageOps.fit(file.convert("RGB"), (side, side))
