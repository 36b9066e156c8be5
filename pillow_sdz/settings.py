"""How pictures are decoded: settings for the whole process and, by the same names, for one image before it is loaded.

``pillow_sdz.options.decode.steps = 0`` holds for every image; ``image.steps = 0`` for one. None means: not set here.
"""

from __future__ import annotations

import numbers
import operator
import re
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar, overload

from pillow_sdz.errors import SdzOptionError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

STEPS: Final = (0, 255)
"""Range of U-Net steps: the file's field is an unsigned 8-bit number."""

TILE_SIZE: Final = (64, 65535)
"""Range of tile sides in pixels: one latent position at the largest factor, and the longest side of a picture."""

DTYPES: Final = ("float32", "bfloat16", "float16")
"""Number types that a model can compute in."""

_DEVICE = re.compile(r"cpu|(cuda|mps|xpu)(:\d{1,3})?")


def whole(field: str, value: object, low: int, high: int, unit: str = "") -> int:
    """Check a whole number of any integer type (numpy's too, but not a bool, a float or a string).

    >>> whole("quality", 101, 0, 100)
    Traceback (most recent call last):
    ...
    pillow_sdz.errors.SdzOptionError: quality: is out of range (found 101, expected a whole number from 0 to 100)

    Raises:
        SdzOptionError: another type, or out of range.
    """
    expected = f"a whole number from {low} to {high}{unit}"
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise SdzOptionError("is not a whole number", field=field, found=repr(value), expected=expected) from None
    if isinstance(value, bool):
        raise SdzOptionError("is not a whole number", field=field, found=value, expected=expected)
    if not low <= number <= high:
        raise SdzOptionError("is out of range", field=field, found=number, expected=expected)
    return number


def real(field: str, value: object, low: float, high: float, unit: str = "") -> float:
    """Check a number of any real type (numpy's too, but not a bool, a string or not-a-number).

    >>> real("step", 0.5, 1.0, 128.0, " codes")
    Traceback (most recent call last):
    ...
    pillow_sdz.errors.SdzOptionError: step: is out of range (found 0.5, expected a number from 1.0 to 128.0 codes)

    Raises:
        SdzOptionError: another type, or out of range.
    """
    expected = f"a number from {low} to {high}{unit}"
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise SdzOptionError("is not a number", field=field, found=repr(value), expected=expected)
    number = float(value)
    if not low <= number <= high:
        raise SdzOptionError("is out of range", field=field, found=number, expected=expected)
    return number


def check_steps(value: object) -> int:
    """U-Net steps, 0 (none) to 255; see `whole`."""
    return whole("steps", value, *STEPS)


def check_tile_size(value: object) -> int:
    """Side of a tile in pixels, 64 to 65535; see `whole`."""
    return whole("tile_size", value, *TILE_SIZE, " pixels")


def check_device(value: object) -> str:
    """A torch device by name. Whether this machine has it is known only when the model is loaded.

    Raises:
        SdzOptionError: not the form of a device's name.
    """
    if not isinstance(value, str) or not _DEVICE.fullmatch(value):
        raise SdzOptionError("is not a device", field="device", found=repr(value), expected="cpu, cuda, cuda:N or mps")
    return value


def check_dtype(value: object) -> str:
    """Number type to compute in, one of `DTYPES`.

    Raises:
        SdzOptionError: anything else.
    """
    if value not in DTYPES:
        raise SdzOptionError("no such number type", field="dtype", found=repr(value), expected=", ".join(DTYPES))
    return str(value)


def check_strength(value: object) -> float:
    """Where on a U-Net's noise schedule denoising starts, 0.0 to 1.0; see `real`."""
    return real("strength", value, 0.0, 1.0)


class Setting(Generic[T]):
    """An attribute that is None until it is set, and checked when it is."""

    def __init__(self, check: Callable[[object], T]) -> None:
        self._check = check

    def __set_name__(self, owner: type, name: str) -> None:
        self._slot = f"_{name}"

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T | None: ...
    def __get__(self, instance: object | None, owner: type) -> Self | T | None:
        if instance is None:
            return self
        value: T | None = getattr(instance, self._slot, None)
        return value

    def __set__(self, instance: object, value: T | None) -> None:
        setattr(instance, self._slot, None if value is None else self._check(value))


class DecodeSettings:
    """Settings for decoding in this process; an image's own attributes of the same names come first.

    Attributes:
        steps: U-Net steps, 0 (none, fastest) to 255; None takes what the file asks for.
        device: ``cpu``, ``cuda``, ``cuda:N`` or ``mps``; None takes an accelerator where there is one.
        strength: where on its noise schedule the U-Net starts, 0.0 (no noise) to 1.0 (nothing but noise); None takes
            the timestep whose noise is that of the file's quantisation.
        tile_size: side of a tile in pixels, 64 to 65535; smaller needs less memory; None takes the model's default.
            Pixels stay the same within one level, but not with models of Stable Diffusion, whose tiles fade into each
            other.
        dtype: ``float32``, ``bfloat16`` or ``float16``, also for encoding. None encodes in float32 and decodes in what
            the environment variable ``PILLOW_SDZ_DTYPE`` says; without it in bfloat16 on CPUs that multiply that
            natively (pixels differ by one or two levels), and elsewhere in float32.

    Setting a value out of its range raises `SdzOptionError`, an unknown name AttributeError.
    """

    __slots__ = ("_device", "_dtype", "_steps", "_strength", "_tile_size")

    steps = Setting(check_steps)
    strength = Setting(check_strength)
    device = Setting(check_device)
    tile_size = Setting(check_tile_size)
    dtype = Setting(check_dtype)

    def merged(self, own: object) -> dict[str, Any]:
        """Arguments for `pillow_sdz.codec.decode.decode`: for each setting that of ``own`` (an image), else this one's."""

        def pick(name: str) -> Any:
            value = getattr(own, name)
            return getattr(self, name) if value is None else value

        return {
            "steps": pick("steps"),
            "strength": pick("strength"),
            "device": pick("device"),
            "tile": pick("tile_size"),
            "dtype": pick("dtype"),
        }


decode: Final = DecodeSettings()
"""The settings of this process."""
