"""Lettering with its exact place, for the detector to learn from: signs over photos, and the words of a canvas.

Fonts are all TrueType and OpenType fonts of the system and of matplotlib. A font writes in every alphabet that it has,
so that what is learned is lettering and not Latin.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tools.train.text import FOLDERS, LETTERS

if TYPE_CHECKING:
    from numpy.random import Generator

    Colour = tuple[int, int, int]

SIZES: Final = (8, 64)
"""Font sizes in pixels, log-uniform: capitals are 0.7 of it high."""

MOST_LETTERS: Final = 400
"""Most letters of an alphabet that are used."""

ALPHABETS: Final = {"Latin": 0.52, "digits": 0.14, "Greek": 0.07, "Cyrillic": 0.09, "Japanese": 0.1, "other": 0.08}
"""Shares of the alphabets."""

RANGES: Final = {"Greek": (0x391, 0x3CE), "Cyrillic": (0x410, 0x44F), "Japanese": (0x3041, 0x30FA)}
"""Code points by which a font is known to have an alphabet."""

KANJI: Final = (0x4E00, 0x8FFF)
WITHOUT_LETTERS: Final = ("Symbol", "Emoji", "STIX", "cmex", "cmsy", "Music", "Math", "icons", "Awesome", "LastResort")
CONTRAST: Final = 45
"""Least difference of brightness between ink and paper."""


class Fonts(NamedTuple):
    """Alphabet -> (path of a font, its letters)."""

    of: dict[str, list[tuple[str, str]]]
    monospaced: list[str]


@lru_cache(maxsize=1)
def fonts() -> Fonts:
    """The fonts of this machine.

    Raises:
        SystemExit: there are none.
    """
    from fontTools.ttLib import TTFont, TTLibError
    from matplotlib import get_data_path

    folders = [*(Path(folder) for folder in FOLDERS), Path(get_data_path()) / "fonts" / "ttf"]
    inside = (path for folder in folders if folder.is_dir() for path in folder.rglob("*"))
    paths = sorted(path for path in inside if path.suffix in {".ttf", ".otf"})
    found = Fonts({name: [] for name in ALPHABETS}, [])
    for path in paths:
        if any(word in path.name for word in WITHOUT_LETTERS):
            continue
        try:
            with TTFont(path, lazy=True) as font:
                points = frozenset(font.getBestCmap() or ())
        except (TTLibError, OSError, KeyError, AssertionError):
            continue
        if {ord(letter) for letter in LETTERS} <= points:
            found.of["Latin"].append((str(path), LETTERS))
            found.of["digits"].append((str(path), "0123456789"))
            if "Mono" in path.name or "Code" in path.name or "Hack" in path.name:
                found.monospaced.append(str(path))
        for name, (first, last) in RANGES.items():
            letters = [chr(point) for point in range(first, last + 1) if point in points]
            if len(letters) > 0.8 * (last + 1 - first):
                kanji = [chr(p) for p in range(*KANJI, 37) if p in points] if name == "Japanese" else []
                found.of[name].append((str(path), "".join(letters + kanji)))
        others = [chr(p) for p in sorted(points) if p > 0x52F and unicodedata.category(chr(p)) in {"Lo", "Ll", "Lu"}]
        if "Noto" in path.name and "Regular" in path.name and len(others) > 20 and ord("a") not in points:
            found.of["other"].append((str(path), "".join(others[:MOST_LETTERS])))
    if not found.of["Latin"]:
        raise SystemExit("no fonts are installed; the detector learns lettering from them")
    return found


@lru_cache(maxsize=4096)
def load(path: str, size: int) -> ImageFont.FreeTypeFont:
    """A font; the layout engine without ligatures is faster."""
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


def pick(rng: Generator, monospaced: bool = False) -> tuple[str, str]:
    """Path of a font, and letters to write with."""
    known = fonts()
    if monospaced and known.monospaced:
        return str(rng.choice(known.monospaced)), LETTERS + "(){}[];=_<>/*"
    names = [name for name in ALPHABETS if known.of[name]]
    shares = np.array([ALPHABETS[name] for name in names])
    choices = known.of[names[int(rng.choice(len(names), p=shares / shares.sum()))]]
    return choices[int(rng.integers(len(choices)))]


def font_size(rng: Generator, largest: float = SIZES[1]) -> int:
    """A size in pixels, log-uniform."""
    return int(SIZES[0] * (largest / SIZES[0]) ** rng.random())


def word(rng: Generator, letters: str) -> str:
    """A word of 1 to 9 random letters."""
    return "".join(letters[i] for i in rng.integers(len(letters), size=int(rng.integers(1, 10))))


def brightness(colour: Colour) -> float:
    """Luma in 0 .. 255."""
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


def any_colour(rng: Generator) -> Colour:
    """A colour, more often black, white or grey than at random."""
    if rng.random() < 0.4:
        grey = int(rng.choice([0, 16, 40, 128, 220, 245, 255]))
        return grey, grey, grey
    red, green, blue = (int(v) for v in rng.integers(0, 256, 3))
    return red, green, blue


def apart_from(rng: Generator, paper: Colour, contrast: float = CONTRAST) -> Colour:
    """A colour whose brightness is that far from the paper's."""
    for _ in range(20):
        ink = any_colour(rng)
        if abs(brightness(ink) - brightness(paper)) >= contrast:
            return ink
    return (0, 0, 0) if brightness(paper) > 127 else (255, 255, 255)


