"""Photos of the set: those that packages contain, and those of the user's folder, with their sources."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from PIL import Image

from tools.bench.photos import plain, sample
from tools.guard_set.entries import LONGEST, Entry

if TYPE_CHECKING:
    from tools.guard_set.entries import Box

HELD_OUT: Final = Path(__file__).with_name("held_out.txt")
"""Names of photos in the user's folder that the set uses and that training must leave out, one a line."""

SKIMAGE: Final = {
    "astronaut": "public domain (NASA)",
    "brick": "CC0",
    "chelsea": "CC0",
    "coffee": "CC0",
    "grass": "CC0",
    "gravel": "CC0",
    "page": "BSD-3-Clause (scikit-image)",
    "rocket": "public domain (SpaceX)",
}
"""Photos that scikit-image's wheel contains -> licence, as `skimage.data` says, or its own."""


@dataclass(frozen=True)
class Source:
    """A photo and where it is from."""

    image: Image.Image
    source: str
    licence: str

    def cut(self, box: Box | None = None, scale: float = 1) -> Image.Image:
        """A new picture: a part of the photo, scaled (Lanczos), and made to fit `LONGEST` pixels."""
        part = self.image.crop(box) if box else self.image.copy()
        scale = min(scale, LONGEST / max(part.size))
        size = round(part.width * scale), round(part.height * scale)
        return part if size == part.size else part.resize(size, Image.Resampling.LANCZOS)

    def entry(self, name: str, group: str, box: Box | None = None, scale: float = 1) -> Entry:
        """An entry that starts as a part of this photo; see `cut`."""
        return Entry(name, group, self.cut(box, scale), self.source, self.licence)


class Photos:
    """Where photos are.

    Args:
        folder: the user's folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, name: str) -> Source:
        """A photo, RGB.

        Args:
            name: a key of `SKIMAGE`, ``grace_hopper`` (matplotlib's), or the name of a file in the folder without
                suffix.

        Raises:
            FileNotFoundError: the folder has no such photo.
        """
        if name in SKIMAGE:
            return Source(sample(name), f"scikit-image: data.{name}", SKIMAGE[name])
        if name == "grace_hopper":
            from matplotlib.cbook import get_sample_data

            path = Path(get_sample_data("grace_hopper.jpg", asfileobj=False))
            return Source(_read(path), "matplotlib: grace_hopper.jpg", "public domain (US Navy)")
        found = sorted(self.folder.glob(f"{name}.*"))
        if not found:
            raise FileNotFoundError(f"{self.folder} has no {name}: the set needs the photos that its modules name")
        return Source(_read(found[0]), f"folder of photos: {found[0].name}", "not to be distributed")


def _read(path: Path) -> Image.Image:
    with Image.open(path) as file:
        return plain(file)
