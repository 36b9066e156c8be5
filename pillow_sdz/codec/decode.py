"""From a file to a picture: payload, codes, U-Net, autoencoder. The inverse of `pillow_sdz.codec.encode`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pillow_sdz import limits
from pillow_sdz.codec.patching import blend
from pillow_sdz.codec.picture import Picture
from pillow_sdz.errors import needs_packages, notice
from pillow_sdz.models import model_data, registry
from pillow_sdz.models.choice import choose_runtime
from pillow_sdz.models.runtime import decoding_dtype
from pillow_sdz.payloads.codes import to_latents

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pillow_sdz.codec.file import SdzFile
    from pillow_sdz.models.manifest import Manifest
    from pillow_sdz.models.model import Model
    from pillow_sdz.options import DecodeSettings


def decode(file: SdzFile, settings: DecodeSettings) -> Picture:
    """Decode a picture.

    Args:
        file: the file, from `pillow_sdz.codec.file.read`.
        settings: where and how the networks compute, how the U-Net denoises, and whether there are patches.

    Raises:
        SdzError: the file is damaged, its model is missing or does not fit it, or a package is missing.
    """
    alpha = file.alpha()  # first: it is cheap, and damage shows before the model is loaded
    if not file.needs_model:
        return Picture(file.codes(), alpha, file.header.mode)
    with needs_packages("decoding the pixels"):
        rgb = _rgb(file, settings)
    if file.patches is not None and settings.patches is not False:
        rgb = np.require(rgb, requirements="W")
        blend(rgb, file.patches)
    return Picture(rgb, alpha, file.header.mode)


def _rgb(file: SdzFile, settings: DecodeSettings) -> NDArray[np.uint8]:
    """Decode the codes, denoise the latent and run the decoder of the autoencoder; (H, W, 3)."""
    header = file.header
    manifest = registry.find_fitting(header.fingerprint, header.channels, header.factor)
    model = _model_that_gets_ready(manifest, settings, header.width * header.height)
    codes = file.payload.decode(model_data.of(manifest))
    if model is None:
        model = registry.load(manifest, settings.device, settings.dtype or decoding_dtype(settings.device))
    latents = to_latents(codes, manifest.codes.step)
    noise = file.payload.noise * manifest.codes.step
    if settings.strength is not None:
        noise = model.noise_at(settings.strength)
    if settings.denoise_steps and model.unet is None:
        notice(f"option denoise_steps was ignored: model {manifest.full_name} has no U-Net")
    latents = model.denoise(latents, noise, _denoise_steps(header.denoise_steps, settings.denoise_steps))
    return model.decode(latents, header.height, header.width, settings.tile_size)


def _model_that_gets_ready(manifest: Manifest, settings: DecodeSettings, pixels: int) -> Model | None:
    """The model in ONNX Runtime, which makes its sessions while the codes of so many pixels are decoded.

    None if torch is chosen: its import takes long, and damage should show before.
    """
    return registry.load_onnx(manifest) if choose_runtime(manifest, settings, pixels) == "onnx" else None


def _denoise_steps(stored: int, chosen: int | None) -> int:
    """U-Net steps to take: the number set for decoding; if None, that of the file, up to `limits.MAX_UNASKED_STEPS`."""
    if chosen is not None:
        return chosen
    if stored <= limits.MAX_UNASKED_STEPS:
        return stored
    notice(
        f"the file asks for {stored} U-Net steps and gets {limits.MAX_UNASKED_STEPS}; for more, set"
        " pillow_sdz.options.decode.denoise_steps"
    )
    return limits.MAX_UNASKED_STEPS
