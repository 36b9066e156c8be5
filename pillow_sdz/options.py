"""The options of ``image.save``: ranges and defaults, contradictions, misspelt names, and other formats' options."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pillow_sdz import limits
from pillow_sdz.errors import SdzOptionError, notice
from pillow_sdz.plugin.info import Metadata, collect
from pillow_sdz.settings import STEPS, decode, real, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Metadata", "SaveOptions", "decode", "save_options"]

PAYLOADS: Final = ("scalar", "palette", "direct")

PROFILES: Final = ("buehlmann2022",)
"""Experiments of others that can be repeated to the byte; see `pillow_sdz.codec.buehlmann2022`."""

_FIXED: Final = ("quality", "colors", "payload", "effort", "target_size", "step")
"""Options that a profile fixes."""

STEP: Final = (limits.MIN_STEP / 16, limits.MAX_STEP / 16)
"""Range of the quantiser's step in codes; the file counts it in sixteenths."""

ENCODING: Final = ("quality", "colors", "model", "steps", "payload", "effort", "target_size", "step", "profile")
METADATA: Final = ("exif", "icc_profile", "xmp", "text")

FRAMES: Final = ("append_images", "save_all")
"""Handled by `pillow_sdz.plugin.save`: more than one frame is refused there."""

_FOREIGN = """
    advanced allow_mixed alpha_premultiplied alpha_quality append autotiling background bbox big_tiff bitmap_format bits
    blend bpc bpp chroma cinema_mode codeblock_size codec colorspace comment compress_level compress_type compression
    decoding_speed default_image dictionary disposal dpi duration exact frames hotspot id_section include_color_table
    interlace irreversible keep_rgb kmax kmin loop lossless lossless_jpeg max_threads mct metadata method minimize_size
    num_resolutions num_threads offset optimize orientation palette photoshop pixel_format plt pnginfo precinct_size
    progression progressive qtables quality_layers quality_mode range resolution resolution_unit restart_marker_blocks
    restart_marker_rows rle signed sizes smooth software speed streamtype strip_size subsampling tiffinfo tile_cols
    tile_offset tile_rows tile_size timestamp title transparency use_jpeg version x_resolution y_resolution
"""
FOREIGN: Final = frozenset(_FOREIGN.split())
"""Options of other savers that callers pass without asking for the format. They mean nothing here: a warning, and no
near miss is looked for (``speed`` is close to ``steps``, and is not a misspelling of it)."""

HINTS: Final = {
    "speed": "effort (0 to 9) trades time for size, of palettes, direct latents and alpha",
    "method": "effort (0 to 9) trades time for size, of palettes, direct latents and alpha",
    "compress_level": "effort (0 to 9) trades time for size, of palettes, direct latents and alpha",
    "lossless": "the format is lossy; payload='direct' is the closest to the original",
    "comment": "text={'comment': ...} stores it",
    "pnginfo": "text={...} stores text",
}


