"""What a file says about its own error: the sections ``error`` (figures) and ``error map`` (where it differs).

The figures are fixed-point numbers, so none of them can be infinite or not a number. Nothing here decodes a picture:
`pillow_sdz.codec.measure` measures, and a reader that wants to know whether the figures are true measures again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from construct import Int8ul, Int16sl, Int16ul, Struct

from pillow_sdz.coding.boxes import build_box, parse_box
from pillow_sdz.coding.planes import decode_planes, encode_planes
from pillow_sdz.errors import NEEDS_NEWER_VERSION, SdzFormatError, SdzVersionError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ERROR: Final = Struct(
    "psnr" / Int16ul,
    "ms_ssim" / Int16ul,
    "ssimulacra2" / Int16sl,
    "synthesised" / Int8ul,
    "patched" / Int8ul,
    "whole" / Int8ul,
)
"""Body of the error section. Decibels and SSIMULACRA 2 in hundredths, shares in percent."""

HIGHEST_DB: Final = 100.0
"""Upper limit in dB of PSNR, and of MS-SSIM in decibels: that of the same pictures, which is infinite. Others are at
most 99.99 dB."""

_ABSENT: Final = 0xFFFF
_ABSENT_SSIMULACRA2: Final = -0x8000
_HIGHEST: Final = 10000

MAP_CELLS: Final = 4096
"""Most cells of an error map: as many as 2048 x 2048 pixels have of the smallest ones."""

SMALLEST_CELL: Final = 32
"""Smallest side of a cell of an error map, in pixels."""

HIGHEST_LEVEL: Final = 15
"""Highest level of an error map, see `level_of_square`."""


@dataclass(frozen=True)
class StoredError:
    """What the encoder measured on the picture as it decoded it, before alpha.

    Attributes:
        psnr: peak signal-to-noise ratio over all RGB values in dB, 0 to 100 (`HIGHEST_DB`); None if not measured.
        ms_ssim: MS-SSIM, 0 to 1; None if not measured, as for a picture of less than 161 pixels on a side.
        ssimulacra2: SSIMULACRA 2, -327.67 to 100; None if not measured.
        synthesised: share of the area that a model decodes from a latent, so that its detail may be invented, 0 to 1.
        patched: share of the area that patches cover, 0 to 1.
        whole: share of the area that is stored as pixels, 0 to 1: all of it or nothing.
    """

    psnr: float | None
    ms_ssim: float | None
    ssimulacra2: float | None
    synthesised: float
    patched: float
    whole: float


def to_decibels(ms_ssim: float) -> float:
    """MS-SSIM in decibels, -10 log10(1 - MS-SSIM), which spreads the values near 1; at most `HIGHEST_DB`.

    >>> to_decibels(0.99), to_decibels(1.0)
    (20.0, 100.0)
    """
    return HIGHEST_DB if ms_ssim >= 1 else min(HIGHEST_DB, round(-10 * math.log10(1 - ms_ssim), 9))


def build_error(error: StoredError) -> bytes:
    """The body of the error section.

    Args:
        error: numbers in their ranges; finite ones beyond them are brought to the nearest that can be stored.
    """
    exact = error.ms_ssim is not None and error.ms_ssim >= 1
    decibels = None if error.ms_ssim is None else to_decibels(max(0.0, error.ms_ssim))
    patched, whole = _percent(error.patched), _percent(error.whole)
    synthesised = min(_percent(error.synthesised), 100 - patched - whole)  # rounding must not add up to more
    score = _ABSENT_SSIMULACRA2
    if error.ssimulacra2 is not None:
        score = max(_ABSENT_SSIMULACRA2 + 1, min(_HIGHEST, round(100 * error.ssimulacra2)))
    return build_box(
        ERROR,
        psnr=_hundredths(error.psnr, exact=error.psnr == HIGHEST_DB),
        ms_ssim=_hundredths(decibels, exact=exact),
        ssimulacra2=score,
        synthesised=synthesised,
        patched=patched,
        whole=whole,
    )


def parse_error(body: bytes) -> StoredError:
    """Undo `build_error`.

    Raises:
        SdzFormatError: another length, or shares of more than the whole area.
        SdzVersionError: a reserved value.
    """
    if len(body) != ERROR.sizeof():
        raise SdzFormatError(
            "has the wrong length", field="error", found=f"{len(body)} bytes", expected=f"{ERROR.sizeof()} bytes"
        )
    box = parse_box(ERROR, body, 0, field="error")
    for name, absent in (("psnr", _ABSENT), ("ms_ssim", _ABSENT), ("ssimulacra2", _ABSENT_SSIMULACRA2)):
        value = getattr(box, name)
        if value > _HIGHEST and value != absent:
            expected = f"at most {_HIGHEST}, or {absent} for none"
            raise SdzVersionError(NEEDS_NEWER_VERSION, field=f"error {name}", found=value, expected=expected)
    total = box.synthesised + box.patched + box.whole
    if total > 100:
        raise SdzFormatError("the shares are too large", field="error", found=f"{total} %", expected="at most 100 %")
    return StoredError(
        psnr=None if box.psnr == _ABSENT else box.psnr / 100,
        ms_ssim=None if box.ms_ssim == _ABSENT else _from_decibels(box.ms_ssim),
        ssimulacra2=None if box.ssimulacra2 == _ABSENT_SSIMULACRA2 else box.ssimulacra2 / 100,
        synthesised=box.synthesised / 100,
        patched=box.patched / 100,
        whole=box.whole / 100,
    )


def cell_side(width: int, height: int) -> int:
    """Side in pixels of the cells of a picture's error map: the smallest of 32, 64, 128, .. with at most `MAP_CELLS`.

    >>> cell_side(512, 512), cell_side(6000, 4000)
    (32, 128)
    """
    side = SMALLEST_CELL
    while -(-width // side) * -(-height // side) > MAP_CELLS:
        side *= 2
    return side


def map_shape(width: int, height: int) -> tuple[int, int]:
    """Rows and columns of the error map of a picture of a size in pixels."""
    side = cell_side(width, height)
    return -(-height // side), -(-width // side)


def level_of_square(square: int) -> int:
    """The level of a cell: the number of binary digits of its mean square difference, at most `HIGHEST_LEVEL`.

    So the root mean square of level n > 0 is from 2^((n - 1) / 2) up to 2^(n / 2); level 0 is less than 1.

    Args:
        square: mean square difference of a cell's RGB values, rounded down.

    >>> [level_of_square(rms**2) for rms in (0, 1, 2, 8, 100, 255)]
    [0, 1, 3, 7, 14, 15]
    """
    return min(HIGHEST_LEVEL, square.bit_length())


def build_error_map(levels: NDArray[np.uint8]) -> bytes:
    """The body of the error map section.

    Args:
        levels: (rows, columns) of `map_shape`, 0 to `HIGHEST_LEVEL`.
    """
    return encode_planes(levels[None], effort=7)


def parse_error_map(body: bytes, width: int, height: int) -> NDArray[np.uint8]:
    """Undo `build_error_map`.

    Args:
        body: the body.
        width: picture width in pixels, from the checked header.
        height: picture height in pixels, from the checked header.

    Returns:
        (rows, columns) of `map_shape`, 0 to `HIGHEST_LEVEL`.

    Raises:
        SdzFormatError: the body does not give exactly one map of this size.
        SdzVersionError: a reserved coding or level.
    """
    levels: NDArray[np.uint8] = decode_planes(body, (1, *map_shape(width, height)), field="error map")[0]
    highest = int(levels.max())
    if highest > HIGHEST_LEVEL:
        raise SdzVersionError(
            NEEDS_NEWER_VERSION, field="error map level", found=highest, expected=f"0 to {HIGHEST_LEVEL}"
        )
    return levels


def _hundredths(decibels: float | None, *, exact: bool) -> int:
    """A number of decibels as it is stored."""
    if decibels is None:
        return _ABSENT
    return _HIGHEST if exact else max(0, min(_HIGHEST - 1, round(100 * decibels)))


def _from_decibels(hundredths: int) -> float:
    """Undo `to_decibels`; rounded to digits that are the same on every machine, and enough for 99.99 dB."""
    return 1.0 if hundredths == _HIGHEST else round(1 - 10 ** (-hundredths / 1000), 13)


def _percent(share: float) -> int:
    """A share in percent: 0 is nothing at all, and 100 is everything, whatever rounding says."""
    if share in (0, 1):
        return int(100 * share)
    return max(1, min(99, round(100 * share)))
