"""Text on pictures: fonts, lines straight on the picture, and boards that are turned or seen from the side."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tools.guard_set.entries import TextLine
from tools.guard_set.perspective import homography, paste

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.guard_set.entries import Box

Colour = tuple[int, int, int]

JAPANESE: Final = Path("/usr/share/fonts/opentype/ipafont-gothic/ipag.ttf")
"""Where Debian's fonts-ipafont-gothic installs IPAGothic."""

MARGIN: Final = 4
"""Pixels around the ink of a line that belong to its box."""

FINER: Final = 3
"""Boards are drawn this many times larger than they are placed, so that turning them leaves letters sharp."""


class Fonts:
    """The fonts of the set: DejaVu, which matplotlib contains, and one with Japanese.

    Args:
        japanese: path of a TrueType font with Japanese.

    Raises:
        FileNotFoundError: there is no such file.
    """

    def __init__(self, japanese: Path = JAPANESE) -> None:
        if not japanese.is_file():
            raise FileNotFoundError(
                f"no Japanese font {japanese}: on Debian apt install fonts-ipafont-gothic; elsewhere download "
                "IPAGothic (https://moji.or.jp/ipafont/) and name its ipag.ttf with --japanese-font"
            )
        self.japanese = japanese

    def get(self, style: str, language: str, size: int) -> ImageFont.FreeTypeFont:
        """A font.

        Args:
            style: file name of a DejaVu without ``.ttf``, such as ``DejaVuSans-Bold``; ignored for Japanese.
            language: one of `tools.guard_set.entries.LANGUAGES`.
            size: pixels.
        """
        return _font(str(self.japanese if language == "jpn" else _dejavu() / f"{style}.ttf"), size)


def _dejavu() -> Path:
    from matplotlib import get_data_path

    return Path(get_data_path()) / "fonts" / "ttf"


@lru_cache
def _font(path: str, size: int) -> ImageFont.FreeTypeFont:
    # without Raqm, whose presence would change kerning from one Pillow to the next
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


class Text(NamedTuple):
    """A line to be drawn: what it says, in which language, how high in pixels."""

    text: str
    language: str = "eng"
    height: int = 16


def write(
    picture: Image.Image, at: tuple[int, int], text: Text, fonts: Fonts, ink: Colour, style: str = "DejaVuSans"
) -> TextLine:
    """Draw a line of text with its left ascender at ``at``; returns its truth."""
    draw = ImageDraw.Draw(picture)
    font = fonts.get(style, text.language, text.height)
    draw.text(at, text.text, fill=ink, font=font)
    return TextLine(text.text, text.language, text.height, _grown(draw.textbbox(at, text.text, font=font), picture))


def _grown(box: Sequence[float], picture: Image.Image) -> Box:
    left, top, right, bottom = box
    return (
        max(0, int(np.floor(left)) - MARGIN),
        max(0, int(np.floor(top)) - MARGIN),
        min(picture.width, int(np.ceil(right)) + MARGIN),
        min(picture.height, int(np.ceil(bottom)) + MARGIN),
    )


class Board(NamedTuple):
    """A sign: lines on a plane of one colour.

    Attributes:
        texts: the lines, from top to bottom.
        paper, ink: colours.
        style: font, see `Fonts.get`.
        angle: turned by so many degrees, counter-clockwise.
        slant: its right side is so much higher than the left one, as a share: a plane seen from the side.
    """

    texts: Sequence[Text]
    paper: Colour
    ink: Colour
    style: str = "DejaVuSans-Bold"
    angle: float = 0
    slant: float = 0


def hang(picture: Image.Image, board: Board, at: tuple[int, int], fonts: Fonts) -> list[TextLine]:
    """Put a board on a picture, its upper left corner at ``at`` before it is turned; returns its text.

    A board that would stand out of the picture is moved inside.

    Raises:
        ValueError: the board is larger than the picture.
    """
    plane, boxes = _drawn(board, fonts)
    width, height = plane.width / FINER, plane.height / FINER
    taller = height * board.slant / 2
    corners = np.array([(0, 0), (width, -taller), (width, height + taller), (0, height)])
    centre, turn = corners.mean(0), np.deg2rad(board.angle)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    corners = (corners - centre) @ rotation.T + centre + at
    # a board that would stand out is moved inside
    corners += np.maximum(-corners.min(0), 0) + np.minimum(np.array(picture.size) - corners.max(0), 0)
    if corners.min() < 0:
        raise ValueError(f"a board of {np.ptp(corners, 0)} pixels does not fit a picture of {picture.size}")
    source = np.array([(0, 0), (plane.width, 0), (plane.width, plane.height), (0, plane.height)], float)
    paste(picture, plane, corners)
    forward = homography(source, corners)
    return [
        TextLine(text.text, text.language, text.height, _grown(_around(forward, box), picture))
        for text, box in zip(board.texts, boxes, strict=True)
    ]


def _drawn(board: Board, fonts: Fonts) -> tuple[Image.Image, list[tuple[float, float, float, float]]]:
    """A board seen from the front, `FINER` times as large, and the boxes of the ink of its lines."""
    drawn = [(text, fonts.get(board.style, text.language, text.height * FINER)) for text in board.texts]
    inks = [font.getbbox(text.text) for text, font in drawn]
    padding = max(text.height for text in board.texts) * FINER * 2 // 5
    gap = padding // 2
    width = int(max(right - left for left, _, right, _ in inks)) + 2 * padding
    height = int(sum(bottom - top for _, top, _, bottom in inks)) + gap * (len(inks) - 1) + 2 * padding
    plane = Image.new("RGB", (width, height), board.paper)
    draw, y, boxes = ImageDraw.Draw(plane), float(padding), []
    for (text, font), (left, top, right, bottom) in zip(drawn, inks, strict=True):
        x = (width - (right - left)) / 2
        draw.text((x - left, y - top), text.text, fill=board.ink, font=font)
        boxes.append((x, y, x + right - left, y + bottom - top))
        y += bottom - top + gap
    return plane, boxes


def _around(perspective: np.ndarray, box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """The upright box around a box in perspective."""
    left, top, right, bottom = box
    a, b, c, d, e, f, g, h = perspective
    points = [
        ((a * x + b * y + c) / (g * x + h * y + 1), (d * x + e * y + f) / (g * x + h * y + 1))
        for x, y in ((left, top), (right, top), (right, bottom), (left, bottom))
    ]
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)
