"""What each image format can do here: how it is saved, over which settings, and whether this installation has it."""

from __future__ import annotations

import importlib
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from PIL import Image, features

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


PLUGINS = {"SDZ": "pillow_sdz", "JXL": "pillow_jxl"}
"""Modules that register a format with Pillow when they are imported."""


@dataclass(frozen=True)
class Format:
    """One image format, saved with Pillow.

    Attributes:
        name: key in tables, and on the command line.
        label: what people call it.
        form: Pillow's name.
        curve: quality values of a rate-quality curve, from some 0.03 to some 0.6 bits per pixel on photos.
        least, most: the range in which a search looks for a quality.
        options: further options of ``save``, the same at every quality.
    """

    name: str
    label: str
    form: str
    curve: tuple[int, ...]
    least: int = 0
    most: int = 100
    options: Mapping[str, Any] = field(default_factory=dict)

    def encode(self, image: Image.Image, quality: int) -> bytes:
        """The bytes of a file."""
        return saved(image, self.form, quality=quality, **self.options)


# Each encoder as hard as it is usually run for the web. (Slower ones exist; they gain a few percent of bytes.)
FORMATS = (
    Format("sdz", ".sdz", "SDZ", (0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95)),
    Format("jpeg", "JPEG", "JPEG", (1, 3, 5, 8, 12, 18, 26, 36, 48), 1, 95, {"optimize": True, "progressive": True}),
    Format("webp", "WebP", "WEBP", (0, 1, 3, 6, 12, 20, 32, 48, 64), options={"method": 6}),
    Format("avif", "AVIF", "AVIF", (0, 5, 10, 16, 22, 28, 36, 46, 58), options={"speed": 4}),
    Format("jxl", "JPEG XL", "JXL", (0, 3, 6, 10, 16, 24, 36, 48, 60), options={"effort": 7}),
)

HELP = {
    "webp": "install a Pillow with WebP: pip install --upgrade Pillow",
    "avif": "install a Pillow with AVIF: pip install --upgrade 'Pillow>=11.3'",
    "jxl": "pip install pillow-jxl-plugin",
}


def available(names: Iterable[str], options: Mapping[str, Any] | None = None) -> tuple[list[Format], list[str]]:
    """The formats that can be measured here.

    Args:
        names: which are wanted; .sdz always comes first.
        options: options of ``save`` for .sdz.

    Returns:
        The formats, in the order of `FORMATS`, and for each missing one a sentence with how to install it.
    """
    wanted = {*names, "sdz"}
    unknown = wanted - {form.name for form in FORMATS}
    if unknown:
        raise ValueError(f"no such format: {', '.join(sorted(unknown))}")
    found, skipped = [], []
    for form in FORMATS:
        if form.name not in wanted:
            continue
        if not _usable(form):
            skipped.append(f"{form.label} is not measured: {HELP[form.name]}")
        elif form.name == "sdz" and options:
            found.append(Format(form.name, form.label, form.form, form.curve, options=dict(options)))
        else:
            found.append(form)
    return found, skipped


def _usable(form: Format) -> bool:
    if form.form in ("AVIF", "WEBP"):
        return bool(features.check(form.name))
    try:
        register(form.form)
    except ImportError:
        return False
    return True


def register(form: str) -> None:
    """Import the plugin of a format, where it needs one."""
    if form in PLUGINS:
        importlib.import_module(PLUGINS[form])


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    """The bytes that ``image.save`` writes."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def decoded(data: bytes) -> Image.Image:
    """The pixels of a file, RGB."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image if image.mode == "RGB" else image.convert("RGB")


@dataclass(frozen=True)
class Encoded:
    """A file and the quality that gave it."""

    data: bytes
    quality: int

    def bpp(self, image: Image.Image) -> float:
        """Bits of the file per pixel of the picture."""
        return 8 * len(self.data) / (image.width * image.height)


def largest_not_above(form: Format, image: Image.Image, size: int) -> Encoded:
    """The highest quality whose file takes at most ``size`` bytes, by binary search; the least quality if none does.

    What is returned has been measured. Where a higher quality happens to take fewer bytes, the search may miss it.
    """
    low, high = form.least, form.most
    best = Encoded(form.encode(image, low), low)
    if len(best.data) > size:
        return best
    while low < high:
        middle = (low + high + 1) // 2
        data = form.encode(image, middle)
        if len(data) <= size:
            best, low = Encoded(data, middle), middle
        else:
            high = middle - 1
    return best


REDUCTIONS: Final = (1, 3 / 4, 1 / 2, 3 / 8, 1 / 4, 3 / 16, 1 / 8)
"""Sides that are tried, relative to the picture's: what people do where the lowest quality is still too large."""


@dataclass(frozen=True)
class Rival:
    """A file of another codec.

    Attributes:
        size: its bytes.
        quality: the encoder's setting.
        stored: width and height in the file.
        picture: RGB, of the original's size.
    """

    size: int
    quality: int
    stored: tuple[int, int]
    picture: Image.Image


def at_most(form: Format, image: Image.Image, size: int) -> Rival | None:
    """The best file of ``form`` in at most ``size`` bytes: at full size if any quality fits, else reduced and enlarged.

    Args:
        form: which codec.
        image: RGB.
        size: bytes.

    Returns:
        What was found, or None where no file is that small.
    """
    for reduction in REDUCTIONS:
        stored = max(1, round(image.width * reduction)), max(1, round(image.height * reduction))
        smaller = image if stored == image.size else image.resize(stored, Image.Resampling.LANCZOS)
        found = largest_not_above(form, smaller, size)
        if len(found.data) <= size:
            picture = decoded(found.data)
            if stored != image.size:
                picture = picture.resize(image.size, Image.Resampling.BICUBIC)
            return Rival(len(found.data), found.quality, stored, picture)
    return None
