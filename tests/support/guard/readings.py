"""Cases of golden files: what each one contains, and what is read of one that lacks its last layers."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageFile

from guard import calls, file_bytes
from guard.results import said, short

if TYPE_CHECKING:
    from collections.abc import Iterator

VECTORS = Path(__file__).parents[2] / "vectors"


OF_PILLOW = "v0-pixels"
"""Folder of the files whose codes Pillow decodes: what its decoders make of damage depends on their versions."""


def golden_files() -> dict[str, bytes]:
    """All golden files but those of pixels, by the names of their folders."""
    paths = sorted(path for path in VECTORS.glob("*/*/file.sdz") if path.parts[-3] != OF_PILLOW)
    return {f"{path.parts[-3]}/{path.parts[-2]}": path.read_bytes() for path in paths}


def in_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return f"{len(value)} bytes, {short(value)}"
    return list(value) if isinstance(value, tuple) else value


def info_of(image: Image.Image) -> dict[str, Any]:
    """The image's info without ``denoise_steps``, which repeats ``steps``: the pins have the older of the two names."""
    return {str(key): in_json(value) for key, value in image.info.items() if key != "denoise_steps"}


THUMBNAIL = 6
"""Side of thumbnails in pixels."""


def small_picture(data: bytes) -> tuple[str, tuple[int, int], bytes]:
    """Mode, size and pixels of the preview, from ``draft`` where that returns one."""
    image = Image.open(io.BytesIO(data))
    image.draft(None, (1, 1))
    if calls.is_preview(image):
        return image.mode, image.size, image.tobytes()
    if calls.parse_file(data).preview is None:
        return "no preview", (0, 0), b""
    rgb, alpha = calls.file_preview(data)  # ``draft`` decodes a picture of a few pixels in full
    pixels = rgb if alpha is None else np.concatenate([rgb, alpha[:, :, None]], axis=2)
    return "preview", (rgb.shape[1], rgb.shape[0]), pixels.tobytes()


def thumbnail(data: bytes) -> str:
    image = Image.open(io.BytesIO(data))
    image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.NEAREST)
    return f"{image.mode} {image.size[0]} x {image.size[1]}, {short(image.tobytes())}"


def verified(data: bytes) -> str:
    Image.open(io.BytesIO(data)).verify()
    return "sound"


def loaded(data: bytes) -> str:
    Image.open(io.BytesIO(data)).load()
    return "loads"


def reading(data: bytes) -> dict[str, Any]:
    """What a golden file contains."""
    image = Image.open(io.BytesIO(data))
    mode, size, pixels = small_picture(data)
    codes = calls.file_codes(data)
    found: dict[str, Any] = {
        "size": list(image.size),
        "mode": image.mode,
        "info": info_of(image),
        "codes": f"{' x '.join(map(str, codes.shape))}, {short(codes.tobytes())}",
        "preview": f"{mode} {size[0]} x {size[1]}, {short(pixels)}",
        "verify": said(lambda: verified(data)),
    }
    if mode != "preview" and max(image.size) > THUMBNAIL:  # smaller ones would be decoded in full
        found["thumbnail"] = thumbnail(data)
    if image.info["fingerprint"] != calls.shipped_fingerprint():
        found["load"] = said(lambda: loaded(data))  # there is no such model: it fails
    return found


def readings() -> Iterator[tuple[str, Any]]:
    for name, data in golden_files().items():
        yield name, reading(data)


def truncated() -> Iterator[tuple[str, Any]]:
    """Files of several layers, cut after a layer or in the last one, and opened with ``LOAD_TRUNCATED_IMAGES``."""
    before = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        for name, data in golden_files().items():
            ends = [end + 4 for kind, _, end in file_bytes.sections(data) if kind == file_bytes.LAYER]
            for length in {*ends[:-1], ends[-1] - 1} if len(ends) > 1 else ():
                yield f"{name}, cut to {length}", said(partial(described, data[:length]))
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def described(data: bytes) -> str:
    image = Image.open(io.BytesIO(data))
    image.draft(None, (1, 1))
    if not calls.is_preview(image):
        return f"{image.info['layers']} layers"
    return f"{image.info['layers']} layers, {short(image.tobytes())}"
