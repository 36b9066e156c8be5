"""Hard limits, checked before anything is allocated.

The constants are read at the time of use, so a host program may lower or raise them:
``pillow_sdz.limits.MAX_PIXELS = 50_000_000``. Those that follow from the width of a field cannot usefully be raised.
"""

from __future__ import annotations

from typing import Final

from pillow_sdz.errors import SdzLimitError

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
"""Most latent values of a scalar payload: a value can cost a thousandth of a bit, so that its bytes bound no work. At
factor 8 and 8 channels this is the largest picture."""

MAX_CONTEXT_INDICES: Final = 1 << 22
"""Largest plane of index coding 2: that of a picture of 2**28 pixels at factor 8. No bytes at all can stand for a whole
plane, so that without this limit and the next one a small hostile file could keep a reader busy for hours."""

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


def check_picture(width: int, height: int, *, file: str | None = None) -> None:
    """Check a picture size, in pixels, against `MAX_SIDE` and `MAX_PIXELS`.

    Raises:
        SdzLimitError: a side is zero or too long, or the area is too large.
    """
    for field, side in (("width", width), ("height", height)):
        if not 1 <= side <= MAX_SIDE:
            raise SdzLimitError(
                "the format cannot hold this size",
                file=file,
                field=field,
                found=side,
                expected=f"1 to {MAX_SIDE} pixels",
            )
    if width * height > MAX_PIXELS:
        raise SdzLimitError(
            "the picture is too large",
            file=file,
            field="width x height",
            found=f"{width} x {height} = {width * height}",
            expected=f"at most {MAX_PIXELS} pixels",
            remedy="raise pillow_sdz.limits.MAX_PIXELS if you trust the file",
        )
