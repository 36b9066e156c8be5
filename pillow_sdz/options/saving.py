"""The options of ``image.save``: names, ranges, defaults, contradictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import InitVar, dataclass
from typing import TYPE_CHECKING, Final

from pillow_sdz import limits
from pillow_sdz.errors import SdzOptionError, warn_of_old_name
from pillow_sdz.limits import real, whole
from pillow_sdz.options.decoding import check_denoise_steps
from pillow_sdz.payloads import kinds

if TYPE_CHECKING:
    from collections.abc import Callable

STEP: Final = (limits.MIN_STEP / 16, limits.MAX_STEP / 16)
"""Range of the quantiser's step in codes; the file counts it in sixteenths."""

PROFILES: Final = ("buehlmann2022",)
"""Published experiments that can be repeated to the byte; see `pillow_sdz.codec.buehlmann2022`."""

METADATA_LEVELS: Final = ("useful", "all", "essential", "none")
"""How much of an image's metadata is stored; see `SaveOptions`."""

GUARDED_EFFORT: Final = 3
"""The effort from which on the encoder looks at what a reader will see; see ``guard``."""

SSIMULACRA2: Final = "ssimulacra2"
"""The value of the option ``error`` that also measures SSIMULACRA 2."""


@dataclass(frozen=True)
class SaveOptions:
    """How to encode a picture. Building one checks every field.

    Attributes:
        quality: 0 (smallest) to 100 (best); the payload kind maps it to a quantiser step or to palette sizes.
        colors: palette entries, 2 to 4096, or one to eight such numbers, one per layer; instead of ``quality``.
        model: name of the model, with a version (``tiny-8``) or without (``tiny``, the newest).
        denoise_steps: U-Net steps that readers should take by default, 0 to 255; None takes the model's default.
        payload: ``scalar`` (uniformly quantised prediction residuals), ``palette`` (vector quantisation), ``direct``
            (8-bit codes: larger, closer to the original), ``pixels`` (no model: the picture as AV1, or as lossless VP8L
            where that is smaller and at quality 100, if no side is longer than 16,383 pixels), or None to let the model
            and the quality decide.
        effort: 0 (fastest) to 9 (best): from 4 on the latents of scalar payloads are refined, see
            `pillow_sdz.refinement`; palettes, direct codes and alpha get smaller.
        target_size: maximum size of the file in bytes; the best quality found that fits is taken.
        step: step of the scalar payload's quantiser in codes, 1.0 (largest file) to 128.0; instead of ``quality``.
        profile: ``buehlmann2022``, as in Bühlmann's experiment of 2022: the middle square of the picture at 512x512
            pixels, palettised to 256 entries with dithering, about 5 kB; ``model`` is one of Stable Diffusion 1.x.
        metadata: which metadata of the image are stored. ``useful``: what a person or a program reads, without embedded
            thumbnails, maker notes and padding; a usual ICC profile is stored as the name of its colour space.
            ``all``: every byte. ``essential``: orientation and colour. ``none``: nothing at all. Metadata that are
            given as keywords are stored as they are, whatever the level.
        guard: whether the encoder decodes its own file, and stores as pixels what came out wrong and matters:
            lettering, small faces, regular structure; or the whole picture, where that is closer to the original at the
            same bytes, or at a ``quality`` that models do not reach: then ``model`` and ``denoise_steps`` mean
            nothing. None: from effort 3 on, unless there is a ``profile``. With ``payload``, ``colors`` or ``step``,
            parts only.
        error: whether the file says how far its picture, as decoded, is from the original: True where the encoder
            decodes it anyway (with the guard), False never. ``ssimulacra2`` at any effort, and SSIMULACRA 2 as well,
            which needs the package of that name and 0.4 s for 512x512 pixels, ten times as long as the rest.
        error_map: whether it also says where, in a coarse map; at any effort.
        steps: deprecated name of ``denoise_steps``.

    Raises:
        SdzOptionError: a value is of the wrong type, out of range, or contradicts another.
    """

    quality: int = 50
    colors: int | tuple[int, ...] | None = None
    model: str = "tiny"
    denoise_steps: int | None = None
    payload: str | None = None
    effort: int = 4
    target_size: int | None = None
    step: float | None = None
    profile: str | None = None
    metadata: str = "useful"
    guard: bool | None = None
    error: bool | str = True
    error_map: bool = False
    steps: InitVar[int | None] = None

    def __post_init__(self, steps: int | None) -> None:
        def put(name: str, value: object) -> None:  # the dataclass is frozen
            object.__setattr__(self, name, value)

        if steps is not None:
            warn_of_old_name("steps", "denoise_steps")
            refuse_both("steps", steps, "denoise_steps", self.denoise_steps)
            put("denoise_steps", steps)
        put("quality", whole("quality", self.quality, 0, 100))
        put("effort", whole("effort", self.effort, 0, 9))
        checks: dict[str, Callable[[object], object]] = {
            "colors": _colors,
            "denoise_steps": check_denoise_steps,
            "target_size": lambda size: whole("target_size", size, 1, limits.MAX_SECTION_BYTES, " bytes"),
            "step": lambda step: real("step", step, *STEP, " codes"),
        }
        for name, check in checks.items():
            if (value := getattr(self, name)) is not None:
                put(name, check(value))
        if not isinstance(self.model, str) or not self.model:
            expected = "the name of a model, as 'tiny'"
            raise SdzOptionError("is not a name", field="model", found=repr(self.model), expected=expected)
        self._check_choice("payload", kinds.KINDS)
        self._check_choice("profile", PROFILES)
        self._check_choice("metadata", METADATA_LEVELS)
        self._check_choice("guard", (True, False))
        self._check_choice("error", (True, False, SSIMULACRA2))
        self._check_choice("error_map", (True, False))
        self._check_contradictions()

    def _check_choice(self, field: str, choices: tuple[str | bool, ...]) -> None:
        value = getattr(self, field)
        if not any(value is choice or (value == choice and isinstance(value, str)) for choice in (None, *choices)):
            words = list(map(str, choices))
            expected = " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))
            raise SdzOptionError(f"no such {field}", field=field, found=repr(value), expected=expected)

    def _check_contradictions(self) -> None:
        if self.guard:
            refuse_both("guard", self.guard, "profile", self.profile)
        keywords = self.payload_keywords()
        refuse_both("target_size", self.target_size, "payload", self.payload)
        if self.payload is not None and not kinds.payload(self.payload).needs_model:
            refuse_both(f"payload={self.payload!r}", self.payload, "denoise_steps", self.denoise_steps)
        for name, kind in keywords.items():
            refuse_both("target_size", self.target_size, name, getattr(self, name))
            for other, other_kind in keywords.items():
                if kind != other_kind:
                    refuse_both(name, name, other, other)
            if self.payload not in (None, kind):
                refuse_both(f"payload={self.payload!r}", self.payload, name, getattr(self, name))

    @property
    def guarded(self) -> bool:
        """Whether the guard is on."""
        if self.guard is None:
            return self.profile is None and self.effort >= GUARDED_EFFORT
        return self.guard

    @property
    def may_be_pixels(self) -> bool:
        """Whether the guard may store the whole picture as pixels: nothing else is asked for."""
        return self.payload is None and not self.payload_keywords()

    @property
    def asks_for_error(self) -> bool:
        """Whether the error is to be measured even if the encoder would not decode the file otherwise."""
        return self.error == SSIMULACRA2 or self.error_map

    def payload_keywords(self) -> dict[str, str]:
        """The given options that only one payload kind has: name of the option -> name of the kind."""
        return {
            keyword: kind
            for kind in kinds.KINDS
            if (keyword := kinds.payload(kind).keyword) is not None and getattr(self, keyword) is not None
        }


def refuse_both(first: str, one: object, second: str, other: object) -> None:
    """Refuse two options that exclude each other.

    Raises:
        SdzOptionError: neither value is None.
    """
    if one is not None and other is not None:
        raise SdzOptionError(f"cannot be given together with {second}", field=first, remedy="give one of them")


def _colors(value: object) -> int | tuple[int, ...]:
    """Check `colors`: a number of palette entries, or a sequence of one to eight such numbers."""
    low, high = limits.MIN_ENTRIES, limits.MAX_ENTRIES
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        return whole("colors", value, low, high)
    if not 1 <= len(value) <= limits.MAX_LAYERS:
        expected = f"1 to {limits.MAX_LAYERS} layers"
        raise SdzOptionError("wrong number of layers", field="colors", found=len(value), expected=expected)
    return tuple(whole("colors", entries, low, high) for entries in value)
