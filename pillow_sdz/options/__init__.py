"""The options of ``image.save`` (`saving`) and the settings of decoding (`decoding`).

``pillow_sdz.options.decode.denoise_steps = 0`` holds for all images of this process, ``image.denoise_steps = 0`` for
one image and takes precedence. None means that a value is not set.
"""

from pillow_sdz.options.decoding import (
    DTYPES,
    RUNTIMES,
    ComputeSettings,
    DecodeOptions,
    DecodeSettings,
    Setting,
    check_denoise_steps,
    check_device,
    check_dtype,
    check_patches,
    check_runtime,
    check_strength,
    check_tile_size,
    decode,
    deprecated_name,
)
from pillow_sdz.options.saving import METADATA_LEVELS, PROFILES, STEP, SaveOptions, refuse_both

__all__ = [
    "DTYPES",
    "METADATA_LEVELS",
    "PROFILES",
    "RUNTIMES",
    "STEP",
    "ComputeSettings",
    "DecodeOptions",
    "DecodeSettings",
    "SaveOptions",
    "Setting",
    "check_denoise_steps",
    "check_device",
    "check_dtype",
    "check_patches",
    "check_runtime",
    "check_strength",
    "check_tile_size",
    "decode",
    "deprecated_name",
    "refuse_both",
]
