"""The keywords of ``image.save``: options of this format, options of other formats, and misspelt ones."""

from __future__ import annotations

import difflib
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from pillow_sdz.errors import SdzOptionError, notice
from pillow_sdz.options import SaveOptions, refuse_both
from pillow_sdz.payloads import kinds
from pillow_sdz.plugin.info import collect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pillow_sdz.container.metadata import Metadata

ENCODING: Final = tuple(field.name for field in fields(SaveOptions))
"""Keywords that are fields of `pillow_sdz.options.SaveOptions`."""

DEPRECATED: Final = {"steps": "denoise_steps"}
"""Old name, which `pillow_sdz.options.SaveOptions` still takes -> new name."""

METADATA: Final = {"exif": "exif", "icc_profile": "icc", "xmp": "xmp", "text": "text"}
"""Keywords that are metadata, see `pillow_sdz.plugin.info.collect` -> fields of `Metadata`."""

FRAMES: Final = ("append_images", "save_all")
"""Keywords that `pillow_sdz.plugin.save` handles: more than one frame is refused there."""

_FIXED: Final = ("quality", "colors", "payload", "effort", "target_size", "step")
"""Options that a profile fixes."""

_FOREIGN = """
    advanced allow_mixed alpha_premultiplied alpha_quality append autotiling background bbox big_tiff bitmap_format bits
    blend bpc bpp chroma cinema_mode codeblock_size codec colorspace comment compress_level compress_type compression
    decoding_speed default_image dictionary disposal dpi duration exact frames hotspot id_section include_color_table
    interlace irreversible keep_rgb kmax kmin loop lossless lossless_jpeg max_threads mct method minimize_size
    num_resolutions num_threads offset optimize orientation palette photoshop pixel_format plt pnginfo precinct_size
    progression progressive qtables quality_layers quality_mode range resolution resolution_unit restart_marker_blocks
    restart_marker_rows rle signed sizes smooth software speed streamtype strip_size subsampling tiffinfo tile_cols
    tile_offset tile_rows tile_size timestamp title transparency use_jpeg version x_resolution y_resolution
"""
FOREIGN: Final = frozenset(_FOREIGN.split())
"""Options of Pillow's other savers, which some programs pass whatever the format. They have no effect here and give a
warning. They are not checked for misspelling: ``speed`` is close to ``step``, but does not mean it."""

HINTS: Final = {
    "speed": "effort (0 to 9) trades time for closeness to the original, and for size",
    "method": "effort (0 to 9) trades time for closeness to the original, and for size",
    "compress_level": "effort (0 to 9) trades time for closeness to the original, and for size",
    "lossless": "payload='pixels' with quality=100 loses nothing",
    "comment": "text={'comment': ...} stores it",
    "pnginfo": "text={...} stores text",
}
"""Option of other savers -> what to use instead, for the warning."""


def save_options(encoderinfo: Mapping[str, Any], info: Mapping[Any, Any]) -> tuple[SaveOptions, Metadata]:
    """Turn the keywords of ``image.save`` into options and metadata.

    A keyword that is None counts as not given, except for metadata, where None (or empty) drops what the image holds.
    An unknown name that is close to an option of this format is an error, which suggests that option. Any other unknown
    name is a warning.

    Args:
        encoderinfo: the keywords.
        info: ``image.info``, the source of metadata that no keyword gives.

    Raises:
        SdzOptionError: a keyword is misspelt, of the wrong type, out of range, or contradicts another.

    >>> save_options({"qualty": 60}, {})
    Traceback (most recent call last):
    ...
    pillow_sdz.errors.SdzOptionError: qualty: no such option; did you mean quality?
    """
    foreign = [name for name in encoderinfo if name not in (*ENCODING, *DEPRECATED, *METADATA, *FRAMES)]
    for name in foreign:
        near = [] if name in FOREIGN else near_misses(name)
        if near:
            raise SdzOptionError("no such option", field=name, remedy=f"did you mean {' or '.join(near)}?")
    given = {name: encoderinfo[name] for name in (*ENCODING, *DEPRECATED) if encoderinfo.get(name) is not None}
    if "target_size" in given:
        refuse_both("target_size", given["target_size"], "quality", given.get("quality"))
    if "step" in given:
        refuse_both("step", given["step"], "quality", given.get("quality"))
    for name in _FIXED:
        refuse_both("profile", given.get("profile"), name, given.get(name))
    options = SaveOptions(**given)
    metadata = collect({name: encoderinfo[name] for name in METADATA if name in encoderinfo}, info)
    for name in foreign:
        hint = f": {HINTS[name]}" if name in HINTS else ""
        notice(f"option {name} means nothing to the SDZ format and was ignored{hint}")
    instead = next(iter(options.payload_keywords()), None)
    if options.payload is not None and kinds.payload(options.payload).lossless:
        instead = f"payload={options.payload!r}"
    if "quality" in given and instead is not None:
        notice(f"option quality was ignored: {instead} fixes what it would choose")
    return options, metadata


def near_misses(name: str) -> list[str]:
    """The options of this format that a misspelt name may have been meant for, best match first.

    >>> near_misses("colours"), near_misses("icc"), near_misses("zebra")
    (['colors'], ['icc_profile'], [])
    """
    plain = name.lower().replace("-", "_")
    known = (*ENCODING, *METADATA)
    close = difflib.get_close_matches(plain, known, n=2, cutoff=0.72)
    return close or [option for option in known if len(plain) > 2 and option.startswith(plain)]
