"""Limits of the format and of this implementation, checked before memory is allocated; and checks of numbers.

A host program may change the constants that are not Final, because they are read at each use:
``pillow_sdz.limits.MAX_PIXELS = 50_000_000``. The Final ones are part of the format.
"""

from __future__ import annotations

import numbers
import operator
from typing import Any, Final, TypeGuard

from pillow_sdz.errors import SdzLimitError, SdzOptionError

MAX_SIDE: Final = 65535
"""Largest picture width and height in pixels: the fields are unsigned 16-bit numbers."""

MAX_PIXELS = 268_435_456
"""Most pixels of a picture: 2**28, which is also the default of libavif's --size-limit. As RGB they take 768 MiB."""

MAX_LATENT_VALUES = 268_435_456
"""Most latent values (latent width x latent height x channels): one per pixel of the largest picture. With the usual
factor 8 and 4 channels `MAX_PIXELS` is reached first; this limit is for small factors and many channels."""

MAX_LAYERS: Final = 8
"""Most layers of a file. The sum of their codes and residuals (-128 to 127) fits a signed 16-bit number."""

MAX_CHANNELS: Final = 64
"""Most latent channels; enough for the autoencoders in use (4, 16, 32) with room to spare."""

FACTORS: Final = (1, 2, 4, 8, 16, 32, 64)
"""Downsampling factors between picture and latent, powers of two: those of stacks of 2x2 downsampling layers."""

MIN_ENTRIES: Final = 2
"""Fewest palette entries: with a single one there would be no bits in the index plane."""

MAX_ENTRIES: Final = 4096
"""Most palette entries, so that an index takes at most 12 bits."""

MIN_STEP: Final = 16
"""Smallest quantiser step of a scalar payload, in sixteenths of a code: one code, as precise as direct codes."""

MAX_STEP: Final = 2048
"""Largest quantiser step of a scalar payload, in sixteenths of a code: 128 codes, half the range of codes."""

MAX_SCALAR_VALUES: Final = 1 << 25
"""Most latent values of a scalar payload. It bounds decoding time, which the size of a file does not: a value can take
a thousandth of a bit. With factor 8 and 8 channels it admits the largest picture."""

MAX_CONTEXT_INDICES: Final = 1 << 22
"""Most indices of a plane in index coding 2: those of a picture of 2**28 pixels at factor 8. An empty stream can be
valid, so this limit and the next one bound the decoding time of a small hostile file."""

MAX_CONTEXT_FREQUENCIES: Final = 1 << 31
"""Most frequencies that a decoder computes for all layers of a file that use index coding 2: for each index of a layer,
one per entry of its context model (at most 1,024). As many as this take about a minute. A plane with the most indices
may have 512 entries."""

MAX_AV1_SIDE: Final = 32768
"""Longest side of a picture coded as AV1: the limit of libavif, which Pillow decodes with, though AV1 has 65536."""

MAX_WEBP_SIDE: Final = 16383
"""Longest side of a picture coded as VP8 or VP8L: their sizes have 14 bits, and libwebp takes no more than this."""

MAX_PATCHES: Final = 1024
"""Most patches of a file. A page of text has some hundreds of words, and neighbouring ones share a rectangle."""

MAX_SHEET_SIDE: Final = 16376
"""Longest side of the sheet of patches in pixels: the most cells of 8 pixels that all codings can hold."""

MAX_SPARE_CELLS: Final = 64
"""By how many cells the sheet of patches may be larger than twice their area: the work stays in proportion to it."""

MAX_FILE_BYTES = 1 << 30
"""Largest file that is read, in bytes: twice the uncompressed size of alpha and direct codes of the largest picture."""

MAX_UNASKED_STEPS = 50
"""Most U-Net steps that the header of a file can cause: its field goes up to 255, and every step takes the same time.
The setting ``denoise_steps`` of decoding is not limited by this."""

MAX_SECTION_BYTES: Final = (1 << 28) - 1
"""Longest section body in bytes: its length is a varint of at most four bytes, seven bits each."""

MAX_METADATA_BYTES = 16 * 1024 * 1024
"""Most bytes of ICC, EXIF, XMP or text, inflated: far more than is usual, and still little memory."""

MAX_TEXT_ENTRIES = 1024
"""Most text entries: as Python objects, entries take far more memory than their bytes in the file."""

MAX_TEXT_KEY_BYTES: Final = 255
"""Longest key of a text entry in UTF-8 bytes: its length is an unsigned 8-bit number."""


def is_whole(value: Any, low: int, high: int) -> TypeGuard[int]:
    """Whether a value is an int (and not a bool, nor a float that happens to be whole) from ``low`` to ``high``."""
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def is_real(value: Any, low: float, high: float) -> TypeGuard[float]:
    """Whether a value is an int or a float (and not a bool or not-a-number) from ``low`` to ``high``."""
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def whole(field: str, value: object, low: int, high: int, unit: str = "") -> int:
    """Check an option that is a whole number of any integer type (numpy's too, but not a bool, a float or a string).

    >>> whole("quality", 101, 0, 100)
    Traceback (most recent call last):
    ...
    pillow_sdz.errors.SdzOptionError: quality: is out of range (found 101, expected a whole number from 0 to 100)

    Raises:
        SdzOptionError: another type, or out of range.
    """
    expected = f"a whole number from {low} to {high}{unit}"
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise SdzOptionError("is not a whole number", field=field, found=repr(value), expected=expected) from None
    if isinstance(value, bool):
        raise SdzOptionError("is not a whole number", field=field, found=value, expected=expected)
    if not is_whole(number, low, high):
        raise SdzOptionError("is out of range", field=field, found=number, expected=expected)
    return number


def real(field: str, value: object, low: float, high: float, unit: str = "") -> float:
    """Check an option that is a number of any real type (numpy's too, but not a bool, a string or not-a-number).

    >>> real("step", 0.5, 1.0, 128.0, " codes")
    Traceback (most recent call last):
    ...
    pillow_sdz.errors.SdzOptionError: step: is out of range (found 0.5, expected a number from 1.0 to 128.0 codes)

    Raises:
        SdzOptionError: another type, or out of range.
    """
    expected = f"a number from {low} to {high}{unit}"
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise SdzOptionError("is not a number", field=field, found=repr(value), expected=expected)
    number = float(value)
    if not is_real(number, low, high):
        raise SdzOptionError("is out of range", field=field, found=number, expected=expected)
    return number


def check_picture(width: int, height: int) -> None:
    """Check a picture size, in pixels, against `MAX_SIDE` and `MAX_PIXELS`.

    Raises:
        SdzLimitError: a side is zero or too long, or the area is too large.
    """
    for field, side in (("width", width), ("height", height)):
        if not 1 <= side <= MAX_SIDE:
            raise SdzLimitError(
                "the format cannot hold this size",
                field=field,
                found=side,
                expected=f"1 to {MAX_SIDE} pixels",
            )
    if width * height > MAX_PIXELS:
        raise SdzLimitError(
            "the picture is too large",
            field="width x height",
            found=f"{width} x {height} = {width * height}",
            expected=f"at most {MAX_PIXELS} pixels",
            remedy="raise pillow_sdz.limits.MAX_PIXELS if you trust the file",
        )
