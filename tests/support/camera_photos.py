"""Photos with a position and an orientation, from files of several formats; and the search for that position."""

from __future__ import annotations

import struct

import in_memory
import toy_model
from PIL import Image, ImageFile
from PIL.PngImagePlugin import PngInfo

from pillow_sdz.codec.file import read
from tools.bench.camera_metadata import LATITUDE, LONGITUDE, camera_exif, editor_xmp

CAMERA, EDITOR = camera_exif(thumbnail=2_000), editor_xmp()
PREFIX = b"Exif\0\0"
SOURCES = ("JPEG", "PNG", "raw profile in PNG", "WEBP", "MPO", "SDZ")


def opened(kind: str) -> ImageFile.ImageFile:
    """A photo with a position and an orientation, opened from a file of this kind; its pixels are not turned."""
    image = Image.fromarray(toy_model.blocks(40, 20))
    if kind == "raw profile in PNG":
        texts = PngInfo()
        texts.add_text("Raw profile type exif", f"\nexif\n{len(CAMERA) + 6:8}\n" + (PREFIX + CAMERA).hex() + "\n")
        return in_memory.through(image, "PNG", pnginfo=texts)
    more = {"metadata": "all"} if kind == "SDZ" else {}
    if kind == "PNG":
        texts = PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", EDITOR.decode())
        return in_memory.through(image, "PNG", pnginfo=texts, exif=PREFIX + CAMERA)
    return in_memory.through(image, kind, exif=PREFIX + CAMERA, xmp=EDITOR, **more)


def positions(data: bytes) -> list[str]:
    """What of the position is in a file: in its bytes, or in the bytes of its metadata once they are decoded."""
    metadata = read(data).metadata()
    places = {
        "file": data,
        "exif": metadata.exif or b"",
        "xmp": metadata.xmp or b"",
        "text": repr(metadata.text).encode(),
    }
    secrets = [struct.pack(order + "I", number) for number in (LATITUDE[2][0], LONGITUDE[2][0]) for order in "<>"]
    secrets += [b"48,51", b"2,17.669", b"GPSLat"]
    return [f"{secret!r} in {place}" for place, content in places.items() for secret in secrets if secret in content]
