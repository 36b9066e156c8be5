"""All stages of all pictures as one picture, the contact sheet."""

from __future__ import annotations

import io
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from PIL import Image

from pillow_sdz.evaluation.sheet import sheet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pillow_sdz.evaluation.report.comparison import Comparison, Stage
    from pillow_sdz.evaluation.sheet import Pieces

CELL: Final = 256
"""Longest side in pixels of a picture on the contact sheet."""

ACROSS: Final = 6
"""Pictures in a row of the contact sheet."""


def contact_sheet(comparisons: Sequence[Comparison]) -> bytes:
    """A PNG with every stage and drawing of each picture."""
    rows: list[Pieces] = []
    for comparison in comparisons:
        pieces = {caption: _cell(image) for caption, image in _pieces(comparison)}
        items = list(pieces.items())
        rows += [dict(items[start : start + ACROSS]) for start in range(0, len(items), ACROSS)]
    stream = io.BytesIO()
    sheet(rows).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _pieces(comparison: Comparison) -> Iterator[tuple[str, Image.Image]]:
    """The captions and pictures of all stages and drawings."""
    for stage in comparison.stages:
        yield _caption(comparison, stage), stage.picture
        for drawing in stage.drawings:
            yield f"{drawing.title}\n({stage.title})\n", drawing.image


def _caption(comparison: Comparison, stage: Stage) -> str:
    size = f"{stage.size:,} bytes, {stage.bits_per_pixel():.3f} bpp"
    if not stage.numbers:
        return f"{PurePath(comparison.name).name}\n{stage.title}, {stage.stored[0].form}\n{size}"
    picked = [name for name in ("SSIMULACRA2", "PSNR") if stage.numbers.get(name) is not None]
    return f"{stage.title}\n{size}\n" + ", ".join(f"{name} {stage.numbers[name]:.1f}" for name in picked)


def _cell(image: Image.Image) -> Image.Image:
    """A picture in a cell of the sheet: reduced with smoothing, or enlarged by a whole number without smoothing."""
    image = image.convert("RGB")
    longest = max(image.size)
    if longest > CELL:
        image = image.copy()
        image.thumbnail((CELL, CELL), Image.Resampling.LANCZOS)
    elif longest * 2 <= CELL:
        times = CELL // longest
        image = image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)
    cell = Image.new("RGB", (CELL + 8, CELL + 8), "white")
    cell.paste(image, (4, 4))
    return cell
