"""A sentence for each channel of a latent: which property of this picture its values follow.

The properties are numbers for each block of the picture (one block per latent position): the means of brightness and of
two colour differences, slopes and curvatures of brightness (the first coefficients of a discrete cosine transform), and
the amount of detail. A channel is described by the property with which its codes have the largest correlation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from pillow_sdz.evaluation.report.draw import code_planes

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLEAR: Final = 0.6
"""Correlation, in magnitude, from which a channel is said to follow a property."""

FAINT: Final = 0.25
"""Correlation, in magnitude, below which a channel is said to follow no property; in between it leans towards one."""


@dataclass(frozen=True)
class Channel:
    """Facts about one channel of a latent.

    Attributes:
        number: counted from 1.
        mean, deviation: mean and standard deviation of its codes (0 to 255; 127.5 stands for a latent value of zero).
        follows: the property with the largest correlation, a key of `WORDS`; empty if the channel is constant.
        correlation: with that property, -1 to 1.
        tile: its codes as a grey picture, one pixel per latent position, stretched to the full range of grey.
        bits: what its values cost in the file, in bits per pixel of the picture; None if the payload does not say.
    """

    number: int
    mean: float
    deviation: float
    follows: str
    correlation: float
    tile: Image.Image
    bits: float | None

    @property
    def sentence(self) -> str:
        """Which property it follows, in words."""
        if not self.follows:
            return "Constant in this picture: it carries nothing here."
        more, less = WORDS[self.follows]
        trend = more if self.correlation > 0 else less
        strength = abs(self.correlation)
        if strength >= CLEAR:
            return f"Follows {SUBJECT[self.follows]}: its values are high {trend}."
        if strength >= FAINT:
            return f"Leans towards {SUBJECT[self.follows]}: somewhat higher {trend}."
        return "Follows no simple property of the picture: fine structure and texture that only the decoder can read."


SUBJECT: Final = {
    "brightness": "brightness",
    "blue": "blue against yellow",
    "red": "red against green",
    "across": "upright edges",
    "down": "level edges",
    "diagonal": "slanting lines",
    "ridge across": "upright lines",
    "ridge down": "level lines",
    "detail": "the amount of detail",
}
"""Property -> its name in sentences."""

WORDS: Final = {
    "brightness": ("where the picture is bright", "where the picture is dark"),
    "blue": ("where it is bluish", "where it is yellowish"),
    "red": ("where it is reddish", "where it is greenish"),
    "across": ("where brightness falls from left to right", "where brightness rises from left to right"),
    "down": ("where brightness falls from top to bottom", "where brightness rises from top to bottom"),
    "diagonal": ("on bright lines that rise to the right", "on bright lines that fall to the right"),
    "ridge across": ("on dark upright lines", "on bright upright lines"),
    "ridge down": ("on dark level lines", "on bright level lines"),
    "detail": ("where the picture is busy", "where the picture is flat"),
}
"""Property -> where a channel has high values if its correlation is positive, and where if it is negative."""


def describe(
    codes: NDArray[np.uint8], rgb: NDArray[np.uint8], factor: int, bits: NDArray[np.float64] | None
) -> tuple[Channel, ...]:
    """Describe every channel.

    Args:
        codes: (h, w, C), 0 to 255.
        rgb: the picture, (H, W, 3).
        factor: pixels per latent position along each axis.
        bits: what each value costs in bits, (h, w, C), or None.
    """
    properties = _properties(rgb, codes.shape[:2], factor)
    channels, tiles = [], code_planes(codes)
    for index in range(codes.shape[2]):
        values = codes[:, :, index].astype(np.float64)
        found = {name: _correlation(values, plane) for name, plane in properties.items()}
        best = max(found, key=lambda name: abs(found[name]))
        cost = None if bits is None else float(bits[:, :, index].sum()) / (rgb.shape[0] * rgb.shape[1])
        mean, deviation = float(values.mean()), float(values.std())
        tile = Image.fromarray(tiles[index])
        channels.append(Channel(index + 1, mean, deviation, best if deviation else "", found[best], tile, cost))
    return tuple(channels)


def _properties(rgb: NDArray[np.uint8], shape: tuple[int, ...], factor: int) -> dict[str, NDArray[np.float64]]:
    """Property -> its values at all latent positions, (h, w).

    Args:
        rgb: the picture, (H, W, 3).
        shape: (h, w) of the latent.
        factor: pixels per latent position along each axis.
    """
    height, width = shape
    missing = (height * factor - rgb.shape[0], width * factor - rgb.shape[1])
    padded = np.pad(rgb, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge").astype(np.float32)
    red, green, blue = (padded[:, :, i].reshape(height, factor, width, factor) for i in range(3))
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    place = (np.arange(factor) + 0.5) * np.pi / factor
    slope, bend = np.cos(place), np.cos(2 * place)

    def weighted(down: NDArray[np.float64], across: NDArray[np.float64]) -> NDArray[np.float64]:
        result: NDArray[np.float64] = np.einsum("yaxb,a,b->yx", luma, down, across, optimize=True)
        return result

    flat = np.ones(factor)
    return {
        "brightness": weighted(flat, flat),
        "blue": (blue - luma).mean((1, 3)),
        "red": (red - green).mean((1, 3)),
        "across": weighted(flat, slope),
        "down": weighted(slope, flat),
        "diagonal": -weighted(slope, slope),
        "ridge across": weighted(flat, bend),
        "ridge down": weighted(bend, flat),
        "detail": luma.std((1, 3)),
    }


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Pearson's correlation coefficient; 0 if one of the two is constant."""
    x, y = one - one.mean(), other - other.mean()
    size = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float((x * y).sum()) / size if size > 1e-9 else 0.0
