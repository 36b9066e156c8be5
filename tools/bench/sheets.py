"""Pictures side by side at the same number of bytes, with captions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

from pillow_sdz.evaluation.codecs import Format, decoded, largest_not_above
from pillow_sdz.evaluation.report.sheet import CAPTION, Pieces, sheet

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["CAPTION", "Pieces", "cropped", "equal_bytes", "sheet", "wrapped", "write"]


def equal_bytes(image: Image.Image, sdz: Format, others: Sequence[Format], quality: int) -> Pieces:
    """The original, the .sdz, and each other format at the highest quality whose file is not above the .sdz's.

    Returns:
        Caption (format, bits per pixel, bytes) -> picture. A file that is larger at its lowest quality says so.
    """
    data = sdz.encode(image, quality)
    pieces = {"original": image, _caption(sdz.label, data, image): decoded(data)}
    for form in others:
        file = largest_not_above(form, image, len(data)).data
        more = f", {len(file) / len(data):.1f} x the bytes" if len(file) > len(data) else ""
        pieces[_caption(form.label, file, image) + more] = decoded(file)
    return pieces


def _caption(label: str, data: bytes, image: Image.Image) -> str:
    return f"{label}, {8 * len(data) / (image.width * image.height):.3f} bpp, {len(data):,} bytes"


def cropped(pieces: Pieces, box: tuple[int, int, int, int], scale: int = 1) -> Pieces:
    """A part of each piece, enlarged by a whole number."""
    size = ((box[2] - box[0]) * scale, (box[3] - box[1]) * scale)
    return {label: piece.crop(box).resize(size, Image.Resampling.NEAREST) for label, piece in pieces.items()}


def wrapped(pieces: Pieces) -> list[Pieces]:
    """Rows of two for wide pictures, one row for tall ones."""
    items = list(pieces.items())
    width, height = items[0][1].size
    columns = 2 if width >= height else len(items)
    return [dict(items[start : start + columns]) for start in range(0, len(items), columns)]


def write(image: Image.Image, path: Path) -> None:
    """Save a sheet; WebP at a quality that does not disturb the comparison much."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **({"quality": 88, "method": 6} if path.suffix == ".webp" else {}))
