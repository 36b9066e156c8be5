"""Which parts of EXIF are stored: all that a person or a program reads, or the orientation alone."""

from __future__ import annotations

from typing import Final

from PIL.ExifTags import Base

from pillow_sdz.container.orientation import ORIENTATION
from pillow_sdz.container.tiff import ASCII, Directory, Value, has_next_directory, read_tiff, write_tiff
from pillow_sdz.errors import SdzFormatError, notice

MAKER_NOTE: Final = int(Base.MakerNote)
_PRIVATE: Final = (0xEA1C, 0xEA1D, 0xC4A5)
"""Microsoft's padding and offset schema, and Epson's PrintIM."""

_DNG: Final = range(0xC612, 0xC800)

_LEFT_OUT: Final = frozenset(
    {
        # how the pixels of the original file were stored
        Base.NewSubfileType, Base.SubfileType, Base.ImageWidth, Base.ImageLength, Base.BitsPerSample, Base.Compression,
        Base.PhotometricInterpretation, Base.FillOrder, Base.StripOffsets, Base.SamplesPerPixel, Base.RowsPerStrip,
        Base.StripByteCounts, Base.PlanarConfiguration, Base.Predictor, Base.TransferFunction, Base.WhitePoint,
        Base.PrimaryChromaticities, Base.ColorMap, Base.TileWidth, Base.TileLength, Base.TileOffsets,
        Base.TileByteCounts, Base.SubIFDs, Base.ExtraSamples, Base.SampleFormat, Base.JPEGTables, Base.JPEGProc,
        Base.JpegIFOffset, Base.JpegIFByteCount, Base.YCbCrCoefficients, Base.YCbCrSubSampling,
        Base.YCbCrPositioning, Base.ReferenceBlackWhite, Base.ComponentsConfiguration, Base.CompressedBitsPerPixel,
        Base.ExifImageWidth, Base.ExifImageHeight, Base.FlashPixVersion, Base.ExifInteroperabilityOffset,
        # copies of what has a place of its own
        Base.XMLPacket, Base.InterColorProfile,
        # for programs of the maker, or for raw pictures
        MAKER_NOTE, Base.ImageResources, Base.OECF, Base.SpatialFrequencyResponse, Base.CFAPattern,
        Base.CFARepeatPatternDim, Base.DeviceSettingDescription, 0x828E, *_PRIVATE, *_DNG,
    }
)  # fmt: skip
"""Tags of the first directory and of EXIF that are not stored by default."""

_SHORT: Final = 3
_COMMENT_HEAD: Final = 8
"""Bytes of a user comment that name its character set (Exif 3.0, 4.6.6.4)."""


def useful_exif(data: bytes) -> tuple[bytes | None, tuple[str, ...]]:
    """EXIF as it is stored by default: a TIFF stream in normal form without what nobody reads.

    Values are kept as they are, but for zero bytes at the end of texts; texts without content are left out.

    Args:
        data: from the TIFF head on. If it cannot be read, there is a warning, and nothing is stored.

    Returns:
        EXIF, or None if nothing remains; and which large parts were left out, in words.
    """
    try:
        directory = read_tiff(data)
    except SdzFormatError as error:
        notice(f"the EXIF data are damaged and were left out ({error}); metadata='all' keeps them")
        return None, ("damaged EXIF",)
    kept = _useful(directory, _LEFT_OUT)
    words = ["thumbnail"] if has_next_directory(data) else []
    below = directory.get(int(Base.ExifOffset))
    if isinstance(below, dict) and MAKER_NOTE in below:
        words.append("maker note")
    return write_tiff(kept) if kept else None, tuple(words)


def _useful(directory: Directory, left_out: frozenset[int]) -> Directory:
    useful: Directory = {}
    for tag, value in directory.items():
        if tag in left_out:
            continue
        if not isinstance(value, Value):
            below = _useful(value, left_out if tag == Base.ExifOffset else frozenset())
            if below:
                useful[tag] = below
        elif (trimmed := _trimmed(tag, value)) is not None:
            useful[tag] = trimmed
    return useful


def _trimmed(tag: int, value: Value) -> Value | None:
    """The value without the zero bytes after a text; None if it has no content."""
    text = value.data[_COMMENT_HEAD:] if tag == Base.UserComment else value.data
    if not value.data or ((value.type == ASCII or tag == Base.UserComment) and not text.strip(b"\0 ")):
        return None
    if value.type != ASCII:
        return value
    text = value.data.rstrip(b"\0") + b"\0"
    return Value(ASCII, len(text), text)


def orientation_exif(orientation: int | None) -> bytes | None:
    """EXIF that holds an orientation and nothing else; None if that is unknown, or 1 (upright)."""
    if orientation is None or orientation == 1:
        return None
    return write_tiff({ORIENTATION: Value(_SHORT, 1, orientation.to_bytes(2, "little"))})
