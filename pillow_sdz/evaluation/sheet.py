"""Pictures in rows, each under its caption."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Sequence

CAPTION: Final = 22
"""Height in pixels of a line of a caption."""

Pieces = dict[str, Image.Image]
"""Caption, of one or more lines -> picture."""


def sheet(rows: Sequence[Pieces]) -> Image.Image:
    """One picture of all rows, with each picture under its caption."""
    width = max(sum(piece.width for piece in row.values()) for row in rows)
    captions = [CAPTION * max(caption.count("\n") + 1 for caption in row) for row in rows]
    heights = [
        max(piece.height for piece in row.values()) + caption for row, caption in zip(rows, captions, strict=True)
    ]
    whole = Image.new("RGB", (width, sum(heights)), "white")
    draw, y = ImageDraw.Draw(whole), 0
    for row, height, caption in zip(rows, heights, captions, strict=True):
        x = 0
        for label, piece in row.items():
            for number, line in enumerate(label.split("\n")):
                draw.text((x + 4, y + 2 + number * CAPTION), line, "black", _font(draw, line, piece.width - 8))
            whole.paste(piece, (x, y + caption))
            x += piece.width
        y += height
    return whole


def _font(draw: ImageDraw.ImageDraw, text: str, width: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The largest font, of sizes 15 to 8, in which a line of a caption fits the width; size 8 if none does."""
    for size in range(15, 7, -1):
        font = ImageFont.load_default(size)
        if draw.textlength(text, font=font) <= width:
            break
    return font
