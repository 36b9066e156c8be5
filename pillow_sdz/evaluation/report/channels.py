"""One sentence for each channel of a latent: which property of the picture it follows in this picture.

The properties are coefficients of the picture's blocks (one block per latent position): means of brightness and of the
two colour differences, slopes and curvatures of brightness as a discrete cosine transform has them, and how much detail
there is. A channel is described by the property with the largest correlation.
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
"""Correlation from which a channel is said to be this property."""

FAINT: Final = 0.25
"""Correlation below which a channel is said to follow none."""


@dataclass(frozen=True)
class Channel:
    """What a channel holds.

    Attributes:
        number: from 1.
        mean, deviation: of its codes (0 to 255; 127.5 stands for a latent of zero).
        follows: the property that it follows most, a key of `WORDS`; empty where it is constant.
        correlation: with that property, -1 to 1.
        tile: its codes in grey, stretched to what they use, one pixel per latent position.
        bits: what its values cost in this file, in bits per pixel; None where the payload does not say.
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
        """What it holds, in words."""
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
"""Property -> where a channel that follows it is high, and where one that follows its opposite is."""


def describe(
    codes: NDArray[np.uint8], rgb: NDArray[np.uint8], factor: int, bits: NDArray[np.float64] | None
) -> tuple[Channel, ...]:
    """Describe every channel.

    Args:
        codes: (h, w, C).
        rgb: the picture, (H, W, 3).
        factor: pixels per latent position along each axis.
        bits: what each value costs, (h, w, C), or None.
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
    """Each property at every latent position, (h, w)."""
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
    """Pearson's, 0 where one of the two is constant."""
    x, y = one - one.mean(), other - other.mean()
    size = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float((x * y).sum()) / size if size > 1e-9 else 0.0
