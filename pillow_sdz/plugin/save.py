"""Pillow's side of saving: one frame, with options and metadata, to bytes, which are written once complete."""

from __future__ import annotations

import dataclasses
import io
import os
from typing import IO, TYPE_CHECKING, Any, Final

from pillow_sdz.errors import notice

if TYPE_CHECKING:
    from PIL import Image

    from pillow_sdz.plugin.info import Metadata

ICC_SPACES: Final = {"L": (b"GRAY", b"RGB "), "LA": (b"GRAY", b"RGB "), "RGB": (b"RGB ",), "RGBA": (b"RGB ",)}
"""Colour spaces (bytes 16 to 19 of a profile, ICC.1:2022 7.2.6) that can describe pixels of each stored mode."""

ICC_ANY_SPACE: Final = (b"GRAY", b"RGB ", b"CMYK", b"Lab ", b"HSV ", b"YCbr", b"XYZ ", b"CMY ", b"Luv ")


def save(image: Image.Image, stream: IO[bytes], filename: str | bytes) -> None:
    """Save an image: what Pillow calls for ``image.save``. Nothing is written before all bytes are there.

    Raises:
        SdzError: an option is wrong, the model is missing, or the image cannot be stored.
        OSError: writing failed.
    """
    from pillow_sdz.errors import SdzError, SdzOptionError

    file = os.fsdecode(filename) or None
    keywords: dict[str, Any] = dict(image.encoderinfo)
    try:
        if any(True for _ in keywords.get("append_images") or ()):
            problem = "the format holds one picture only"
            raise SdzOptionError(problem, field="append_images", remedy="save one file each")
        data = encode_image(image, keywords, file)
    except SdzError as error:
        if error.file is None and file is not None:
            raise error.with_file(file) from error
        raise
    write_all(stream, data, file)


def save_all(image: Image.Image, stream: IO[bytes], filename: str | bytes) -> None:
    """Save with ``save_all=True``: the same, but an image of several frames is refused instead of losing all but one.

    Raises:
        SdzOptionError: there is more than one frame.
    """
    from pillow_sdz.errors import SdzOptionError

    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise SdzOptionError(
            "the format holds one picture only",
            file=os.fsdecode(filename) or None,
            field="save_all",
            found=f"{frames} frames",
            remedy="save without save_all to store the current frame",
        )
    save(image, stream, filename)


def encode_image(image: Image.Image, keywords: dict[str, Any], file: str | None) -> bytes:
    """Encode an image with the keywords of ``image.save``; returns the bytes of a file."""
    from pillow_sdz.errors import needs_model_packages
    from pillow_sdz.options import save_options
    from pillow_sdz.plugin.info import descriptive
    from pillow_sdz.plugin.pixels import to_planes

    if image.format == "TIFF" and "exif" not in keywords and "exif" not in image.info:  # where other readers put it
        keywords = keywords | {"exif": descriptive(image.getexif())}
    options, metadata = save_options(keywords, image.info)
    planes = to_planes(image)
    if options.profile is not None:
        from pillow_sdz.codec.buehlmann2022 import fit

        planes = fit(planes)
    if "icc_profile" not in keywords:
        metadata = _without_foreign_profile(metadata, image.mode, planes.mode)
    with needs_model_packages("encoding the picture", file):
        from pillow_sdz.codec import encode as encoder

        return encoder.encode(planes.rgb, planes.alpha, planes.mode, options, metadata)


def _without_foreign_profile(metadata: Metadata, mode: str, stored: str) -> Metadata:
    """Drop a profile that describes the pixels before their conversion, such as that of a CMYK picture."""
    space = (metadata.icc or b"")[16:20]
    if space not in ICC_ANY_SPACE or space in ICC_SPACES[stored]:
        return metadata
    notice(f"the ICC profile was dropped: it describes {space.decode().strip()}, and mode {mode} is stored as {stored}")
    return dataclasses.replace(metadata, icc=None)


def write_all(stream: IO[bytes], data: bytes, file: str | None) -> None:
    """Write all bytes, past the buffer where there is one: with nothing left in it, a full disk shows here, and Pillow
    can close and remove the file. (Closing would try to write the rest again, and fail before the file is removed.)

    Raises:
        OSError: writing failed; the error names the file.
    """
    try:
        if isinstance(stream, io.BufferedWriter | io.BufferedRandom) and stream.seekable():
            stream.flush()
            _write_pieces(stream.raw, data)
            stream.seek(stream.raw.tell())
        else:
            _write_pieces(stream, data)
            if hasattr(stream, "flush"):
                stream.flush()
    except OSError as error:
        if error.filename is None and file is not None:
            error.filename = file
        raise


def _write_pieces(stream: IO[bytes] | io.RawIOBase, data: bytes) -> None:
    """Write until a stream that takes only a part at a time has taken all. (Some streams return nothing: all of it.)"""
    written = stream.write(data)
    while isinstance(written, int) and written < len(data):
        data = data[written:]
        written = stream.write(data)
