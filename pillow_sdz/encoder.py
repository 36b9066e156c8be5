"""From a picture to a file: autoencoder, codes, palettes and index planes or direct codes, and the container."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from pillow_sdz.alpha import encode_alpha
from pillow_sdz.codes import NOISE_UNIT, to_codes
from pillow_sdz.container import Container, Header, build
from pillow_sdz.errors import SdzOptionError
from pillow_sdz.ladder import Plan, fit_target, plan_for_quality
from pillow_sdz.layers import codes_from_layers, encode_direct, encode_layer
from pillow_sdz.limits import check_picture
from pillow_sdz.metadata import encode_blob, encode_text
from pillow_sdz.models import registry
from pillow_sdz.models.model import DEFAULT_TILE
from pillow_sdz.palettise import make_layers, rms_noise
from pillow_sdz.settings import decode as settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from pillow_sdz.models.manifest import Manifest
    from pillow_sdz.options import Metadata, SaveOptions


@dataclass(frozen=True)
class Picture:
    """What is the same for every size of one picture's file."""

    codes: NDArray[np.uint8]
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
    model = registry.load(manifest, settings.device, settings.dtype)
    codes = to_codes(model.encode(rgb, settings.tile_size or DEFAULT_TILE), manifest.codes.step)
    packed_alpha = None if alpha is None else encode_alpha(alpha, options.effort)
    picture = Picture(codes, manifest, width, height, mode, packed_alpha, metadata, options)
    if options.target_size is None:
        return _build(picture, _plan(picture))
    attempt: Callable[[Plan], bytes] = cache(lambda plan: _build(picture, plan))
    return attempt(
        fit_target(
            options.target_size, lambda plan: len(attempt(plan)), codes.shape[0] * codes.shape[1], codes.shape[2]
        )
    )


def _plan(picture: Picture) -> Plan:
    """The plan that the options ask for: explicit colours, direct codes, or the quality's place on the ladder."""
    options = picture.options
    if options.payload == "direct":
        return Plan(())
    if options.colors is not None:
        return Plan((options.colors,) if isinstance(options.colors, int) else tuple(options.colors))
    plan = plan_for_quality(options.quality, picture.codes.shape[0] * picture.codes.shape[1], picture.codes.shape[2])
    if options.payload == "palette" and not plan.colors:
        raise SdzOptionError(
            "this quality stores direct codes",
            field="payload",
            found="palette",
            expected="direct, or a lower quality, or colors",
        )
    return plan


def _build(picture: Picture, plan: Plan) -> bytes:
    codes, effort, manifest = picture.codes, picture.options.effort, picture.manifest
    if plan.colors:
        layers = make_layers(codes, plan.colors, effort)
        bodies = [encode_layer(layer, effort=effort) for layer in layers]
        noise = rms_noise(codes, codes_from_layers(layers))
    else:
        bodies, noise = [encode_direct(codes, effort)], 0.0
    steps = picture.options.steps
    if steps is None:
        steps = manifest.steps if plan.colors else 0  # direct codes carry no noise worth removing
    metadata = picture.metadata
    header = Header(
        mode=picture.mode, payload="palette" if plan.colors else "direct", layer_count=len(bodies),
        width=picture.width, height=picture.height, factor=manifest.codes.factor, channels=manifest.codes.channels,
        latent_width=codes.shape[1], latent_height=codes.shape[0], fingerprint=manifest.short_fingerprint,
        noise=min(255, round(noise / NOISE_UNIT)), steps=steps,
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
