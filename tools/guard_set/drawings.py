"""Pixel art, comics and line drawings, and pictures with QR codes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image, ImageDraw

from tools.guard_set.entries import Entry
from tools.guard_set.lettering import Text, write
from tools.guard_set.perspective import paste

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.guard_set.lettering import Fonts
    from tools.guard_set.photos import Photos

INK: Final = (16, 16, 18)


def drawings(photos: Photos, fonts: Fonts) -> Iterator[Entry]:
    """The pictures of the group, in a fixed order."""
    yield pixel_art("pixel_art_landscape", 3, 6, (96, 64))
    yield pixel_art("pixel_art_fine", 4, 4, (128, 96))
    yield comic(fonts)
    yield line_drawing()
    yield photos.get("cid22_0030").entry("drawing_clip_art", "drawings")
    yield photos.get("cid22_0150").entry("drawing_diagram", "drawings")


def pixel_art(name: str, seed: int, scale: int, size: tuple[int, int]) -> Entry:
    """A landscape with sprites in 14 colours, each pixel enlarged to ``scale`` x ``scale``."""
    rng = np.random.default_rng(seed)
    width, height = size
    art = Image.new("RGB", size, (92, 148, 252))
    draw = ImageDraw.Draw(art)
    for _ in range(8):
        x, y = int(rng.integers(width)), int(rng.integers(height // 3))
        draw.rectangle((x, y, x + 9, y + 2), fill=(252, 252, 252))
        draw.rectangle((x + 2, y - 2, x + 6, y), fill=(228, 236, 252))
    ground = height * 3 // 4
    for x in range(width):  # the surface of the ground is dithered
        top = ground + int(2 * np.sin(x / 5))
        for y in range(top, height):
            draw.point((x, y), (0, 168, 0) if y < top + 2 else ((136, 80, 16) if (x + y) % 2 else (172, 124, 0)))
    for _ in range(10):
        x, tall = int(rng.integers(width - 8)), int(rng.integers(8, 20))
        draw.rectangle((x + 3, ground - tall // 2, x + 4, ground + 1), fill=(104, 56, 8))
        draw.polygon([(x, ground - tall // 2), (x + 3, ground - tall), (x + 7, ground - tall // 2)], fill=(0, 120, 40))
    for _ in range(9):  # symmetric sprites
        half = rng.integers(0, 3, (8, 4))
        colours = [tuple(int(v) for v in rng.integers(40, 250, 3)) for _ in range(2)]
        x, y = int(rng.integers(width - 8)), int(rng.integers(4, height - 12))
        for j, i in np.argwhere(half):
            for at in (i, 7 - i):
                draw.point((x + int(at), y + int(j)), colours[half[j, i] - 1])
    return Entry(name, "drawings", art.resize((width * scale, height * scale), Image.Resampling.NEAREST))


def comic(fonts: Fonts) -> Entry:
    """Four panels with figures, halftone and balloons."""
    size, finer = (640, 560), 2
    large = Image.new("RGB", (size[0] * finer, size[1] * finer), (255, 255, 255))
    draw = ImageDraw.Draw(large)
    words = (
        ("Have you seen", "my umbrella?"), ("It was here", "a minute ago!"), ("Look behind you,", "Professor."),
        ("Oh dear.",),
    )  # fmt: skip
    papers = ((255, 226, 150), (190, 226, 250), (250, 200, 200), (206, 240, 196))
    for k, paper in enumerate(papers):
        x, y = (k % 2 * 316 + 8) * finer, (k // 2 * 276 + 8) * finer
        right, bottom = x + 308 * finer, y + 268 * finer
        draw.rectangle((x, y, right, bottom), fill=paper)
        for j in range(0, 268 * finer, 12):  # halftone in the lower half
            for i in range(0, 308 * finer, 12):
                radius = max(0, (j - 134 * finer)) / (134 * finer) * 4
                cx, cy = x + i + (6 if j // 12 % 2 else 0), y + j
                if radius > 0.6 and cx < right:
                    draw.ellipse((cx - radius, cy - radius, cx + radius, cy + radius), fill=(226, 130, 90))
        for side in (0, 1):
            _figure(
                draw, x + (70 + side * 160) * finer, y + 150 * finer, finer, (40 + 90 * side, 90, 170 - 80 * k // 2)
            )
        draw.rectangle((x, y, right, bottom), outline=INK, width=3 * finer)
        balloon = x + 60 * finer, y + 8 * finer, x + 250 * finer, y + 84 * finer
        draw.ellipse(balloon, fill=(255, 255, 255), outline=INK, width=2 * finer)
        draw.line((x + 100 * finer, y + 78 * finer, x + 82 * finer, y + 108 * finer), fill=INK, width=2 * finer)
    entry = Entry("comic", "drawings", large.resize(size, Image.Resampling.LANCZOS))
    for k, lines in enumerate(words):
        x, y = k % 2 * 316 + 8, k // 2 * 276 + 8
        for row, line in enumerate(lines):
            wide = fonts.get("DejaVuSans-Bold", "eng", 16).getlength(line)
            at = (x + 155 - int(wide / 2), y + (37 if len(lines) == 1 else 26 + row * 21))
            entry.lines.append(write(entry.image, at, Text(line, "eng", 16), fonts, INK, "DejaVuSans-Bold"))
    return entry


def _figure(draw: ImageDraw.ImageDraw, x: int, y: int, finer: int, coat: tuple[int, int, int]) -> None:
    """A person from head to waist: (x, y) is the middle of the face."""
    r = 26 * finer
    body = [(x - r * 1.5, y + r * 4), (x - r * 0.6, y + r), (x + r * 0.6, y + r), (x + r * 1.5, y + r * 4)]
    draw.polygon(body, fill=coat, outline=INK, width=2 * finer)
    draw.ellipse((x - r, y - r, x + r, y + r * 1.2), fill=(250, 214, 180), outline=INK, width=2 * finer)
    draw.chord((x - r * 1.05, y - r * 1.3, x + r * 1.05, y + r * 0.5), 180, 360, fill=(70, 40, 20), outline=INK)
    for side in (-1, 1):
        draw.ellipse((x + side * r * 0.4 - 3 * finer, y, x + side * r * 0.4 + 3 * finer, y + 7 * finer), fill=INK)
    draw.arc((x - r * 0.45, y + r * 0.3, x + r * 0.45, y + r * 0.9), 20, 160, fill=INK, width=2 * finer)


def line_drawing() -> Entry:
    """A house, trees, hatching and curves in black lines of 1 to 2 pixels."""
    size, finer = (640, 480), 3
    rng = np.random.default_rng(9)
    large = Image.new("L", (size[0] * finer, size[1] * finer), 255)
    draw = ImageDraw.Draw(large)

    def line(points: list[tuple[float, float]], width: float = 1.2) -> None:
        draw.line([(x * finer, y * finer) for x, y in points], fill=0, width=round(width * finer), joint="curve")

    line([(180, 380), (180, 220), (300, 130), (420, 220), (420, 380), (180, 380)], 2)
    line([(180, 220), (420, 220)], 1.5)
    for k in range(24):  # roof
        eaves = 190 + k * 9.5
        line([(eaves, 218), (eaves + (300 - eaves) * 0.55, 218 - 48 * (1 - abs(k - 11.5) / 14))], 0.7)
    for x in (205, 275, 350):
        line([(x, 250), (x + 45, 250), (x + 45, 310), (x, 310), (x, 250)], 1.5)
        line([(x + 22, 250), (x + 22, 310)])
        line([(x, 280), (x + 45, 280)])
    for k in range(60):  # ground
        y = 385 + k * 1.5
        start = float(rng.uniform(0, 600))
        line([(start, y), (start + float(rng.uniform(20, 90)), y + float(rng.uniform(-2, 2)))], 0.7)
    for x in (70, 530):
        line([(x, 390), (x - 4, 300)], 3)
        line([(x + 8, 390), (x + 6, 300)], 1)
        for _ in range(45):
            a, r = float(rng.uniform(0, 2 * np.pi)), float(rng.uniform(10, 62))
            cx, cy = x + r * np.cos(a), 245 + r * np.sin(a)
            arc = [(cx + 9 * np.cos(t), cy + 7 * np.sin(t)) for t in np.linspace(a, a + 4, 12)]
            line(arc, 0.8)
    for k in range(5):  # hills
        line([(x, 210 + k * 9 + 24 * np.sin(x / 70 + k)) for x in range(0, 170, 4)], 0.8)
        line([(x, 200 + k * 9 + 20 * np.sin(x / 60 + k)) for x in range(440, 640, 4)], 0.8)
    return Entry("drawing_lines", "drawings", large.resize(size, Image.Resampling.LANCZOS).convert("RGB"))


PAYLOADS: Final = (
    "https://example.org/orders/14255?lang=el",
    "WIFI:T:WPA;S:Harbour Cafe;P:seventeen-ships;;",
    "TICKET 2028-03-17 ROW 12 SEAT 34 GATE B 0047218836",
    "https://example.org/m/7306",
)


def qr_codes(photos: Photos, fonts: Fonts) -> Iterator[Entry]:
    """The pictures of the group, in a fixed order."""
    yield _sheet("qr_large", [(PAYLOADS[0], 8)], fonts, "Scan to order")
    yield _sheet("qr_small", [(PAYLOADS[1], 3), (PAYLOADS[2], 2), (PAYLOADS[3], 3)], fonts, "Guests and tickets")
    poster = photos.get("codrops_0050").entry("qr_poster", "qr")
    paste(poster.image, _code(PAYLOADS[3], 12), ((300, 60), (396, 72), (392, 172), (298, 158)))
    poster.qr.append(PAYLOADS[3])
    yield poster


def _code(text: str, module: int) -> Image.Image:
    """A QR code with its quiet zone, ``module`` pixels a module, of the lowest level of error correction."""
    import segno

    buffer = io.BytesIO()
    segno.make(text, error="l", boost_error=False, micro=False).save(buffer, kind="png", scale=module, border=4)
    return Image.open(buffer).convert("RGB")


def _sheet(name: str, codes: list[tuple[str, int]], fonts: Fonts, title: str) -> Entry:
    drawn = [_code(text, module) for text, module in codes]
    size = max(300, sum(code.width for code in drawn) + 24 * (len(drawn) + 1)), max(code.height for code in drawn) + 90
    entry = Entry(name, "qr", Image.new("RGB", (size[0], max(256, size[1])), (250, 248, 244)))
    entry.lines.append(write(entry.image, (28, 20), Text(title, "eng", 20), fonts, INK, "DejaVuSans-Bold"))
    x = 24
    for code, (text, _) in zip(drawn, codes, strict=True):
        entry.image.paste(code, (x, 64))
        entry.qr.append(text)
        x += code.width + 24
    return entry
