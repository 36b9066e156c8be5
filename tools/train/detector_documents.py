"""Pictures that are no photos, with the mask of their lettering and strokes: pages, code, windows, charts, drawings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from tools.train.detector_text import Canvas, any_colour, apart_from, brightness, font_size, load, pick

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator

PAPERS: Final = ((255, 255, 255), (250, 248, 240), (240, 240, 240), (30, 30, 30), (13, 17, 23), (0, 43, 54))
"""Usual backgrounds."""


def _paper(rng: Generator, side: int) -> tuple[Canvas, tuple[int, int, int]]:
    paper = PAPERS[int(rng.integers(len(PAPERS)))] if rng.random() < 0.7 else any_colour(rng)
    return Canvas(Image.new("RGB", (side, side), paper)), paper


def page(rng: Generator, side: int) -> Canvas:
    """Paragraphs in one or two columns, with headings and pictures' places left empty."""
    canvas, paper = _paper(rng, side)
    ink = apart_from(rng, paper, 80)
    columns = int(rng.integers(1, 3))
    path, letters = pick(rng)
    size = font_size(rng, 26)
    for column in range(columns):
        left, width = int(rng.integers(-20, 16)) + column * side // columns, side // columns - 12
        y = int(rng.integers(-20, 20))
        while y < side:
            choice = rng.random()
            if choice < 0.1:
                y += int(rng.integers(10, 60))
            elif choice < 0.2:
                y += canvas.words(rng, (left, y), width, load(path, int(size * 1.6)), letters, ink) + 4
            else:
                length = width if rng.random() < 0.85 else width // 2
                y += canvas.words(rng, (left, y), length, load(path, size), letters, ink)
    return canvas


def code(rng: Generator, side: int) -> Canvas:
    """A listing in several colours, with a margin of numbers."""
    canvas, paper = _paper(rng, side)
    inks = [apart_from(rng, paper, 60) for _ in range(5)]
    path, letters = pick(rng, monospaced=True)
    font = load(path, font_size(rng, 22))
    em = round(font.size)
    y, margin = int(rng.integers(-10, 10)), int(rng.integers(0, 40))
    while y < side:
        canvas.words(rng, (2, y), margin - 4, font, "0123456789", inks[0]) if margin > 14 else None
        x = margin + int(rng.integers(0, 6)) * em
        for _ in range(int(rng.integers(0, 5))):
            width = int(rng.integers(2, 12)) * em
            canvas.words(rng, (x, y), width, font, letters, inks[int(rng.integers(5))])
            x += width + em
        y += round(font.size * 1.35)
    return canvas


def window(rng: Generator, side: int, photo: Image.Image | None = None) -> Canvas:
    """Panels, buttons and labels of a user interface, sometimes with a photo in a panel."""
    canvas, _ = _paper(rng, side)
    path, letters = pick(rng)
    for _ in range(int(rng.integers(4, 14))):
        fill = any_colour(rng)
        x, y = (int(v) for v in rng.integers(-40, side, 2))
        width, height = int(rng.integers(30, 200)), int(rng.integers(14, 120))
        box = (x, y, x + width, y + height)
        canvas.marks.rectangle(box, fill=0)
        if photo is not None and rng.random() < 0.25:
            canvas.image.paste(photo.crop((0, 0, width, height)), (x, y))
            continue
        canvas.draw.rounded_rectangle(box, int(rng.integers(0, 9)), fill=fill, outline=apart_from(rng, fill, 20))
        font = load(path, font_size(rng, min(28, max(9, height))))
        top = y + 4
        while top + font.size < y + height and rng.random() < 0.8:
            top += canvas.words(rng, (x + 5, top), width - 10, font, letters, apart_from(rng, fill, 60))
    return canvas


