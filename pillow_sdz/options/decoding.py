"""The settings of decoding: those of the process, `decode`, and the attributes of an image."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar, overload

from pillow_sdz.errors import SdzOptionError, warn_of_old_name
from pillow_sdz.limits import real, whole

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

DENOISE_STEPS: Final = (0, 255)
"""Range of U-Net steps: the file's field is an unsigned 8-bit number."""

TILE_SIZE: Final = (64, 65535)
"""Range of tile sides in pixels: from one latent position at the largest factor to the longest side of a picture."""

DTYPES: Final = ("float32", "bfloat16", "float16")
"""Number types that networks can compute in."""

RUNTIMES: Final = ("torch", "onnx")
"""What can run the networks of a decoder: PyTorch, or ONNX Runtime (see `pillow_sdz.models.choice`)."""

_DEVICE = re.compile(r"cpu|(cuda|mps|xpu)(:\d{1,3})?")


def check_denoise_steps(value: object) -> int:
    """Check a number of U-Net steps, 0 (none) to 255; see `pillow_sdz.limits.whole`."""
    return whole("denoise_steps", value, *DENOISE_STEPS)


def check_tile_size(value: object) -> int:
    """Check the side of a tile in pixels, 64 to 65535; see `pillow_sdz.limits.whole`."""
    return whole("tile_size", value, *TILE_SIZE, " pixels")


def check_strength(value: object) -> float:
    """Check where on a U-Net's noise schedule denoising starts, 0.0 to 1.0; see `pillow_sdz.limits.real`."""
    return real("strength", value, 0.0, 1.0)


def check_device(value: object) -> str:
    """Check the form of a torch device's name. Whether the device exists is found out when a model is loaded.

    Raises:
        SdzOptionError: another form.
    """
    if not isinstance(value, str) or not _DEVICE.fullmatch(value):
        raise SdzOptionError("is not a device", field="device", found=repr(value), expected="cpu, cuda, cuda:N or mps")
    return value


def check_dtype(value: object, field: str = "dtype") -> str:
    """Check the number type to compute in, one of `DTYPES`; ``field`` is where it was given, for errors.

    Raises:
        SdzOptionError: anything else.
    """
    if value not in DTYPES:
        raise SdzOptionError("no such number type", field=field, found=repr(value), expected=", ".join(DTYPES))
    return str(value)


def check_runtime(value: object, field: str = "runtime") -> str:
    """Check the runtime to decode with, one of `RUNTIMES`; ``field`` is where it was given, for errors.

    Raises:
        SdzOptionError: anything else.
    """
    if value not in RUNTIMES:
        raise SdzOptionError("no such runtime", field=field, found=repr(value), expected=" or ".join(RUNTIMES))
    return str(value)


def check_patches(value: object) -> bool:
    """Check whether patches are shown, True or False.

    Raises:
        SdzOptionError: anything else.
    """
    if not isinstance(value, bool):
        raise SdzOptionError("is neither true nor false", field="patches", found=repr(value), expected="True or False")
    return value


@dataclass(frozen=True)
class ComputeSettings:
    """Where and how networks compute; None leaves the choice to `pillow_sdz.models`.

    Attributes:
        device: ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        dtype: one of `DTYPES`.
        tile_size: side of a tile in pixels.
    """

    device: str | None = None
    dtype: str | None = None
    tile_size: int | None = None


@dataclass(frozen=True)
class DecodeSettings(ComputeSettings):
    """How one picture is decoded: the attributes of its image, or where those are None, the process's `DecodeOptions`.

    Attributes:
        denoise_steps: U-Net steps; None takes the number stored in the file, 0 skips the U-Net.
        strength: where on its noise schedule the U-Net starts, 0.0 to 1.0; None goes by the file's quantisation noise.
        runtime: one of `RUNTIMES`; None leaves the choice to `pillow_sdz.models.choice`.
        patches: whether the file's patches are blended over the picture; None is True.
    """

    denoise_steps: int | None = None
    strength: float | None = None
    runtime: str | None = None
    patches: bool | None = None


class Setting(Generic[T]):
    """A descriptor for an attribute that is None until it is set; ``check`` validates and converts what is set."""

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


def deprecated_name(old: str, new: str) -> property:
    """A property under the old name of an attribute, which works with a warning that names the new one."""

    def get(instance: object) -> Any:
        warn_of_old_name(old, new)
        return getattr(instance, new)

    def put(instance: object, value: object) -> None:
        warn_of_old_name(old, new)
        setattr(instance, new, value)

    return property(get, put)


class DecodeOptions:
    """Settings of decoding for this process; an image's own attributes of the same names take precedence.

    Attributes:
        denoise_steps: U-Net steps, 0 (none, fastest) to 255; None takes the number in the file, up to a limit.
        device: ``cpu``, ``cuda``, ``cuda:N`` or ``mps``; None takes an accelerator where there is one.
        strength: where on its noise schedule the U-Net starts, 0.0 (no noise) to 1.0 (nothing but noise); None takes
            the timestep whose noise is that of the file's quantisation.
        tile_size: side of a tile in pixels, 64 to 65535; smaller needs less memory; None takes the model's default.
            Pixels differ by at most one grey level, but by more with models of Stable Diffusion, whose overlapping
            tiles are blended.
        dtype: ``float32``, ``bfloat16`` or ``float16``, also for encoding. None encodes in float32 and decodes in the
            type that the environment variable ``PILLOW_SDZ_DTYPE`` names; without it, in bfloat16 on CPUs with
            instructions for it (pixels differ by one or two grey levels), and elsewhere in float32.
        runtime: ``torch``, or ``onnx`` for ONNX Runtime, which decodes with the shipped model on the CPU in float32
            (pixels differ by at most one grey level from torch's). None takes the one that the environment variable
            ``PILLOW_SDZ_RUNTIME`` names; without it, ONNX Runtime where torch is not installed, and for the first
            1.5 megapixels of a process that has not imported torch, which takes longer than decoding them.
        patches: whether the patches of a file, which were coded as pixels, are blended over the picture. None is True;
            False shows what the model alone makes of the file.
        steps: deprecated name of ``denoise_steps``.

    Setting a value out of its range raises `SdzOptionError`; setting an unknown name raises AttributeError.
    """

    __slots__ = ("_denoise_steps", "_device", "_dtype", "_patches", "_runtime", "_strength", "_tile_size")

    denoise_steps = Setting(check_denoise_steps)
    strength = Setting(check_strength)
    device = Setting(check_device)
    tile_size = Setting(check_tile_size)
    dtype = Setting(check_dtype)
    runtime = Setting(check_runtime)
    patches = Setting(check_patches)
    steps = deprecated_name("steps", "denoise_steps")

    def compute_settings(self) -> ComputeSettings:
        """The settings that apply to encoding as well."""
        return ComputeSettings(self.device, self.dtype, self.tile_size)

    def resolved(self, image: object) -> DecodeSettings:
        """The settings for an image that has all these attributes; this process's settings where those are None."""
        own = {name: getattr(image, name) for name in DecodeSettings.__dataclass_fields__}
        return DecodeSettings(**{name: getattr(self, name) if value is None else value for name, value in own.items()})


decode: Final = DecodeOptions()
"""The settings of decoding for this process."""
