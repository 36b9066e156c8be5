"""Metadata of the output file: EXIF, ICC profile, XMP and text, as far as its format can hold them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from PIL import ExifTags, Image
from PIL.PngImagePlugin import MAX_TEXT_CHUNK, PngInfo

from pillow_sdz.cli.settings import METADATA
from pillow_sdz.plugin.info import collect
from pillow_sdz.plugin.metadata.descriptive import descriptive_exif
from pillow_sdz.plugin.metadata.keys import EXIF_PREFIX, PNG_XMP
from pillow_sdz.plugin.metadata.levels import by_level
from pillow_sdz.plugin.metadata.report import listener
from pillow_sdz.plugin.save_keywords import METADATA as KEYWORDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pillow_sdz.cli.settings import Settings

_XMP_TAG = 700  # TIFF's tag for XMP (XMP specification, part 3, 1.1.4)
# The kinds that Pillow's own savers write. Savers of formats that are not listed (other plugins) are given all kinds.
_HOLDS = {
    "AVIF": {"exif", "icc", "xmp"},
    "BMP": set[str](),
    "DDS": set[str](),
    "DIB": set[str](),
    "EPS": set[str](),
    "GIF": set[str](),
    "ICNS": set[str](),
    "ICO": set[str](),
    "IM": set[str](),
    "JPEG": {"exif", "icc", "xmp"},
    "JPEG2000": set[str](),
    "MPO": {"exif", "icc", "xmp"},
    "PCX": set[str](),
    "PDF": set[str](),
    "PNG": {"exif", "icc", "xmp", "text"},
    "PPM": set[str](),
    "QOI": set[str](),
    "SGI": set[str](),
    "SPIDER": set[str](),
    "TGA": set[str](),
    "TIFF": {"exif", "icc", "xmp"},
    "WEBP": {"exif", "icc", "xmp"},
}
_COMMENT = "comment"  # key of the text, and name of the saver's keyword
_HOLDS_COMMENT = ("GIF", "JPEG", "JPEG2000", "MPO")  # formats that hold one text, without a key


def into_sdz(settings: Settings) -> dict[str, Any]:
    """Keywords for saving a picture as SDZ with the metadata that the settings ask for, which are the picture's."""
    keywords: dict[str, Any] = {name: None for name, kind in KEYWORDS.items() if kind in settings.strip}
    return keywords if settings.metadata is None else {**keywords, "metadata": settings.metadata}


@contextmanager
def noting_left_out(notes: list[str]) -> Iterator[None]:
    """Within the block, add a note for each picture of which saving leaves out metadata."""

    def note(parts: tuple[str, ...], saved: int) -> None:
        notes.append(f"without {', '.join(parts)}: {saved:,} bytes less; --metadata all keeps them")

    token = listener.set(note)
    try:
        yield
    finally:
        listener.reset(token)


def from_sdz(picture: Image.Image, format_name: str, settings: Settings) -> tuple[dict[str, Any], list[str]]:
    """Keywords for saving a decoded picture in another format, with the metadata that the settings ask for.

    Args:
        picture: opened from an SDZ file.
        format_name: Pillow's name of the format.
        settings: those of the run.

    Returns:
        The keywords, and notes on metadata that the format cannot hold.
    """
    strip = settings.strip
    metadata = collect({}, picture.info)
    if settings.metadata is not None:
        metadata = by_level(metadata, settings.metadata)[0]
    text = dict(metadata.text)
    comment = text.pop(_COMMENT, None) if format_name in _HOLDS_COMMENT else None
    there: dict[str, Any] = {"exif": metadata.exif, "icc": metadata.icc, "xmp": metadata.xmp, "text": text}
    holds = _HOLDS.get(format_name, METADATA)
    keep = {kind: value for kind, value in there.items() if value and kind not in strip and kind in holds}
    lost = [kind for kind, value in there.items() if value and kind not in strip and kind not in holds]
    notes = [f"{', '.join(lost)} not kept: {format_name} has no place for it"] if lost else []
    keywords: dict[str, Any] = {"icc_profile": keep.get("icc")}
    if comment and "text" not in strip:
        keywords[_COMMENT] = comment.encode()
    exif, xmp = keep.get("exif"), keep.get("xmp")
    if format_name == "TIFF":
        if exif or xmp:
            keywords["exif"] = _tiff_tags(exif, xmp)
        return keywords, notes
    if exif:
        keywords["exif"] = EXIF_PREFIX + exif  # Pillow's savers that do not want the prefix remove it
    if format_name == "PNG":
        keywords["pnginfo"], refused = _png_text(keep.get("text", {}), xmp)
        notes += refused
    elif xmp:
        keywords["xmp"] = xmp
    return keywords, notes


def _tiff_tags(exif: bytes | None, xmp: bytes | None) -> Image.Exif:
    """EXIF (only tags that describe the picture) and XMP as tags for Pillow's TIFF saver."""
    tags, chosen = Image.Exif(), Image.Exif()
    if exif:
        tags.load(exif)
    chosen.load(descriptive_exif(tags, ExifTags.Base.Orientation))
    if xmp:
        chosen[_XMP_TAG] = xmp
    return chosen


def _png_text(text: dict[str, str], xmp: bytes | None) -> tuple[PngInfo, list[str]]:
    """Texts and XMP as PNG's text chunks, and notes on what PNG cannot hold."""
    chunks, notes = PngInfo(), []
    for key, value in text.items():
        if not _is_png_keyword(key):
            notes.append(f"text {key[:80]!r} not kept: PNG keywords are 1 to 79 printable Latin-1 characters")
            continue
        compressed = 1024 < len(value.encode()) <= MAX_TEXT_CHUNK  # Pillow would refuse to inflate more
        try:
            value.encode("latin-1")
        except UnicodeEncodeError:
            chunks.add_itxt(key, value, zip=compressed)
        else:
            chunks.add_text(key, value, zip=compressed)
    if xmp:
        try:
            chunks.add_itxt(PNG_XMP, xmp.decode())
        except UnicodeDecodeError:
            notes.append("xmp not kept: it is not UTF-8, as PNG demands")
    return chunks, notes


def _is_png_keyword(key: str) -> bool:
    """Whether PNG allows this keyword (PNG specification, third edition, 11.3.3.1), and it is not that of XMP."""
    plain = all(0x20 <= ord(c) <= 0x7E or 0xA1 <= ord(c) <= 0xFF for c in key)
    return plain and 1 <= len(key) <= 79 and key == key.strip(" ") and key != PNG_XMP