class Canvas:
    """A picture that is drawn on, with a mask (L) of what is lettering."""

    def __init__(self, image: Image.Image, mask: Image.Image | None = None) -> None:
        self.image = image
        self.mask = mask or Image.new("L", image.size)
        self.draw, self.marks = ImageDraw.Draw(image), ImageDraw.Draw(self.mask)

    def words(
        self, rng: Generator, at: tuple[int, int], width: int, font: ImageFont.FreeTypeFont, letters: str, ink: Colour
    ) -> int:
        """Write a line of random words; returns its height in pixels."""
        x, y, space = at[0], at[1], max(2, round(font.size / 3))
        while True:
            text = word(rng, letters)
            left, top, right, bottom = (round(v) for v in self.draw.textbbox((x, y), text, font=font))
            if right > at[0] + width and x > at[0]:
                break
            self.draw.text((x, y), text, fill=ink, font=font)
            if right > left and bottom > top:
                self.marks.rectangle((left, top, right - 1, bottom - 1), fill=255)
            x = right + space
            if x >= at[0] + width:
                break
        return round(font.size * 1.3)

    def stroke(self, points: list[tuple[float, float]], ink: Colour, width: int, closed: bool = False) -> None:
        """Draw a line of a diagram, which counts as lettering."""
        points = [*points, points[0]] if closed else points
        self.draw.line(points, fill=ink, width=width, joint="curve")
        self.marks.line(points, fill=255, width=width + 3)


def sign(rng: Generator, background: Colour, largest: float) -> tuple[Image.Image, Image.Image]:
    """A few lines of text as RGBA, with or without a board, and the mask of their words."""
    path, letters = pick(rng)
    size = font_size(rng, largest)
    font = load(path, size)
    board = rng.random() < 0.45
    paper = any_colour(rng) if board else background
    ink = apart_from(rng, paper, CONTRAST if board else 1.3 * CONTRAST)
    width, lines = int(size * rng.uniform(1.5, 14)), int(rng.integers(1, 5))
    pad = max(2, size // 3)
    extent = (width + 2 * pad, int(size * 1.4) * lines + 2 * pad)
    canvas = Canvas(Image.new("RGBA", extent, (*(paper if board else ink), 0)))
    if board:
        frame = ink if rng.random() < 0.3 else paper
        canvas.draw.rectangle((0, 0, extent[0] - 1, extent[1] - 1), fill=(*paper, 255), outline=(*frame, 255))
    if rng.random() < 0.1:
        canvas.draw.fontmode = "1"
    y = pad
    for _ in range(lines):
        y += canvas.words(rng, (pad, y), width, font, letters, ink)
    return canvas.image, canvas.mask


def warp(rng: Generator, layers: tuple[Image.Image, ...], side: int) -> list[Image.Image]:
    """Layers of the same size put somewhere on squares of ``side`` pixels, often turned, sometimes in perspective."""
    width, height = layers[0].size
    angle = rng.normal(0, 0.12) if rng.random() < 0.5 else 0.0
    if rng.random() < 0.06:
        angle += rng.choice([-1, 1]) * np.pi / 2
    tilt = rng.normal(0, 0.25 / max(width, height), 2) if rng.random() < 0.35 else np.zeros(2)
    centre = rng.uniform(0.05, 0.95, 2) * side
    turn = np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    to_centre = np.array([[1, 0, -centre[0]], [0, 1, -centre[1]], [0, 0, 1]])
    perspective = np.array([[1, 0, 0], [0, 1, 0], [tilt[0], tilt[1], 1]])
    back = np.array([[1, 0, width / 2], [0, 1, height / 2], [0, 0, 1]])
    if not angle and not tilt.any():  # whole pixels keep the letters sharp
        to_centre[:2, 2] = np.round(to_centre[:2, 2])
        back[:2, 2] = np.floor(back[:2, 2])
    matrix = back @ perspective @ turn @ to_centre
    matrix /= matrix[2, 2]
    data = tuple(matrix.ravel()[:8])
    return [
        layer.transform((side, side), Image.Transform.PERSPECTIVE, data, Image.Resampling.BICUBIC) for layer in layers
    ]
