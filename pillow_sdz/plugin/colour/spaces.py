"""The colour spaces that the header can name: colorants and tone curves, as `spec/sdz.md` specifies them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FIXED: Final = 65536
"""One, as a number of type s15Fixed16 of ICC profiles."""

D50: Final = (0xF6D6, 0x10000, 0xD32D)
"""White of the profile connection space (ICC.1:2022, 7.2.16): X, Y, Z in 65536ths."""

D65_TO_D50: Final = (
    (0x10C42, 0x05DE, -0x0CDB), (0x0793, 0xFD90, -0x045F), (-0x025E, 0x03DC, 0xC06E),
)  # fmt: skip
"""Bradford's chromatic adaptation from the white of all these spaces, D65 (x 0.3127, y 0.3290), in 65536ths."""


@dataclass(frozen=True)
class Curve:
    """A tone curve from a sample v to linear light, both from 0 to 1 (type 3 of ICC.1:2022, 10.18).

    It is (scale * v + offset) ** gamma from ``start`` on, and slope * v below. In 65536ths, as profiles have them.
    """

    gamma: int
    scale: int = FIXED
    offset: int = 0
    slope: int = 0
    start: int = 0

    def __call__(self, sample: float) -> float:
        """The linear light of a sample from 0 to 1."""
        if sample < self.start / FIXED:
            return sample * self.slope / FIXED
        return float(((sample * self.scale + self.offset) / FIXED) ** (self.gamma / FIXED))


@dataclass(frozen=True)
class Space:
    """One colour space.

    Attributes:
        curve: tone curve, the same for all channels.
        colorants: X, Y, Z of red, green and blue, adapted to D50, in 65536ths; None for grey. They add up to `D50`.
        cicp: pairs of colour primaries and transfer characteristics (ITU-T H.273) that a profile's cicp tag may name.
    """

    curve: Curve
    colorants: tuple[tuple[int, int, int], ...] | None = None
    cicp: frozenset[tuple[int, int]] = frozenset()


_SRGB_CURVE: Final = Curve(0x26666, 0xF2A7, 0x0D59, 0x13D0, 0x0A5B)
"""IEC 61966-2-1: gamma 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045."""

_REC_2020_CURVE: Final = Curve(0x238E4, 0xE8E0, 0x1720, 0x38E4, 0x14DA)
"""The inverse of the curve of ITU-R BT.2020: gamma 1 / 0.45, 1 / 1.0993, 0.0993 / 1.0993, 1 / 4.5, 4.5 * 0.0181."""

_ADOBE_CURVE: Final = Curve(0x23300)
"""Adobe RGB (1998) Color Image Encoding, 4.3.1.2: gamma 563 / 256."""

SPACES: Final = {
    "sRGB": Space(
        _SRGB_CURVE,
        ((0x6FA0, 0x38F5, 0x0390), (0x6297, 0xB787, 0x18DA), (0x249F, 0x0F84, 0xB6C3)),
        frozenset({(1, 13)}),
    ),
    "Display P3": Space(
        _SRGB_CURVE,
        ((0x83DF, 0x3DBF, -0x0045), (0x4ABF, 0xB136, 0x0AB9), (0x2838, 0x110B, 0xC8B9)),
        frozenset({(12, 13)}),
    ),
    "Adobe RGB (1998)": Space(
        _ADOBE_CURVE,
        ((0x9C18, 0x4FA5, 0x04FC), (0x348D, 0xA02C, 0x0F95), (0x2631, 0x102F, 0xBE9C)),
    ),
    "Rec. 2020": Space(
        _REC_2020_CURVE,
        ((0xAC69, 0x476F, -0x007F), (0x2A6A, 0xACE4, 0x07AD), (0x2003, 0x0BAD, 0xCBFF)),
        frozenset({(9, 1), (9, 14), (9, 15)}),
    ),
    "grey gamma 2.2": Space(_ADOBE_CURVE),
    "grey sRGB": Space(_SRGB_CURVE),
}  # fmt: skip
"""Name, as in `pillow_sdz.container.colour_spaces.COLOUR_SPACES` -> colour space."""
