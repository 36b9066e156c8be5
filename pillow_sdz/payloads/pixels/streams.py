"""Streams: pictures in a coding that Pillow decodes, without the boxes of its file format.

Whatever a stream says is checked against the size that the file expects before Pillow sees it: `check`.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

import numpy as np

from pillow_sdz import limits
from pillow_sdz.errors import (
    NEEDS_NEWER_VERSION,
    SdzDependencyError,
    SdzFormatError,
    SdzLimitError,
    SdzOptionError,
    SdzVersionError,
)
from pillow_sdz.payloads.pixels import av1, webp

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import ImageFile

AV1: Final = 0
VP8: Final = 1
VP8L: Final = 2
_NAMES: Final = {AV1: "av1", VP8: "vp8", VP8L: "vp8l"}
_CHUNKS: Final = {VP8: b"VP8 ", VP8L: b"VP8L"}

LOSSLESS: Final = "vp8l"
"""The coding that loses nothing."""

_OLD_PILLOW: Final = "pip install 'Pillow>=11.3', built with AVIF as its wheels are"


def name_of(coding: int, field: str) -> str:
    """The name of a coding: ``av1``, ``vp8`` or ``vp8l``.

    Raises:
        SdzVersionError: the coding is unknown.
    """
    if coding not in _NAMES:
        raise SdzVersionError(
            NEEDS_NEWER_VERSION, field=f"{field}, coding", found=coding, expected=f"0 to {max(_NAMES)}"
        )
    return _NAMES[coding]


def number_of(coding: str) -> int:
    """The number of a coding, by its name.

    Raises:
        SdzOptionError: no such coding.
    """
    for number, name in _NAMES.items():
        if name == coding:
            return number
    raise SdzOptionError("no such coding", field="coding", found=repr(coding), expected=", ".join(_NAMES.values()))


def longest_side(coding: str) -> int:
    """The longest side in pixels of a picture in a coding."""
    return limits.MAX_AV1_SIDE if coding == "av1" else limits.MAX_WEBP_SIDE


def can_hold(coding: str, width: int, height: int) -> bool:
    """Whether a picture of this size in pixels is not too large for a coding."""
    return max(width, height) <= longest_side(coding)


def require(coding: str) -> None:
    """Check that this Pillow has a coding.

    Raises:
        SdzDependencyError: it has not.
    """
    _plugin(number_of(coding))


def check(coding: int, stream: bytes, width: int, height: int, field: str) -> str:
    """Check all of a stream that costs nothing to check: its headers, and its size.

    Args:
        coding: its number.
        stream: the bytes.
        width, height: in pixels, what the picture must have.
        field: what errors name.

    Returns:
        What the stream is, in words.

    Raises:
        SdzVersionError: the coding, or a variant of it, is unknown.
        SdzFormatError: the stream is damaged, or has another size.
        SdzLimitError: the size is larger than the coding can have.
    """
    name = name_of(coding, field)
    if coding == AV1:
        sequence = av1.parse_stream(stream, field)
        size, words = (sequence.width, sequence.height), f"AV1, {sequence.subsampling}"
    elif coding == VP8:
        size, words = webp.vp8_size(stream, field), "VP8"
    else:
        size, words = webp.vp8l_size(stream, field), "VP8L, lossless"
    if size != (width, height):
        raise SdzFormatError(
            "the coded picture has another size", field=field, found=f"{size[0]} x {size[1]}",
            expected=f"{width} x {height} pixels",
        )  # fmt: skip
    if not can_hold(name, width, height):
        raise SdzLimitError(
            "the coded picture is too large", field=field, found=f"{width} x {height}",
            expected=f"sides of at most {longest_side(name)} pixels",
        )  # fmt: skip
    return words


def decode(coding: int, stream: bytes, width: int, height: int, field: str) -> NDArray[np.uint8]:
    """Decode a stream with Pillow.

    Args:
        coding: its number.
        stream: the bytes.
        width, height: in pixels, what the picture must have.
        field: what errors name.

    Returns:
        (height, width, 3).

    Raises:
        SdzError: as `check`; or Pillow cannot decode the stream.
        SdzDependencyError: Pillow was built without this coding.
    """
    check(coding, stream, width, height, field)
    return _pixels(coding, whole_file(coding, stream, field), (width, height), field)


def whole_file(coding: int, stream: bytes, field: str) -> bytes:
    """The AVIF or WebP file around a stream.

    Args:
        coding: its number.
        stream: the bytes, which `check` has accepted.
        field: what errors name.
    """
    if coding == AV1:
        return av1.avif_of(stream, av1.parse_stream(stream, field))
    return webp.webp_of(stream, _CHUNKS[coding])


def encode(rgb: NDArray[np.uint8], coding: str, quality: int, speed: int = 6, subsampling: str = "4:2:0") -> bytes:
    """Encode a picture with Pillow, and check that the stream decodes to what Pillow's own file does.

    Args:
        rgb: (H, W, 3).
        coding: ``av1``, ``vp8`` or ``vp8l``.
        quality: 0 (smallest) to 100 (best); of ``vp8l``, which is lossless, no matter.
        speed: 0 (slowest, smallest) to 10.
        subsampling: of ``av1``: ``4:2:0`` or ``4:4:4``; grey pictures are coded without chroma, ``4:0:0``.

    Raises:
        SdzOptionError: no such coding, or a number out of its range.
        SdzLimitError: the picture is too large for the coding.
        SdzDependencyError: Pillow was built without this coding, or with an encoder of another dialect.
    """
    number, whole, stream = _coded(rgb, coding, quality, speed, subsampling)
    height, width = rgb.shape[:2]
    field = f"{coding} encoder"
    try:
        ours = decode(number, stream, width, height, field)
    except (SdzFormatError, SdzVersionError) as error:
        raise SdzDependencyError(
            f"this Pillow's {coding} encoder makes streams that the format does not admit ({error})", remedy=_OLD_PILLOW
        ) from error
    if not np.array_equal(ours, _pixels(number, whole, (width, height), field)):
        raise SdzDependencyError(
            f"this Pillow decodes its own {coding} differently without its boxes", remedy=_OLD_PILLOW
        )
    return stream


def encoded_bytes(rgb: NDArray[np.uint8], coding: str, quality: int, speed: int = 6, subsampling: str = "4:2:0") -> int:
    """How long the stream is that `encode` gives, in bytes; nothing is decoded to check it. The rest is the same."""
    return len(_coded(rgb, coding, quality, speed, subsampling)[2])


def _coded(rgb: NDArray[np.uint8], coding: str, quality: int, speed: int, subsampling: str) -> tuple[int, bytes, bytes]:
    """The number of a coding, a whole file of Pillow's, and the stream in it."""
    number = number_of(coding)
    quality, speed = limits.whole("quality", quality, 0, 100), limits.whole("speed", speed, 0, 10)
    height, width = rgb.shape[:2]
    if not can_hold(coding, width, height):
        raise SdzLimitError(
            "the picture is too large for this coding", field=coding, found=f"{width} x {height}",
            expected=f"sides of at most {longest_side(coding)} pixels",
            remedy="cut the picture, or let a model encode it (another payload than pixels)",
        )  # fmt: skip
    whole = _saved(rgb, number, quality, speed, subsampling)
    field = f"{coding} encoder"
    if number == AV1:
        return number, whole, av1.without_delimiter(av1.media_of(whole, field))
    return number, whole, webp.chunk_of(whole, _CHUNKS[number], field)


