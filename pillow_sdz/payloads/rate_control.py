"""Qualities and target sizes: what the ``rate_control`` modules of the payload kinds share."""

from __future__ import annotations

import math
from typing import Final

from pillow_sdz.errors import SdzOptionError

DIRECT_QUALITY: Final = 100
"""The highest quality: every kind plans direct codes, so only the autoencoder and 8-bit rounding lose anything."""


def check_quality(quality: int) -> None:
    """Refuse a quality outside of 0 to 100.

    Raises:
        SdzOptionError: the quality is out of range.
    """
    if not 0 <= quality <= DIRECT_QUALITY:
        raise SdzOptionError("out of range", field="quality", found=quality, expected=f"0 to {DIRECT_QUALITY}")


def interpolate_geometrically(first: float, last: float, part: float) -> float:
    """Geometric interpolation: ``first`` for part 0, ``last`` for part 1, growing by a constant factor in between.

    >>> interpolate_geometrically(4, 16, 0.5)
    8.0
    """
    return first * math.pow(last / first, part)


def does_not_fit(target: int, smallest: int) -> SdzOptionError:
    """The error that not even the smallest file, of ``smallest`` bytes, fits a target size in bytes."""
    return SdzOptionError(
        "the picture does not fit", field="target_size", found=f"{target} bytes",
        expected=f"at least {smallest} bytes",
        remedy="raise target_size, drop metadata or make the picture smaller",
    )  # fmt: skip
