"""Saving with Pillow: encode one frame, with options and metadata, to bytes, and write them once all are there.

Imports are local where they would make importing the package slow.
"""

from __future__ import annotations

import dataclasses
import io
import os
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from pillow_sdz.errors import SdzOptionError, naming_file, notice
from pillow_sdz.options import decode

if TYPE_CHECKING:
    from PIL import Image

    from pillow_sdz.container.metadata import Metadata

ICC_SPACES: Final = {"L": (b"GRAY", b"RGB "), "LA": (b"GRAY", b"RGB "), "RGB": (b"RGB ",), "RGBA": (b"RGB ",)}
"""Stored mode -> colour spaces (bytes 16 to 19 of an ICC profile, ICC.1:2022 7.2.6) that can describe its pixels."""

ICC_ANY_SPACE: Final = (b"GRAY", b"RGB ", b"CMYK", b"Lab ", b"HSV ", b"YCbr", b"XYZ ", b"CMY ", b"Luv ")
"""Colour spaces that are recognised; a profile with another one is kept as it is."""


def save(image: Image.Image, stream: IO[bytes], filename: str | bytes) -> None:
    """Save an image; Pillow calls this for ``image.save``. Nothing is written before all bytes are there.

    Raises:
        SdzError: an option is wrong, the model is missing, or the image cannot be stored.
        OSError: writing failed.
    """
    file = os.fsdecode(filename) or None
    with naming_file(file):
        data = encode_image(image, dict(image.encoderinfo))
    write_all(stream, data, file)


def save_all(image: Image.Image, stream: IO[bytes], filename: str | bytes) -> None:
    """Save an image; Pillow calls this for ``image.save`` with ``save_all=True``. Several frames are refused.

    Raises:
        SdzOptionError: the image has more than one frame.
        SdzError, OSError: as `save`.
    """
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise SdzOptionError(
            "the format holds one picture only", file=os.fsdecode(filename) or None, field="save_all",
            found=f"{frames} frames", remedy="save without save_all to store the current frame",
        )  # fmt: skip
    save(image, stream, filename)


def write(image: Image.Image, path: str | os.PathLike[str], **options: Any) -> None:
    """Save an image as .sdz, whole or not at all: an older file stays as it is until the new one is complete.

    ``image.save("old.sdz", quality=500)`` empties the old file before it fails, because Pillow opens the file before it
    encodes. This function encodes first, writes to a temporary file beside ``path``, and renames that.

    Args:
        image: any Pillow image.
        path: the file to write; its suffix does not matter.
        options: as for ``image.save``.

    Raises:
        SdzError: an option is wrong, the model is missing, or the image cannot be stored.
        OSError: writing failed.
    """
    from pillow_sdz.plugin.atomic_file import write_atomically

    image.load()
    with naming_file(os.fspath(path)):
        data = encode_image(image, options)
    write_atomically(Path(path), data)


def encode_image(image: Image.Image, keywords: dict[str, Any]) -> bytes:
    """Encode an image.

    Args:
        image: any Pillow image.
        keywords: those of ``image.save``.

    Returns:
        The bytes of the file.

    Raises:
        SdzError: an option is wrong, the model is missing, or the image cannot be stored.
    """
    from pillow_sdz.codec import buehlmann2022
    from pillow_sdz.codec.encode import encode
    from pillow_sdz.plugin.metadata.edits import current_info
    from pillow_sdz.plugin.metadata.levels import reduced
    from pillow_sdz.plugin.pixels import to_picture
    from pillow_sdz.plugin.save_keywords import METADATA, save_options

    if any(True for _ in keywords.get("append_images") or ()):
        problem = "the format holds one picture only"
        raise SdzOptionError(problem, field="append_images", remedy="save one file each")
    options, metadata = save_options(keywords, current_info(image))
    picture = to_picture(image)
    if options.profile is not None:
        picture = buehlmann2022.to_square(picture)
    if "icc_profile" not in keywords:
        metadata = _without_foreign_profile(metadata, image.mode, picture.mode)
    given = [kind for name, kind in METADATA.items() if name in keywords]
    metadata = reduced(metadata, options.metadata, picture.mode, given)
    return encode(picture, options, metadata, decode.compute_settings())


def _without_foreign_profile(metadata: Metadata, mode: str, stored: str) -> Metadata:
    """The metadata without an ICC profile that does not fit the stored mode, as that of a CMYK picture saved as RGB.

    Args:
        metadata: what is about to be stored.
        mode: of the image, for the warning.
        stored: the mode that is stored.
    """
    space = (metadata.icc or b"")[16:20]
    if space not in ICC_ANY_SPACE or space in ICC_SPACES[stored]:
        return metadata
    notice(f"the ICC profile was dropped: it describes {space.decode().strip()}, and mode {mode} is stored as {stored}")
    return dataclasses.replace(metadata, icc=None)


def write_all(stream: IO[bytes], data: bytes, file: str | None) -> None:
    """Write all bytes, directly to the unbuffered stream where there is one.

    So a full disk raises its error here, and nothing is left in the buffer. Otherwise closing the file would try to
    write the rest again and fail, and Pillow would not get to remove the incomplete file.

    Args:
        stream: where to write.
        data: all bytes.
        file: name for errors, or None.

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
    """Write all bytes to a stream that may take only a part at a time. (A stream that returns None has taken all.)"""
    written = stream.write(data)
    while isinstance(written, int) and written < len(data):
        data = data[written:]
        written = stream.write(data)