def chart(rng: Generator, side: int) -> Canvas:
    """Axes with labels, curves, bars, a legend."""
    canvas, paper = _paper(rng, side)
    ink = apart_from(rng, paper, 80)
    path, letters = pick(rng)
    font = load(path, font_size(rng, 18))
    left, bottom = int(rng.integers(20, 70)), side - int(rng.integers(20, 60))
    if rng.random() < 0.4:
        width = int(rng.integers(8, 30))
        for x in range(left + 4, side, width + int(rng.integers(2, 14))):
            canvas.draw.rectangle((x, int(rng.integers(20, bottom)), x + width, bottom), fill=any_colour(rng))
    canvas.stroke([(left, 0), (left, bottom), (side, bottom)], ink, int(rng.integers(1, 3)))
    for step in range(0, side, int(rng.integers(28, 70))):
        canvas.words(rng, (2, bottom - step - round(font.size / 2)), left - 6, font, "0123456789.", ink)
        canvas.words(rng, (left + step, bottom + 5), 24, font, "0123456789", ink)
        if rng.random() < 0.4:
            canvas.stroke([(left, bottom - step), (side, bottom - step)], apart_from(rng, paper, 25), 1)
    for _ in range(int(rng.integers(1, 5))):
        xs = np.linspace(left, side, int(rng.integers(5, 40)))
        ys = np.cumsum(rng.normal(0, 12, len(xs))) + rng.uniform(0.2, 0.8) * side
        points = list(zip(xs.tolist(), ys.tolist(), strict=True))
        canvas.stroke(points, apart_from(rng, paper, 45), int(rng.integers(1, 4)))
    if rng.random() < 0.6:
        canvas.words(rng, (left + 20, 8), side - left - 30, font, letters, ink)
    return canvas


def drawing(rng: Generator, side: int) -> Canvas:
    """Line art: closed shapes and curves on flat colours, some of them filled, with a few words."""
    canvas, paper = _paper(rng, side)
    for _ in range(int(rng.integers(4, 16))):
        count = int(rng.integers(3, 12))
        angles = np.sort(rng.uniform(0, 2 * np.pi, count))
        radii = rng.uniform(0.3, 1, count) * rng.uniform(8, 110)
        x, y = rng.uniform(0, side, 2)
        points = [(x + r * np.cos(a), y + r * np.sin(a)) for r, a in zip(radii, angles, strict=True)]
        ink = apart_from(rng, paper, 60)
        if (closed := rng.random() < 0.6) and rng.random() < 0.5:
            fill = any_colour(rng)
            canvas.draw.polygon(points, fill=fill)
            canvas.marks.polygon(points, fill=0)
            ink = apart_from(rng, fill, 60) if abs(brightness(ink) - brightness(fill)) < 50 else ink
        canvas.stroke(points, ink, int(rng.integers(1, 5)), closed)
    path, letters = pick(rng)
    for _ in range(int(rng.integers(0, 5))):
        at = (int(rng.integers(0, side)), int(rng.integers(0, side)))
        canvas.words(rng, at, 100, load(path, font_size(rng, 24)), letters, apart_from(rng, paper, 70))
    return canvas


def matrix_code(rng: Generator) -> Canvas:
    """A QR code of random text with its quiet zone."""
    import segno

    text = "".join(chr(int(c)) for c in rng.integers(33, 126, int(rng.integers(4, 90))))
    rows = np.array([list(row) for row in segno.make(text, micro=False).matrix], np.uint8)
    module = int(rng.integers(2, 8))
    dark, light = (0, 0, 0), (255, 255, 255)
    if rng.random() < 0.3:
        light = any_colour(rng)
        dark = apart_from(rng, light, 90)
    small = np.where(np.pad(rows, 2)[..., None], np.array(dark, np.uint8), np.array(light, np.uint8))
    size = (small.shape[1] * module, small.shape[0] * module)
    mask = Image.new("L", size)
    mask.paste(255, (2 * module, 2 * module, size[0] - 2 * module, size[1] - 2 * module))
    return Canvas(Image.fromarray(small).resize(size, Image.Resampling.NEAREST), mask)


KINDS: Final[tuple[tuple[float, Callable[[Generator, int], Canvas]], ...]] = (
    (0.3, page), (0.2, code), (0.2, window), (0.15, chart), (0.15, drawing),
)  # fmt: skip
"""Share and maker of each kind of document."""


def document(rng: Generator, side: int) -> Canvas:
    """A document of any kind, RGB, ``side`` pixels square."""
    shares = [share for share, _ in KINDS]
    return KINDS[int(rng.choice(len(KINDS), p=shares))][1](rng, side)
