"""Pages of text, listings of programs as editors show them, charts, maps and windows."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image, ImageDraw

from tools.guard_set import passages
from tools.guard_set.entries import Entry, TextLine
from tools.guard_set.lettering import Text, write

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tools.guard_set.entries import Box
    from tools.guard_set.lettering import Colour, Fonts
    from tools.guard_set.photos import Photos

INK: Final[Colour] = (20, 20, 24)


def documents(photos: Photos, fonts: Fonts) -> Iterator[Entry]:
    """The pictures of the group, in a fixed order."""
    yield page("page_latin", fonts, passages.ENGLISH, "eng", 18, "DejaVuSerif")
    yield page("page_small", fonts, passages.ENGLISH_SMALL, "eng", 13, "DejaVuSans", paper=(250, 246, 232))
    yield page("page_greek", fonts, passages.GREEK, "ell", 18, "DejaVuSerif")
    yield page("page_cyrillic", fonts, passages.RUSSIAN, "rus", 16, "DejaVuSans", paper=(244, 244, 244))
    yield page("page_japanese", fonts, passages.JAPANESE, "jpn", 22, "")
    yield scan(photos)
    yield code("code_dark", fonts, 15, paper=(30, 30, 34), dark=True)
    yield code("code_light", fonts, 13, paper=(255, 255, 255), dark=False)
    yield bar_chart(fonts)
    yield line_chart(fonts)
    yield town_map(fonts)
    yield form(fonts)
    yield settings(fonts)


def page(
    name: str, fonts: Fonts, lines: Sequence[str], language: str, height: int, style: str,
    paper: Colour = (255, 255, 255),
) -> Entry:  # fmt: skip
    """A page with one paragraph, black on ``paper``."""
    leading = height * 8 // 5
    wide = max(fonts.get(style, language, height).getlength(line) for line in lines)
    size = max(256, int(wide) + 56), max(256, leading * len(lines) + 56)
    entry = Entry(name, "documents", Image.new("RGB", size, paper))
    for row, line in enumerate(lines):
        at = (28, 28 + row * leading)
        entry.lines.append(write(entry.image, at, Text(line, language, height), fonts, INK, style))
    return entry


def scan(photos: Photos) -> Entry:
    """A scanned page of scikit-image, which has no truth here: it is judged as a picture."""
    page = photos.get("page")
    enlarged = page.image.resize((page.image.width * 2, page.image.height * 2), Image.Resampling.BICUBIC)
    return Entry("page_scan", "documents", enlarged, page.source, page.licence)


COLOURS: Final[dict[str, tuple[Colour, Colour]]] = {
    "keyword": ((0, 0, 200), (198, 120, 221)),
    "string": ((163, 21, 21), (152, 195, 121)),
    "comment": ((0, 120, 0), (127, 140, 141)),
    "number": ((9, 134, 88), (209, 154, 102)),
    "name": ((30, 30, 30), (220, 223, 228)),
}
"""Part of a program -> its colour on white, and on black."""


def code(name: str, fonts: Fonts, height: int, paper: Colour, dark: bool) -> Entry:
    """An editor with a listing in colours and line numbers."""
    font = fonts.get("DejaVuSansMono", "eng", height)
    advance, leading = font.getlength("0"), height * 3 // 2
    size = (int(60 + advance * max(sum(len(part) for part, _ in line) for line in passages.PROGRAM)) + 24,
            leading * len(passages.PROGRAM) + 40)  # fmt: skip
    entry = Entry(name, "documents", Image.new("RGB", (size[0], max(256, size[1])), paper))
    draw = ImageDraw.Draw(entry.image)
    draw.rectangle((0, 0, 39, size[1]), fill=(44, 44, 50) if dark else (240, 240, 240))
    for row, parts in enumerate(passages.PROGRAM):
        y, x = 16 + row * leading, 52.0
        draw.text((34, y), str(row + 1), fill=(128, 128, 128), font=font, anchor="ra")
        text, boxes = "", []
        for part, kind in parts:
            draw.text((x, y), part, fill=COLOURS[kind][dark], font=font)
            if part.strip():
                boxes.append(draw.textbbox((x, y), part, font=font))
            x += advance * len(part)
            text += part
        if boxes:
            lefts, tops, rights, bottoms = zip(*boxes, strict=True)
            indent = advance * (len(text) - len(text.lstrip()))
            box = (
                int(max(min(lefts), 52 + indent)) - 4,
                int(min(tops)) - 3,
                int(max(rights)) + 4,
                int(max(bottoms)) + 3,
            )
            entry.lines.append(TextLine(" ".join(text.split()), "eng", height, box))
    return entry


def bar_chart(fonts: Fonts) -> Entry:
    """Bars with names and values."""
    entry = Entry("chart_bars", "documents", Image.new("RGB", (560, 400), (255, 255, 255)))
    draw = ImageDraw.Draw(entry.image)
    entry.lines.append(
        write(entry.image, (130, 14), Text("Harvest in thousand tons", "eng", 20), fonts, INK, "DejaVuSans-Bold")
    )
    values = {"Apples": 142.55, "Pears": 86.3, "Cherries": 47.9, "Plums": 118.4, "Quinces": 12.75, "Apricots": 63.2}
    for i, (fruit, value) in enumerate(values.items()):
        y = 62 + i * 52
        colour = (60 + 28 * i, 120, 200 - 24 * i)
        draw.rectangle((120, y, 120 + int(value * 2.4), y + 32), fill=colour, outline=INK)
        entry.lines.append(write(entry.image, (20, y + 6), Text(fruit, "eng", 16), fonts, INK))
        entry.lines.append(
            write(entry.image, (130 + int(value * 2.4), y + 8), Text(f"{value:.2f}", "eng", 14), fonts, INK)
        )
    draw.line((120, 52, 120, 380), fill=INK)
    return entry


def line_chart(fonts: Fonts) -> Entry:
    """Thin lines of four series over a grid, drawn by matplotlib without text; names and numbers are written on it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.4), dpi=100)
    axes = figure.add_axes((0.1, 0.1, 0.87, 0.78))
    x = np.linspace(0, 10, 400)
    styles = ("-", "--", "-.", ":")
    for k, style in enumerate(styles):
        axes.plot(x, np.sin(x * (0.6 + k * 0.35) + k) * (1 + k * 0.3) + k, style, linewidth=1.2)
    axes.grid(True, linewidth=0.5)
    axes.tick_params(labelbottom=False, labelleft=False)
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format="png")
    entry = Entry("chart_lines", "documents", Image.open(buffer).convert("RGB"))
    for at, text in (((150, 12), "Tides at four stations, 1998 to 2017"), ((70, 60), "solid: North Pier"),
                     ((430, 60), "dotted: Old Harbour"), ((280, 416), "hours after midnight")):  # fmt: skip
        height = 18 if at[1] < 20 else 13
        label = write(entry.image, at, Text(text, "eng", height), fonts, INK)
        _clear(entry.image, label.box)
        entry.lines.append(write(entry.image, at, Text(text, "eng", height), fonts, INK))
    return entry


