"""From a parsed file to a picture: its payload to codes (integers), codes to latents, U-Net, autoencoder."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pillow_sdz import limits
from pillow_sdz.errors import SdzError, notice
from pillow_sdz.models import registry
from pillow_sdz.models.model import DEFAULT_TILE
from pillow_sdz.models.runtime import decoding_dtype
from pillow_sdz.payloads.codes import NOISE_UNIT, to_latents
from pillow_sdz.payloads.palette.layers import decode_codes
from pillow_sdz.payloads.scalar.layer import read_step, rms_of_rounding

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pillow_sdz.container.sections import Container


def decode(
    container: Container, *, file: str, steps: int | None = None, device: str | None = None, tile: int | None = None,
    dtype: str | None = None, strength: float | None = None,
) -> NDArray[np.uint8]:  # fmt: skip
    """Decode a picture, (H, W, 3) in RGB.

    Args:
        container: what `pillow_sdz.container.sections.parse` returned.
        file: name for error messages.
        steps: U-Net steps; None takes the number stored in the file, 0 skips the U-Net.
        device: see `pillow_sdz.models.registry.load`.
        dtype: ``float32``, ``bfloat16`` or ``float16``; None is that of `pillow_sdz.models.runtime.decoding_dtype`.
        tile: side of a tile's core in pixels.
        strength: where on its noise schedule the U-Net starts, 0 to 1; None takes the noise of the file's codes.

    Raises:
        SdzError: the payload is damaged, or its model is missing or does not fit the file.
    """
    header = container.header
    try:
        manifest = registry.find_fitting(header.fingerprint, header.channels, header.factor)
        codes = decode_codes(
            container, partial(registry.find_model_palette, header.fingerprint), file,
            prior_lookup=partial(registry.model_prior, manifest),
        )  # fmt: skip
        model = registry.load(manifest, device, dtype or decoding_dtype(device))
    except SdzError as error:
        if error.file is not None:
            raise
        raise error.with_file(file) from error
    latents = to_latents(codes, manifest.codes.step)
    noise = noise_of(container, file) * manifest.codes.step
    if strength is not None:
        noise = model.noise_at(strength)
    if steps and model.unet is None:
        notice(f"option steps was ignored: model {manifest.full_name} has no U-Net")
    latents = model.denoise(latents, noise, _steps_asked_for(header.steps, file) if steps is None else steps)
    return model.decode(latents, header.height, header.width, tile or DEFAULT_TILE)


def _steps_asked_for(steps: int, file: str) -> int:
    """The steps of a file's header, as far as a file may ask for them."""
    if steps <= limits.MAX_UNASKED_STEPS:
        return steps
    notice(
        f"{file} asks for {steps} U-Net steps and gets {limits.MAX_UNASKED_STEPS}; for more, set"
        " pillow_sdz.options.decode.steps"
    )
    return limits.MAX_UNASKED_STEPS


def noise_of(container: Container, file: str) -> float:
    """The rms error of a file's codes, in codes.

    Of a scalar payload it is that of errors spread evenly over the step; the header's field, which is rounded, says it
    for the others.

    Raises:
        SdzFormatError: the step is damaged.
    """
    header = container.header
    if header.payload == "scalar":
        return rms_of_rounding(read_step(container.layers[0], header, file=file))
    return header.noise * NOISE_UNIT