def _saved(rgb: NDArray[np.uint8], coding: int, quality: int, speed: int, subsampling: str) -> bytes:
    """A whole file of Pillow's."""
    _plugin(coding)  # registers the format
    from PIL import Image

    image, out = Image.fromarray(np.ascontiguousarray(rgb)), io.BytesIO()
    if coding == AV1:
        is_grey = bool((rgb[..., :1] == rgb[..., 1:]).all())
        chroma = "4:0:0" if is_grey else subsampling
        # one thread: with several, the bytes would depend on how many the machine has
        image.save(out, "AVIF", quality=quality, speed=speed, subsampling=chroma, max_threads=1)
    elif coding == VP8:
        image.save(out, "WEBP", quality=quality, method=_method(speed))
    else:
        image.save(out, "WEBP", lossless=True, quality=100 if speed < 6 else 75, method=_method(speed))
    return out.getvalue()


def _method(speed: int) -> int:
    """The method of WebP, 0 (fast) to 6, for a speed of 10 to 0.

    >>> [_method(speed) for speed in (0, 4, 5, 6, 8, 10)]
    [6, 6, 5, 4, 2, 0]
    """
    return min(6, 10 - speed)


def _pixels(coding: int, data: bytes, size: tuple[int, int], field: str) -> NDArray[np.uint8]:
    """Decode a whole file of Pillow's, and check once more what comes out: (height, width, 3)."""
    name, plugin = _NAMES[coding], _plugin(coding)
    try:
        with io.BytesIO(data) as file, plugin(file) as image:
            found = image.size, image.mode, getattr(image, "n_frames", 1)
            if found in ((size, "RGB", 1), (size, "L", 1)):  # Pillow from 12 on opens AV1 without chroma as grey
                pixels: NDArray[np.uint8] = np.asarray(image)
                return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
    except (OSError, SyntaxError, ValueError, RuntimeError, EOFError) as error:
        raise SdzFormatError(f"Pillow cannot decode the {name} stream: {error}", field=field) from error
    (width, height), mode, frames = found
    raise SdzFormatError(
        "the picture is another one than its header says", field=field,
        found=f"{width} x {height}, {mode}, {frames} frames", expected=f"{size[0]} x {size[1]}, RGB, 1 frame",
    )  # fmt: skip


def _plugin(coding: int) -> type[ImageFile.ImageFile]:
    """Pillow's reader. It is called itself: ``Image.open`` would warn of bombs that the limits here have let pass.

    Raises:
        SdzDependencyError: this Pillow has none.
    """
    if coding == AV1:
        try:
            from PIL import AvifImagePlugin
        except ImportError:  # before 11.3, or no Pillow at all
            supported = False
        else:
            supported = AvifImagePlugin.SUPPORTED
        if not supported:
            raise SdzDependencyError("pixels are coded as AV1, and this Pillow has no AVIF", remedy=_OLD_PILLOW)
        return AvifImagePlugin.AvifImageFile
    try:
        from PIL import WebPImagePlugin
    except ImportError:
        supported = False
    else:
        supported = WebPImagePlugin.SUPPORTED
    if not supported:
        raise SdzDependencyError("pixels are coded as WebP, and this Pillow has no WebP", remedy=_OLD_PILLOW)
    return WebPImagePlugin.WebPImageFile
