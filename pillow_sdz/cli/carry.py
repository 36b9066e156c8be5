"""Metadata on its way from one file to the other: EXIF, ICC profile, XMP and text, as far as the format holds them."""

from __future__ import annotations

from typing import Any

from PIL import ExifTags, Image
from PIL.PngImagePlugin import MAX_TEXT_CHUNK, PngInfo

from pillow_sdz.cli.settings import METADATA
from pillow_sdz.info import EXIF_PREFIX, collect

_XMP_KEYWORD = "XML:com.adobe.xmp"  # where PNG keeps XMP (XMP specification, part 3, 1.1.5)
_XMP_TAG = 700  # where TIFF keeps it (same, 1.1.4)
# What Pillow's own savers write; formats that are not listed (other plugins) are given all they may understand.
_HOLDS = {
    "AVIF": {"exif", "icc", "xmp"},
    "BMP": set[str](),
    "DDS": set[str](),
    "GIF": set[str](),
    "ICO": set[str](),
    "JPEG": {"exif", "icc", "xmp"},
    "JPEG2000": set[str](),
    "PCX": set[str](),
    "PDF": set[str](),
    "PNG": {"exif", "icc", "xmp", "text"},
    "PPM": set[str](),
    "QOI": set[str](),
    "TGA": set[str](),
    "TIFF": {"exif", "icc", "xmp"},
    "WEBP": {"exif", "icc", "xmp"},
}
# The tags of a TIFF that tell about the picture, not about how the file stores it; among those of EXIF there may be
# stale sizes and compressions, which Pillow's TIFF saver would write over the true ones.
_DESCRIPTIVE = (
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.HostComputer,
    ExifTags.Base.Copyright,
)
_SUB_DIRECTORIES = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)


def into_sdz(picture: Image.Image, strip: frozenset[str]) -> dict[str, Any]:
    """Keywords for saving a loaded ``picture`` as SDZ. What is not mentioned the plugin takes from ``picture.info``."""
    keywords: dict[str, Any] = {{"icc": "icc_profile"}.get(kind, kind): None for kind in strip}
    if "exif" not in strip and picture.format == "TIFF":
        # The orientation is not among these tags: Pillow turns TIFFs when it loads them.
        keywords["exif"] = _descriptive(picture.getexif()) or None
    return keywords


def _descriptive(tags: Image.Exif, *more: int) -> bytes:
    """EXIF with the tags that describe the picture, and ``more``; empty if there are none."""
    exif = Image.Exif()
    for tag in (*_DESCRIPTIVE, *more):
        if tag in tags:
            exif[tag] = tags[tag]
    for number in _SUB_DIRECTORIES:
        if directory := tags.get_ifd(number):
            exif[number] = dict(directory)
    return exif.tobytes() if len(exif) else b""


def from_sdz(picture: Image.Image, format_name: str, strip: frozenset[str]) -> tuple[dict[str, Any], list[str]]:
    """Keywords for saving ``picture``, opened from SDZ, in another format, and notes on what that cannot hold."""
    metadata = collect({}, picture.info)
    there: dict[str, Any] = {"exif": metadata.exif, "icc": metadata.icc, "xmp": metadata.xmp, "text": metadata.text}
    holds = _HOLDS.get(format_name, METADATA)
    keep = {kind: value for kind, value in there.items() if value and kind not in strip and kind in holds}
    lost = [kind for kind, value in there.items() if value and kind not in strip and kind not in holds]
    notes = [f"{', '.join(lost)} not kept: {format_name} has no place for it"] if lost else []
    keywords: dict[str, Any] = {"icc_profile": keep.get("icc")}  # None: Pillow's savers would take it from info
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
    """EXIF and XMP as tags for Pillow's TIFF saver."""
    tags, chosen = Image.Exif(), Image.Exif()
    if exif:
        tags.load(exif)
    chosen.load(_descriptive(tags, ExifTags.Base.Orientation))
    if xmp:
        chosen[_XMP_TAG] = xmp
    return chosen


def _png_text(text: dict[str, str], xmp: bytes | None) -> tuple[PngInfo, list[str]]:
    """Text chunks, and notes on what PNG cannot hold."""
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
            chunks.add_itxt(_XMP_KEYWORD, xmp.decode())
        except UnicodeDecodeError:
            notes.append("xmp not kept: it is not UTF-8, as PNG demands")
    return chunks, notes


def _is_png_keyword(key: str) -> bool:
    """Whether PNG allows this keyword (PNG specification, third edition, 11.3.3.1), and it is not that of XMP."""
    plain = all(0x20 <= ord(c) <= 0x7E or 0xA1 <= ord(c) <= 0xFF for c in key)
    return plain and 1 <= len(key) <= 79 and key == key.strip(" ") and key != _XMP_KEYWORD