def _clear(image: Image.Image, box: Box) -> None:
    ImageDraw.Draw(image).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=(255, 255, 255))


def town_map(fonts: Fonts) -> Entry:
    """Streets, a river, parks and names."""
    rng = np.random.default_rng(5)
    entry = Entry("map", "documents", Image.new("RGB", (640, 480), (242, 239, 233)))
    draw = ImageDraw.Draw(entry.image)
    for x, y in ((40, 60), (430, 300), (250, 30)):
        draw.ellipse((x, y, x + 150, y + 90), fill=(200, 224, 180), outline=(150, 190, 130))
    river = [(i * 32, int(240 + 60 * np.sin(i / 3.5))) for i in range(21)]
    draw.line(river, fill=(150, 200, 230), width=26, joint="curve")
    for i in range(9):
        x = 36 + i * 70
        draw.line((x, 0, x + int(rng.integers(-40, 40)), 480), fill=(120, 120, 120), width=7 if i % 3 else 13)
        draw.line((x, 0, x, 0), fill=(255, 255, 255))
    for i in range(7):
        y = 30 + i * 68
        draw.line((0, y, 640, y + int(rng.integers(-30, 30))), fill=(255, 255, 255), width=9)
        draw.line((0, y + 6, 640, y + int(rng.integers(-30, 30)) + 6), fill=(170, 160, 150), width=1)
    for _ in range(70):
        x, y = (int(v) for v in rng.integers(10, (610, 450)))
        draw.rectangle((x, y, x + 16, y + 11), fill=(217, 208, 201), outline=(180, 168, 158))
    names = (((50, 90), "Botanical Garden", 14), ((440, 330), "Castle Park", 16), ((250, 214), "River Aller", 18),
             ((90, 400), "Mill Lane", 12), ((380, 60), "Station Road", 13), ((470, 430), "Hill 236", 12),
             ((60, 300), "Market Square", 15))  # fmt: skip
    for at, text, height in names:
        box = write(entry.image, at, Text(text, "eng", height), fonts, INK).box
        draw.rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=(250, 248, 240))
        entry.lines.append(write(entry.image, at, Text(text, "eng", height), fonts, (40, 40, 90)))
    return entry


def form(fonts: Fonts) -> Entry:
    """A window with fields to fill in."""
    return _window(
        "ui_form", "Edit customer", fonts, passages.FORM, (240, 240, 240), INK, (255, 255, 255), (0, 96, 176)
    )


def settings(fonts: Fonts) -> Entry:
    """A dark window with switches, in Cyrillic."""
    return _window("ui_dark", "Настройки", fonts, passages.SETTINGS, (38, 40, 46), (225, 226, 230), (58, 61, 70),
                   (80, 140, 220), "rus")  # fmt: skip


def _window(
    name: str, title: str, fonts: Fonts, rows: Sequence[tuple[str, str]], face: Colour, ink: Colour, field: Colour,
    accent: Colour, language: str = "eng",
) -> Entry:  # fmt: skip
    size = 600, max(300, 64 + 44 * len(rows) + 60)
    entry = Entry(name, "documents", Image.new("RGB", size, face))
    draw = ImageDraw.Draw(entry.image)
    draw.rectangle((0, 0, size[0], 35), fill=accent)
    entry.lines.append(
        write(entry.image, (14, 8), Text(title, language, 16), fonts, (255, 255, 255), "DejaVuSans-Bold")
    )
    for i, colour in enumerate(((232, 90, 80), (240, 190, 70), (90, 190, 90))):
        draw.ellipse((size[0] - 76 + i * 22, 11, size[0] - 62 + i * 22, 25), fill=colour)
    for i, (label, value) in enumerate(rows):
        y = 56 + i * 44
        entry.lines.append(write(entry.image, (18, y + 6), Text(label, language, 14), fonts, ink))
        draw.rounded_rectangle((250, y, size[0] - 20, y + 30), 4, fill=field, outline=(128, 130, 136))
        entry.lines.append(write(entry.image, (260, y + 6), Text(value, language, 15), fonts, ink))
    y = size[1] - 48
    for x, text in ((size[0] - 230, passages.BUTTONS[language][0]), (size[0] - 120, passages.BUTTONS[language][1])):
        draw.rounded_rectangle((x, y, x + 100, y + 32), 5, fill=accent)
        entry.lines.append(write(entry.image, (x + 12, y + 7), Text(text, language, 14), fonts, (255, 255, 255)))
    return entry
