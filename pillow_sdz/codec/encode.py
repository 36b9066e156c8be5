"""From a picture to a file: autoencoder, the payload (scalar, palettes and index planes, or codes), the container."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from pillow_sdz.codec import buehlmann2022 as buehlmann
from pillow_sdz.coding.planes import encode_alpha
from pillow_sdz.container.metadata import encode_blob, encode_text
from pillow_sdz.container.sections import Container, Header, build
from pillow_sdz.errors import SdzOptionError
from pillow_sdz.limits import check_picture
from pillow_sdz.models import registry
from pillow_sdz.models.model import DEFAULT_TILE
from pillow_sdz.payloads.codes import NOISE_UNIT, to_codes, to_targets
from pillow_sdz.payloads.palette.layers import codes_from_layers, encode_direct, encode_layer
from pillow_sdz.payloads.palette.quantise import make_layers, rms_noise
from pillow_sdz.payloads.palette.rate_control import Plan, fit_target, plan_for_quality
from pillow_sdz.payloads.scalar import rate_control as scalar_ladder
from pillow_sdz.payloads.scalar.layer import encode_scalar, noise_field
from pillow_sdz.settings import decode as settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from pillow_sdz.models.manifest import Manifest
    from pillow_sdz.options import Metadata, SaveOptions


@dataclass(frozen=True)
class Picture:
    """What is the same for every size of one picture's file.

    ``codes`` and ``targets``, (h, w, C) both, are the latents rounded to 8 bits, and not rounded, less 128.
    """

    codes: NDArray[np.uint8]
    targets: NDArray[np.float32]
    manifest: Manifest
    width: int
    height: int
    mode: str
    alpha: bytes | None
    metadata: Metadata
    options: SaveOptions


def encode(
    rgb: NDArray[np.uint8], alpha: NDArray[np.uint8] | None, mode: str, options: SaveOptions, metadata: Metadata
) -> bytes:
    """Encode a picture.

    Args:
        rgb: (H, W, 3).
        alpha: (H, W), or None.
        mode: the Pillow mode that opening the file gives: L, LA, RGB or RGBA.
        options: how to save.
        metadata: what travels along.

    Device, number type and tile size are those of `pillow_sdz.settings.decode`, as for decoding.

    Returns:
        The bytes of the file.

    Raises:
        SdzError: the model is missing, or ``target_size`` is too small for this picture.
    """
    height, width = rgb.shape[:2]
    check_picture(width, height)
    manifest = registry.find(options.model)
    if _is_scalar(options, manifest):
        registry.model_prior(manifest)  # a prior that is missing is to show before the networks have worked
    if options.profile is not None:
        buehlmann.check_model(manifest.codes, manifest.full_name)
    model = registry.load(manifest, settings.device, settings.dtype)
    if options.profile is not None:
        latents = model.encode_sample(rgb, buehlmann.SEED)
        codes = buehlmann.to_codes(latents)
    else:
        latents = model.encode(rgb, settings.tile_size or DEFAULT_TILE)
        codes = to_codes(latents, manifest.codes.step)
    targets = to_targets(latents, manifest.codes.step)
    packed_alpha = None if alpha is None else encode_alpha(alpha, options.effort)
    picture = Picture(codes, targets, manifest, width, height, mode, packed_alpha, metadata, options)
    if options.target_size is None:
        return _build(picture, _plan(picture))
    attempt: Callable[[Plan], bytes] = cache(lambda plan: _build(picture, plan))
    return attempt(_plan_for_target(picture, options.target_size, lambda plan: len(attempt(plan))))


def _is_scalar(options: SaveOptions, manifest: Manifest) -> bool:
    """Whether the payload is scalar unless the best quality calls for direct codes."""
    if options.payload is not None or options.colors is not None or options.profile is not None:
        return options.payload == "scalar"
    return options.step is not None or manifest.codes.prior is not None


def _plan(picture: Picture) -> Plan:
    """The plan that the options ask for: colours, a step, direct codes, or the quality's place on the model's ladder.

    Raises:
        SdzOptionError: the quality contradicts the payload.
        SdzModelError: a scalar payload is asked for and the model has no prior.
    """
    options = picture.options
    if options.profile is not None:
        return Plan((buehlmann.COLORS,))
    if options.payload == "direct":
        return Plan(())
    if options.colors is not None:
        return Plan((options.colors,) if isinstance(options.colors, int) else tuple(options.colors))
    if options.step is not None:
        return scalar_ladder.plan_for_step(options.step)
    if _is_scalar(options, picture.manifest):
        plan = scalar_ladder.plan_for_quality(options.quality)
    else:
        height, width, channels = picture.codes.shape
        plan = plan_for_quality(options.quality, height * width, channels)
    if options.payload not in (None, plan.payload):
        raise SdzOptionError(
            "this quality stores direct codes", field="payload", found=options.payload,
            expected="direct, or a lower quality, or " + ("colors" if options.payload == "palette" else "step"),
        )  # fmt: skip
    return plan


def _plan_for_target(picture: Picture, target: int, size_of: Callable[[Plan], int]) -> Plan:
    """The best plan on the model's ladder whose file has at most ``target`` bytes."""
    if picture.manifest.codes.prior is not None:
        return scalar_ladder.fit_target(target, size_of)
    height, width, channels = picture.codes.shape
    return fit_target(target, size_of, height * width, channels)


def _payload(picture: Picture, plan: Plan) -> tuple[list[bytes], int]:
    """The bodies of the layer sections, and the header's noise field."""
    codes, effort = picture.codes, picture.options.effort
    if plan.step is not None:
        prior = registry.model_prior(picture.manifest)
        return [encode_scalar(picture.targets, plan.step, prior)], noise_field(plan.step)
    if not plan.colors:
        return [encode_direct(codes, effort)], 0
    if picture.options.profile is not None:
        layers, effort = [buehlmann.palettise(codes)], buehlmann.EFFORT
    else:
        layers = make_layers(codes, plan.colors, effort)
    noise = rms_noise(codes, codes_from_layers(layers))
    bodies = [encode_layer(layer, effort=effort, layers=len(layers)) for layer in layers]
    return bodies, min(255, round(noise / NOISE_UNIT))


def _build(picture: Picture, plan: Plan) -> bytes:
    manifest = picture.manifest
    bodies, noise = _payload(picture, plan)
    steps = picture.options.steps
    if steps is None:
        steps = 0 if plan.payload == "direct" else manifest.steps  # direct codes carry no noise worth removing
    metadata = picture.metadata
    header = Header(
        mode=picture.mode, payload=plan.payload, layer_count=len(bodies),
        width=picture.width, height=picture.height, factor=manifest.codes.factor, channels=manifest.codes.channels,
        latent_width=picture.codes.shape[1], latent_height=picture.codes.shape[0],
        fingerprint=manifest.short_fingerprint, noise=noise, steps=steps,
    )  # fmt: skip
    container = Container(
        header=header,
        layers=bodies,
        alpha=picture.alpha,
        preview=np.array(manifest.preview_matrix, np.int8).tobytes(),
        icc=encode_blob(metadata.icc, field="icc") if metadata.icc else None,
        exif=encode_blob(metadata.exif, field="exif") if metadata.exif else None,
        xmp=encode_blob(metadata.xmp, field="xmp") if metadata.xmp else None,
        text=encode_text(metadata.text) if metadata.text else None,
    )
    return build(container)