@dataclass(frozen=True)
class SaveOptions:
    """How to encode a picture. Building one checks every field.

    Attributes:
        quality: 0 (smallest) to 100 (best), on the ladder of steps of `pillow_sdz.payloads.scalar.rate_control`, or of palettes of
            `pillow_sdz.payloads.palette.rate_control` if palettes are asked for or the model has no prior.
        colors: palette entries, 2 to 4096, or one to eight such numbers, one per layer; instead of ``quality``.
        model: name of the model, with a version (``tiny-8``) or without (``tiny``, the newest).
        steps: U-Net steps that readers should use by default, 0 to 255; None leaves it to the model.
        payload: ``scalar`` (values in uniform steps, coded with the model's prior), ``palette``, ``direct`` (8-bit
            codes: larger, closer to the original), or None to let the model and the quality decide.
        effort: 0 (fastest) to 9 (smallest); for palettes, direct latents and alpha. A scalar payload has one coding.
        target_size: size in bytes that the file must not exceed; the best quality that fits is taken.
        step: step of a scalar payload in codes, 1.0 (largest file) to 128.0; instead of ``quality``.
        profile: ``buehlmann2022``, the palette of 256 dithered entries of his experiment: the middle square of the
            picture at 512x512 pixels, about 5 kB; ``model`` is one of Stable Diffusion 1.x.

    Raises:
        SdzOptionError: a value is of the wrong type, out of range, or contradicts another.
    """

    quality: int = 50
    colors: int | tuple[int, ...] | None = None
    model: str = "tiny"
    steps: int | None = None
    payload: str | None = None
    effort: int = 4
    target_size: int | None = None
    step: float | None = None
    profile: str | None = None

    def __post_init__(self) -> None:
        def put(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        put("quality", whole("quality", self.quality, 0, 100))
        put("effort", whole("effort", self.effort, 0, 9))
        if self.colors is not None:
            put("colors", _colors(self.colors))
        if self.steps is not None:
            put("steps", whole("steps", self.steps, *STEPS))
        if self.target_size is not None:
            put("target_size", whole("target_size", self.target_size, 1, limits.MAX_SECTION_BYTES, " bytes"))
        if self.step is not None:
            put("step", real("step", self.step, *STEP, " codes"))
        if not isinstance(self.model, str) or not self.model:
            expected = "the name of a model, as 'tiny'"
            raise SdzOptionError("is not a name", field="model", found=repr(self.model), expected=expected)
        if self.payload not in (None, *PAYLOADS):
            expected = ", ".join(PAYLOADS[:-1]) + f" or {PAYLOADS[-1]}"
            raise SdzOptionError("no such payload", field="payload", found=repr(self.payload), expected=expected)
        if self.profile not in (None, *PROFILES):
            expected = " or ".join(PROFILES)
            raise SdzOptionError("no such profile", field="profile", found=repr(self.profile), expected=expected)
        _refuse_both("target_size", self.target_size, "colors", self.colors)
        _refuse_both("target_size", self.target_size, "payload", self.payload)
        _refuse_both("step", self.step, "target_size", self.target_size)
        _refuse_both("step", self.step, "colors", self.colors)
        if self.payload in ("direct", "scalar"):
            _refuse_both(f"payload={self.payload!r}", self.payload, "colors", self.colors)
        if self.payload in ("direct", "palette"):
            _refuse_both(f"payload={self.payload!r}", self.payload, "step", self.step)


def _refuse_both(first: str, one: object, second: str, other: object) -> None:
    if one is not None and other is not None:
        raise SdzOptionError(f"cannot be given together with {second}", field=first, remedy="give one of them")


def _colors(value: object) -> int | tuple[int, ...]:
    """Check `colors`: a number of palette entries, or a sequence of one to eight of them."""
    low, high = limits.MIN_ENTRIES, limits.MAX_ENTRIES
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        return whole("colors", value, low, high)
    if not 1 <= len(value) <= limits.MAX_LAYERS:
        expected = f"1 to {limits.MAX_LAYERS} layers"
        raise SdzOptionError("wrong number of layers", field="colors", found=len(value), expected=expected)
    return tuple(whole("colors", entries, low, high) for entries in value)


def save_options(encoderinfo: Mapping[str, Any], info: Mapping[Any, Any]) -> tuple[SaveOptions, Metadata]:
    """Turn the keywords of ``image.save`` into options and metadata.

    A keyword that is None counts as not given, except for the metadata, where None (or empty) drops what the image
    holds. A name that is nearly one of ours is an error that names it; any other unknown name is a warning.

    Args:
        encoderinfo: the keywords.
        info: ``image.info``, from which metadata come that no keyword gives.

    Raises:
        SdzOptionError: a keyword is misspelt, of the wrong type, out of range, or contradicts another.

    >>> save_options({"qualty": 60}, {})
    Traceback (most recent call last):
    ...
    pillow_sdz.errors.SdzOptionError: qualty: no such option; did you mean quality?
    """
    foreign = [name for name in encoderinfo if name not in (*ENCODING, *METADATA, *FRAMES)]
    for name in foreign:
        near = [] if name in FOREIGN else near_misses(name)
        if near:
            raise SdzOptionError("no such option", field=name, remedy=f"did you mean {' or '.join(near)}?")
    given = {name: encoderinfo[name] for name in ENCODING if encoderinfo.get(name) is not None}
    if "target_size" in given:
        _refuse_both("target_size", given["target_size"], "quality", given.get("quality"))
    if "step" in given:
        _refuse_both("step", given["step"], "quality", given.get("quality"))
    for name in _FIXED:
        _refuse_both("profile", given.get("profile"), name, given.get(name))
    options = SaveOptions(**given)
    metadata = collect({name: encoderinfo[name] for name in METADATA if name in encoderinfo}, info)
    for name in foreign:
        hint = f": {HINTS[name]}" if name in HINTS else ""
        notice(f"option {name} means nothing to the SDZ format and was ignored{hint}")
    if "quality" in given and (options.colors is not None or options.payload == "direct"):
        winner = "colors" if options.colors is not None else "payload='direct'"
        notice(f"option quality was ignored: {winner} fixes what it would choose")
    return options, metadata


def near_misses(name: str) -> list[str]:
    """Our options that a name may have been meant for, best first.

    >>> near_misses("colours"), near_misses("icc"), near_misses("zebra")
    (['colors'], ['icc_profile'], [])
    """
    plain = name.lower().replace("-", "_")
    known = (*ENCODING, *METADATA)
    close = difflib.get_close_matches(plain, known, n=2, cutoff=0.72)
    return close or [option for option in known if len(plain) > 2 and option.startswith(plain)]
