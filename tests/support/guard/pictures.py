"""Images to save: one or more of each of Pillow's modes, and what images of other formats have in their info."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from guard.inputs import codes, numbers, smooth

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


SIZE = 48, 40
EXIF = b"Exif\0\0II*\0" + bytes(130)
ICC = bytes(16) + b"RGB " + bytes(range(200))


def a_picture(height: int = 40, width: int = 48, seed: int = 1) -> Image.Image:
    return Image.fromarray(codes(seed, height, width, 3))


def grey() -> NDArray[np.uint8]:
    return codes(6, 40, 48, 1)[:, :, 0]


def with_transparency(image: Image.Image, transparency: object) -> Image.Image:
    """A copy with this entry in its info."""
    image = image.copy()
    image.info["transparency"] = transparency
    return image


def of_byte_channels() -> Iterator[tuple[str, Image.Image]]:
    """Modes whose channels are bytes."""
    for mode, channels in (
        ("L", 1), ("LA", 2), ("La", 2), ("RGB", 3), ("RGBA", 4), ("RGBa", 4), ("RGBX", 4), ("CMYK", 4), ("YCbCr", 3),
        ("LAB", 3), ("HSV", 3),
    ):  # fmt: skip
        data = codes(channels, 40, 48, channels)
        if mode == "La":
            data = np.sort(data, axis=2)
        if mode == "RGBa":
            data = np.minimum(data, data[:, :, 3:])
        if mode in ("LA", "RGBA"):
            data[10:20, 5:30, -1] = 0
            data[20:30, :, -1] = 255
        yield mode, Image.frombytes(mode, SIZE, data.tobytes())
    yield "RGBA, all transparent", Image.new("RGBA", SIZE, (10, 20, 30, 0))
    yield "RGBA, all opaque", Image.new("RGBA", SIZE, (10, 20, 30, 255))
    yield "RGB, one pixel", Image.new("RGB", (1, 1), (200, 100, 50))
    yield "RGB, one row", a_picture(1, 48)
    yield "RGB, 17 x 23", a_picture(23, 17)


def of_palettes() -> Iterator[tuple[str, Image.Image]]:
    """Modes with a palette."""
    palette = numbers(4, 768, below=256).astype(np.uint8).tobytes()
    places = (smooth(5, 40, 48, 1)[:, :, 0] // 4).astype(np.uint8)
    image = Image.frombytes("P", SIZE, places.tobytes())
    image.putpalette(palette)
    yield "P", image
    yield "P, a transparent entry", with_transparency(image, 40)
    yield "P, opacities", with_transparency(image, bytes(range(0, 256, 4)))
    image = Image.frombytes("PA", SIZE, np.stack([places, grey()], axis=2).tobytes())
    image.putpalette(palette)
    yield "PA", image


def of_other_depths() -> Iterator[tuple[str, Image.Image]]:
    """Modes of one channel with another depth than eight bits."""
    values = grey()
    yield "1", Image.frombytes("1", SIZE, numbers(3, 240, below=256).astype(np.uint8).tobytes())
    yield "I", Image.fromarray(values.astype(np.int32))
    yield "I, beyond 255", Image.fromarray(values.astype(np.int32) * 3 - 100)
    yield "F", Image.fromarray(values.astype(np.float32) / np.float32(2))
    yield "F, beyond 255", Image.fromarray(values.astype(np.float32) * np.float32(2) - np.float32(9))
    deep = Image.fromarray(values.astype(np.uint16) * 256 + 255)
    yield "I;16", deep
    yield "I;16, a transparent grey", with_transparency(deep, 128 * 256 + 255)


def pictures() -> Iterator[tuple[str, Image.Image]]:
    """One or more images of each of Pillow's modes, made from bytes: their content does not depend on conversions."""
    yield from of_byte_channels()
    yield from of_palettes()
    yield from of_other_depths()
    yield "L, a transparent grey", with_transparency(Image.fromarray(grey()), 128)
    yield "RGB, a transparent colour", with_transparency(a_picture(), (128, 120, 110))


def infos() -> dict[str, dict[Any, Any]]:
    """The info of images of several formats."""
    raw = "\nexif\n  10\n" + b"MM\0*\0\0\0\x08\0\0".hex()
    ours = {"fingerprint": "00", "payload": "scalar", "bpp": 1.5, "noise": 2.0, "model": "toy-1", "steps": 3}
    return {
        "text": {"Title": "cat", "Author": "me"},
        "comment of JPEG": {"comment": b"caf\xc3\xa9"},
        "xmp": {"xmp": b"<x/>"},
        "xmp of PNG": {"XML:com.adobe.xmp": "<x/>"},
        "exif": {"exif": EXIF},
        "exif twice prefixed": {"exif": b"Exif\0\0" + EXIF},
        "exif of ImageMagick": {"Raw profile type exif": raw},
        "exif of ImageMagick, damaged": {"Raw profile type exif": raw + "x"},
        "facts of our own": ours | {"text:step": "one", "note": "kept"},
        "facts without ours": {"model": "camera", "steps": "many"},
        "not text": {"dpi": (72, 72), 5: "five", "compression": "lzw", "gamma": 0.45},
        "text that does not fit": {"": "empty", "k" * 256: "long", "bad": "\udc80"},
    }
