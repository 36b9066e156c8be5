"""Which of the colour spaces that the header can name an ICC profile is: by what it does, not by its bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pillow_sdz.plugin.colour.profile import SAMPLES, read_profile
from pillow_sdz.plugin.colour.spaces import FIXED, SPACES

if TYPE_CHECKING:
    from pillow_sdz.plugin.colour.profile import MatrixProfile
    from pillow_sdz.plugin.colour.spaces import Space

COLORANT_TOLERANCE: Final = 0.0003
"""Largest difference of X, Y or Z of a colorant, where white has Y = 1: one level of 8-bit sRGB where its curve is
steepest. The usual builds of a profile differ by 0.0002."""

LIGHTNESS_TOLERANCE: Final = 0.25
"""Largest difference of a tone curve in CIE lightness L*, from 0 to 100, at the samples of 8 bits: less than one level
of sRGB. The coarsest of the usual tables differ by 0.21."""


def lightness(light: float) -> float:
    """CIE 1976 lightness L*, from 0 to 100, of linear light from 0 to 1 (ISO/CIE 11664-4)."""
    return 116 * light ** (1 / 3) - 16 if light > (6 / 29) ** 3 else light * (29 / 3) ** 3


def recognise(data: bytes) -> str | None:
    """The name of the colour space that a profile describes, within the tolerances above.

    Args:
        data: an ICC profile, or any bytes.

    Returns:
        One of `pillow_sdz.container.colour_spaces.COLOUR_SPACES`; None if it is none of them, or cannot be read.
    """
    profile = read_profile(data)
    if profile is None:
        return None
    return next((name for name, space in SPACES.items() if _is(profile, space)), None)


def _is(profile: MatrixProfile, space: Space) -> bool:
    if profile.cicp is not None and profile.cicp not in space.cicp:
        return False
    if (profile.colorants is None) != (space.colorants is None):
        return False
    for found, wanted in zip(profile.colorants or (), space.colorants or (), strict=True):
        if any(abs(a - b) > COLORANT_TOLERANCE * FIXED for a, b in zip(found, wanted, strict=True)):
            return False
    targets = [lightness(space.curve(number / (SAMPLES - 1))) for number in range(SAMPLES)]
    return all(
        abs(lightness(value) - target) <= LIGHTNESS_TOLERANCE
        for curve in set(profile.curves)
        for value, target in zip(curve, targets, strict=True)
    )
