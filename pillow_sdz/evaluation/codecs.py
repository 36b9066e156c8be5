"""Image codecs behind one interface: calling them, finding which are installed, and searching for files by size."""

from __future__ import annotations

import importlib
import io
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from PIL import Image, features

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PLUGINS: Final = {"SDZ": "pillow_sdz", "JXL": "pillow_jxl"}
"""Pillow's name of a format that Pillow itself lacks -> module whose import registers it with Pillow."""


@dataclass(frozen=True)
class Codec:
    """One image format with the settings of its encoder, called through Pillow.

    Attributes:
        name: key in tables and on command lines, such as ``jxl``.
        label: name to show, such as "JPEG XL".
        pillow_name: name of the format in Pillow, such as ``JXL``.
        curve: quality values of a rate-quality curve; on photos they give about 0.03 to about 0.6 bits per pixel.
        lowest, highest: range of quality values that searches try.
        options: further keywords of ``image.save``, the same at every quality.
    """

    name: str
    label: str
    pillow_name: str
    curve: tuple[int, ...]
    lowest: int = 0
    highest: int = 100
    options: Mapping[str, Any] = field(default_factory=dict)

    def encode(self, image: Image.Image, quality: int) -> bytes:
        """Encode a picture.

        Args:
            image: RGB.
            quality: `lowest` to `highest`.

        Returns:
            The bytes of the file.
        """
        return saved(image, self.pillow_name, quality=quality, **self.options)


CODECS: Final = (
    Codec("sdz", ".sdz", "SDZ", (0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95)),
    Codec("jpeg", "JPEG", "JPEG", (1, 3, 5, 8, 12, 18, 26, 36, 48), 1, 95, {"optimize": True, "progressive": True}),
    Codec("webp", "WebP", "WEBP", (0, 1, 3, 6, 12, 20, 32, 48, 64), options={"method": 6}),
    Codec("avif", "AVIF", "AVIF", (0, 5, 10, 16, 22, 28, 36, 46, 58), options={"speed": 4}),
    Codec("jxl", "JPEG XL", "JXL", (0, 3, 6, 10, 16, 24, 36, 48, 60), options={"effort": 7}),
)
"""All codecs; .sdz is the first. Each has the effort that is usual for pictures on the web. Slower settings save a few
percent of the bytes."""

INSTALL: Final = {
    "webp": "install a Pillow with WebP: pip install --upgrade Pillow",
    "avif": "install a Pillow with AVIF: pip install --upgrade 'Pillow>=11.3'",
    "jxl": "pip install pillow-jxl-plugin",
}
"""Name of a codec that may be missing -> how to install it."""


def available(names: Iterable[str], options: Mapping[str, Any] | None = None) -> tuple[list[Codec], list[str]]:
    """The codecs that can be measured here.

    Args:
        names: names of the wanted codecs of `CODECS`; .sdz is always included.
        options: keywords of ``image.save`` for .sdz.

    Returns:
        The codecs, in the order of `CODECS`, and for each one that is not installed a message that says how to install
        it.

    Raises:
        ValueError: there is no codec of that name.
    """
    wanted = {*names, "sdz"}
    unknown = wanted - {codec.name for codec in CODECS}
    if unknown:
        raise ValueError(f"no such format: {', '.join(sorted(unknown))}")
    found, skipped = [], []
    for codec in CODECS:
        if codec.name not in wanted:
            continue
        if not _usable(codec):
            skipped.append(f"{codec.label} is not measured: {INSTALL[codec.name]}")
        elif codec.name == "sdz" and options:
            found.append(replace(codec, options=dict(options)))
        else:
            found.append(codec)
    return found, skipped


def _usable(codec: Codec) -> bool:
    if codec.pillow_name in ("AVIF", "WEBP"):
        return bool(features.check(codec.name))
    try:
        register(codec.pillow_name)
    except ImportError:
        return False
    return True


def register(pillow_name: str) -> None:
    """Import the plugin that adds a format to Pillow, if it needs one.

    Raises:
        ImportError: the plugin is not installed.
    """
    if pillow_name in PLUGINS:
        importlib.import_module(PLUGINS[pillow_name])


def saved(image: Image.Image, pillow_name: str, **options: object) -> bytes:
    """The bytes that ``image.save`` writes with these keywords."""
    buffer = io.BytesIO()
    image.save(buffer, pillow_name, **options)
    return buffer.getvalue()


def decoded(data: bytes) -> Image.Image:
    """Decode the bytes of a file with Pillow; returns an RGB picture."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image if image.mode == "RGB" else image.convert("RGB")


@dataclass(frozen=True)
class EncodedFile:
    """The bytes of a file, and the quality with which they were encoded."""

    data: bytes
    quality: int


def largest_not_above(codec: Codec, image: Image.Image, size: int) -> EncodedFile:
    """The highest quality whose file has at most ``size`` bytes, by binary search.

    The search assumes that files grow with the quality. Where they do not, it may miss a higher quality that fits.

    Args:
        codec: the codec to use.
        image: RGB.
        size: target in bytes.

    Returns:
        The file that was found. If even the lowest quality takes more bytes than ``size``, the file of that quality.
    """
    low, high = codec.lowest, codec.highest
    best = EncodedFile(codec.encode(image, low), low)
    if len(best.data) > size:
        return best
    while low < high:
        middle = (low + high + 1) // 2
        data = codec.encode(image, middle)
        if len(data) <= size:
            best, low = EncodedFile(data, middle), middle
        else:
            high = middle - 1
    return best


REDUCTIONS: Final = (1, 3 / 4, 1 / 2, 3 / 8, 1 / 4, 3 / 16, 1 / 8)
"""Factors by which `at_equal_or_fewer_bytes` scales width and height, in the order in which it tries them: if the file
of the lowest quality is still too large, people store a smaller picture."""


@dataclass(frozen=True)
class SizeMatched:
    """The best that a codec makes of a picture in a given number of bytes or fewer.

    Attributes:
        size: bytes of the file.
        quality: the encoder's setting.
        stored: width and height in pixels of the picture in the file, which may be smaller than the original.
        picture: the decoded picture, RGB, enlarged to the size of the original.
    """

    size: int
    quality: int
    stored: tuple[int, int]
    picture: Image.Image


def at_equal_or_fewer_bytes(codec: Codec, image: Image.Image, size: int) -> SizeMatched | None:
    """The best file of a codec that has at most ``size`` bytes.

    The picture is stored at full size if any quality fits. Else it is reduced (Lanczos) as little as necessary before
    encoding, and enlarged again (bicubic) after decoding.

    Args:
        codec: the codec to use.
        image: RGB.
        size: target in bytes.

    Returns:
        The file's facts and picture, or None if no quality fits even with the smallest of `REDUCTIONS`.
    """
    for reduction in REDUCTIONS:
        stored = max(1, round(image.width * reduction)), max(1, round(image.height * reduction))
        smaller = image if stored == image.size else image.resize(stored, Image.Resampling.LANCZOS)
        found = largest_not_above(codec, smaller, size)
        if len(found.data) <= size:
            picture = decoded(found.data)
            if stored != image.size:
                picture = picture.resize(image.size, Image.Resampling.BICUBIC)
            return SizeMatched(len(found.data), found.quality, stored, picture)
    return None
