"""What the ``rate_control`` modules of payload kinds share: the range of qualities, a target that cannot be met."""

from __future__ import annotations

import math
from typing import Final

from pillow_sdz.errors import SdzOptionError

DIRECT_QUALITY: Final = 100
"""The quality of direct codes, whatever kind was asked: nothing but the autoencoder itself loses anything."""


def check_quality(quality: int) -> None:
    """Refuse a quality outside of 0 to 100.

    Raises:
        SdzOptionError: it is.
    """
    if not 0 <= quality <= DIRECT_QUALITY:
        raise SdzOptionError("out of range", field="quality", found=quality, expected=f"0 to {DIRECT_QUALITY}")


def between(first: float, last: float, part: float) -> float:
    """The number at a part (0 to 1) of the way from first to last, in equal factors.

    >>> between(4, 16, 0.5)
    8.0
    """
    return first * math.pow(last / first, part)


def does_not_fit(target: int, smallest: int) -> SdzOptionError:
    """The error that a target size is too small, where the smallest file has ``smallest`` bytes."""
    return SdzOptionError(
        "the picture does not fit", field="target_size", found=f"{target} bytes",
        expected=f"at least {smallest} bytes",
        remedy="raise target_size, drop metadata or make the picture smaller",
    )  # fmt: skip
