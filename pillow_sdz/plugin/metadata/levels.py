"""How much of an image's metadata is stored, by the option ``metadata`` of saving."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pillow_sdz.container.colour_spaces import GREY_MODES, GREY_SPACES
from pillow_sdz.container.framing import section_bytes
from pillow_sdz.container.metadata import Metadata, encode_metadata
from pillow_sdz.container.orientation import orientation_of
from pillow_sdz.errors import SdzLimitError
from pillow_sdz.plugin.colour.build import profile_of
from pillow_sdz.plugin.colour.recognise import recognise
from pillow_sdz.plugin.metadata.exif import orientation_exif, useful_exif
from pillow_sdz.plugin.metadata.report import listener
from pillow_sdz.plugin.metadata.xmp import useful_xmp

if TYPE_CHECKING:
    from collections.abc import Collection


def reduced(metadata: Metadata, level: str, mode: str, fixed: Collection[str] = ()) -> Metadata:
    """What a level keeps of metadata, after telling the listener of `pillow_sdz.plugin.metadata.report` the rest.

    Args:
        metadata: all of it.
        level: one of `pillow_sdz.options.METADATA_LEVELS`.
        mode: of the picture that is stored: L, LA, RGB or RGBA.
        fixed: kinds of metadata, fields of `Metadata`, that are kept as they are, as the caller gave them.
    """
    nothing = Metadata()
    kept, left_out = by_level(replace(metadata, **{kind: getattr(nothing, kind) for kind in fixed}), level)
    kept = replace(kept, **{kind: getattr(metadata, kind) for kind in fixed})
    kept = _with_named_space(kept, mode, exactly=level == "all" or "icc" in fixed)
    heard = listener.get()
    if heard is not None and left_out:
        heard(left_out, _size(replace(metadata, icc=None)) - _size(replace(kept, icc=None)))
    return kept


def by_level(metadata: Metadata, level: str) -> tuple[Metadata, tuple[str, ...]]:
    """What a level keeps of metadata, and what of EXIF and XMP the level ``useful`` leaves out, in words."""
    if level == "all":
        return metadata, ()
    if level == "none":
        return Metadata(), ()
    if level == "essential":
        orientation = orientation_exif(orientation_of(metadata))
        return Metadata(icc=metadata.icc, exif=orientation, colour_space=metadata.colour_space), ()
    exif, of_exif = (None, ()) if metadata.exif is None else useful_exif(metadata.exif)
    xmp, of_xmp = (None, ()) if metadata.xmp is None else useful_xmp(metadata.xmp)
    return replace(metadata, exif=exif, xmp=xmp), tuple(dict.fromkeys((*of_exif, *of_xmp)))


def _with_named_space(metadata: Metadata, mode: str, *, exactly: bool) -> Metadata:
    """Metadata that name the colour space of their ICC profile instead of it, where the header can.

    Args:
        metadata: with a profile or without one.
        mode: as for `reduced`.
        exactly: whether the profile has to come back byte by byte.
    """
    space = None if metadata.icc is None else recognise(metadata.icc)
    if space is None or (exactly and profile_of(space) != metadata.icc):
        return metadata
    if space in GREY_SPACES and mode not in GREY_MODES:
        return metadata
    return replace(metadata, icc=None, colour_space=space)


def _size(metadata: Metadata) -> int:
    """Bytes that metadata take in a file; of more than may be stored, those that they take without compression."""
    try:
        return sum(section_bytes(len(body)) for body in encode_metadata(metadata).values())
    except SdzLimitError:
        return len(metadata.exif or b"") + len(metadata.xmp or b"")
