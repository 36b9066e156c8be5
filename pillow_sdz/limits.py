"""Hard limits, checked before anything is allocated; and the checks of numbers that all others are made of.

The constants are read at the time of use, so a host program may lower or raise them:
``pillow_sdz.limits.MAX_PIXELS = 50_000_000``. Those that follow from the width of a field cannot usefully be raised.
"""

from __future__ import annotations

import numbers
import operator
from typing import Any, Final, TypeGuard

from pillow_sdz.errors import SdzLimitError, SdzOptionError

MAX_SIDE: Final = 65535
"""Largest picture width and height in pixels: the fields are unsigned 16-bit numbers."""

MAX_PIXELS = 268_435_456
"""Largest picture in pixels (2**28, the default of libavif's --size-limit): 768 MiB once decoded to RGB."""

MAX_LATENT_VALUES = 268_435_456
"""Largest latent in values (width x height x channels): one code per pixel of the largest picture. At the factors in
use (8, with 4 channels) the pixel limit is reached first; this one stops a small factor with many channels."""

MAX_LAYERS: Final = 8
"""Most layers of a file; with residuals of -128 to 127 the sum of all of them fits 16 bits."""

MAX_CHANNELS: Final = 64
"""Most latent channels; enough for the autoencoders in use (4, 16, 32) with room to spare."""

FACTORS: Final = (1, 2, 4, 8, 16, 32, 64)
"""Allowed downsampling factors between picture and latent: those of stacks of 2x2 stages."""

MIN_ENTRIES: Final = 2
"""Fewest palette entries: one entry would need no index plane."""

MAX_ENTRIES: Final = 4096
"""Most palette entries, so that an index takes at most 12 bits."""

MIN_STEP: Final = 16
"""Smallest step of a scalar payload, in sixteenths of a code: one code, which loses no more than direct codes do."""

MAX_STEP: Final = 2048
"""Largest step of a scalar payload, in sixteenths of a code: 128 codes, half of their range."""

MAX_SCALAR_VALUES: Final = 1 << 25
"""Most latent values of a scalar payload: a value can cost a thousandth of a bit, so that the size of a file does not
bound the time that decoding it takes. At factor 8 and 8 channels this is the largest picture."""

MAX_CONTEXT_INDICES: Final = 1 << 22
"""Largest plane of index coding 2: that of a picture of 2**28 pixels at factor 8. An empty stream can be valid, so this
limit and the next one bound the time that a small hostile file can cost."""

MAX_CONTEXT_FREQUENCIES: Final = 1 << 31
"""Most frequencies that the layers with index coding 2 of one file ask for, a plane's indices times the entries of its
context model (at most 1,024): a minute's work. One plane of the largest size may have 512 entries."""

MAX_FILE_BYTES = 1 << 30
"""Longest file that is read: twice the raw alpha and direct codes of the largest picture."""

MAX_UNASKED_STEPS = 50
"""Most U-Net steps that are taken because a file asks for them: its number may be 255, and each step costs as much as
the first. Whoever opens the file may ask for more."""

MAX_SECTION_BYTES: Final = (1 << 28) - 1
"""Longest section body: its length is a varint of at most four bytes of seven bits."""

MAX_METADATA_BYTES = 16 * 1024 * 1024
"""Largest ICC, EXIF, XMP or text body once inflated: far above real ones, small enough not to hurt."""

MAX_TEXT_ENTRIES = 1024
"""Most text entries: each is a Python object, so that a count without a limit costs far more than its bytes."""

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
