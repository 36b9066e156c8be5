"""The thumbnail of a file: its colours from the preview or the whole picture, with alpha, upright, in a size asked for.

Colours and alpha are scaled apart: what is transparent has colours that continue those around it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pillow_sdz.codec.box_mean import box_mean
from pillow_sdz.codec.preview import MOST_ENLARGED, has_preview, preview_rgb, preview_scale, stride_for
from pillow_sdz.container.orientation import orientation_of
from pillow_sdz.errors import SdzDependencyError, SdzFormatError, SdzLimitError, SdzModelError
from pillow_sdz.integrations.desktop import system_codecs
from pillow_sdz.integrations.desktop.resample import resize
from pillow_sdz.payloads.pixels.payload import StoredPixels
from pillow_sdz.payloads.preview_networks import STRIDES
from pillow_sdz.plugin.colour.build import profile_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from pillow_sdz.codec.file import SdzFile

MOST_PIXELS: Final = 1 << 24
"""Larger pictures are not decoded by their model for a thumbnail: it would take longer than 10 s on many machines.
Stored pixels, which need no model, are always decoded in full."""

_REDUCING_GAP: Final = 2
"""Pictures are reduced by a whole number first, to at least so many times the size asked for."""

_LUMA: Final = (19595, 38470, 7471)
"""Luma of ITU-R BT.601 in 65536ths, as Pillow rounds it."""


@dataclass(frozen=True)
class Thumbnail:
    """A thumbnail.

    Attributes:
        pixels: (h, w, C); C is 1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGBA).
        profile: the ICC profile of the pixels, or None.
        source: what it was made from, in words.
    """

    pixels: NDArray[np.uint8]
    profile: bytes | None
    source: str


def thumbnail(file: SdzFile, size: int, decode_fully: Callable[[SdzFile], NDArray[np.uint8]] | None) -> Thumbnail:
    """Make a thumbnail.

    Args:
        file: the file.
        size: the longest side, in pixels. Smaller pictures keep their size.
        decode_fully: decodes the colours (H, W, 3) of the whole picture, where no preview is large enough. If it
            fails, or is None, the finest preview is enlarged.

    Raises:
        SdzError: the file is damaged or beyond limits; or it has no preview, and its model is missing.
        Exception: what `decode_fully` raised, for a file without a preview.
    """
    header = file.header
    metadata = file.metadata()
    shrunk = min(1.0, size / max(header.width, header.height))
    width, height = (max(1, round(side * shrunk)) for side in (header.width, header.height))
    alpha = file.alpha()  # first: it is cheap, and shows damage
    rgb, scale, source = _colours(file, max(width, height), decode_fully)
    colours = _scaled(rgb, (header.width / scale, header.height / scale), width, height)
    planes = [_grey(colours) if header.mode.startswith("L") else colours]
    if alpha is not None:
        planes.append(_scaled(alpha[..., None], (header.width, header.height), width, height))
    profile = metadata.icc or (None if metadata.colour_space is None else profile_of(metadata.colour_space))
    return Thumbnail(upright(np.concatenate(planes, axis=2), orientation_of(metadata) or 1), profile, source)


def _colours(
    file: SdzFile, longest: int, decode_fully: Callable[[SdzFile], NDArray[np.uint8]] | None
) -> tuple[NDArray[np.uint8], int, str]:
    """Colours (h, w, 3), how many of the picture's pixels one of theirs is wide, and what they are, in words."""
    if not file.needs_model:
        return _stored_pixels(file), 1, "the stored pixels"
    has_any = has_preview(file)
    stride = stride_for(file, longest, longest, MOST_ENLARGED) if has_any else None
    failure = ""
    if stride is None and decode_fully is not None and (file.header.width * file.header.height <= MOST_PIXELS):
        try:
            return decode_fully(file), 1, "the decoded picture"
        except (SdzFormatError, SdzLimitError):
            raise
        except Exception as error:  # a missing model, too little memory, a broken library: the preview needs none of it
            if not has_any:
                raise
            failure = f" ({str(error) or type(error).__name__})"
    if not has_any:
        raise SdzModelError(
            "the file has no preview, and its model is not there", field="model fingerprint",
            found=file.header.fingerprint.hex(),
        )  # fmt: skip
    words = "the preview" if stride is not None else f"the preview, enlarged{failure}"
    stride = stride or STRIDES[0]
    return preview_rgb(file, stride), preview_scale(file, stride), words


def _stored_pixels(file: SdzFile) -> NDArray[np.uint8]:
    """The pixels (H, W, 3) of a file without a model, from Pillow or else from the system's libraries."""
    try:
        return file.codes()
    except SdzDependencyError:
        assert isinstance(file.payload, StoredPixels)
        return system_codecs.decode(file.payload.whole_file(), file.header.width, file.header.height)


def _scaled(pixels: NDArray[np.uint8], shown: tuple[float, float], width: int, height: int) -> NDArray[np.uint8]:
    """Scale the part of a picture (H, W, C) with a width and height of ``shown`` pixels."""
    side = max(1, int(min(shown[0] / width, shown[1] / height) / _REDUCING_GAP))
    return resize(box_mean(pixels, side), width, height, (shown[0] / side, shown[1] / side))


def _grey(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Luma, (h, w, 1)."""
    luma = (rgb.astype(np.uint32) * np.array(_LUMA, np.uint32)).sum(2, keepdims=True)
    grey: NDArray[np.uint8] = ((luma + (1 << 15)) >> 16).astype(np.uint8)
    return grey


def upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Turn and mirror a picture (h, w, C) with an orientation of EXIF, 1 to 8, so that it stands upright.

    >>> upright(np.arange(6, dtype=np.uint8).reshape(2, 3, 1), 6)[..., 0].tolist()
    [[3, 0], [4, 1], [5, 2]]
    """
    if orientation in (5, 6, 7, 8):  # rows are columns
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels[:, ::-1] if orientation in (2, 3, 6, 7) else pixels
