"""Files that a model decodes: autoencoder, codes, payload, container. `pillow_sdz.codec.encode` asks for them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from pillow_sdz.codec import buehlmann2022
from pillow_sdz.container.framing import section_bytes
from pillow_sdz.container.header import Header
from pillow_sdz.container.metadata import KIND_NAMES, encode_metadata
from pillow_sdz.container.sections import Container, build
from pillow_sdz.errors import SdzOptionError, needs_packages
from pillow_sdz.models import model_data, registry
from pillow_sdz.models.runtime import decoding_dtype
from pillow_sdz.payloads import kinds
from pillow_sdz.payloads.codes import round_targets, to_codes, to_targets
from pillow_sdz.payloads.protocol import Latent
from pillow_sdz.refinement.refine import refine
from pillow_sdz.refinement.schedule import SCHEDULES

if TYPE_CHECKING:
    from pillow_sdz.codec.picture import Picture
    from pillow_sdz.container.metadata import Metadata
    from pillow_sdz.models.manifest import Manifest
    from pillow_sdz.options import ComputeSettings, SaveOptions
    from pillow_sdz.payloads.protocol import Payload, Plan, Shape


@dataclass(frozen=True)
class Prepared:
    """All inputs of a file but the plan. A search for ``target_size`` computes them once and tries many plans.

    Attributes:
        mode: mode of the picture: L, LA, RGB or RGBA.
        width: width of the picture in pixels.
        height: height of the picture in pixels.
        latent: the latent that the payload will hold.
        manifest: the manifest of the model.
        alpha: body of the alpha section, or None.
        metadata: bodies of the metadata sections, by kind.
        colour_space: the colour space that the header names, or None.
        options: the options of saving.
    """

    mode: str
    width: int
    height: int
    latent: Latent
    manifest: Manifest
    alpha: bytes | None
    metadata: dict[str, bytes]
    colour_space: str | None
    options: SaveOptions


class ModelEncoder:
    """One picture on its way to a file that a model decodes. The encoder of the autoencoder runs once, at the start.

    Args:
        picture: the pixels.
        options: the options of saving.
        metadata: the metadata to store.
        compute: device, number type and tile size of the networks.
        alpha: body of the alpha section, or None.

    Raises:
        SdzError: the model or torch is missing, or options contradict each other.
    """

    def __init__(
        self,
        picture: Picture,
        options: SaveOptions,
        metadata: Metadata,
        compute: ComputeSettings,
        alpha: bytes | None,
    ) -> None:
        height, width = picture.rgb.shape[:2]
        manifest = registry.find(options.model)
        self._payload = kinds.payload(payload_kind(options, manifest))
        self._payload.require(model_data.of(manifest))  # a missing prior is reported before the networks run
        shape = (-(-height // manifest.codes.factor), -(-width // manifest.codes.factor), manifest.codes.channels)
        self._picture, self._compute = picture, compute
        self._plan = None if options.target_size is not None else plan_of(self._payload, options, shape)
        with needs_packages("encoding the picture"):
            latent = _latent(picture, options, manifest, _encoder_settings(compute, options, self._plan))
        self._prepared = Prepared(
            picture.mode, width, height, latent, manifest, alpha, encode_metadata(metadata), metadata.colour_space,
            options,
        )  # fmt: skip

    def quality_of(self, plan: Plan) -> float:
        """The quality, 0 to 100, that a plan stands for, whatever option it came from."""
        return kinds.payload(plan.kind).quality_of(plan, self._prepared.latent.shape)

    def plan(self, spare: int = 0) -> Plan:
        """The plan of the options; with a target size the best one found for the latent as it is.

        Args:
            spare: bytes of the target size to leave for other parts of the file.

        Raises:
            SdzOptionError: not even the smallest plan fits the target size.
        """
        return self._plan or fitting_plan(self._payload, self._prepared, spare)

    def refines(self, plan: Plan) -> bool:
        """Whether effort and payload kind refine the latent for a plan."""
        return _is_refined(self._prepared.options, plan)

    def refine(self, plan: Plan) -> None:
        """Refine the latent for a plan, if effort and payload kind refine."""
        refined = _refined(self._picture, self._prepared, plan, self._compute)
        if refined is not None:
            self._prepared = replace(self._prepared, latent=refined)

    def container(self, plan: Plan) -> Container:
        """The file by a plan."""
        return container_of(self._prepared, plan)


def fitting_plan(payload: Payload[Any], prepared: Prepared, spare: int) -> Plan:
    """The best plan found whose file is not larger than the target size less ``spare`` bytes."""
    assert prepared.options.target_size is not None
    size_of = cache(lambda plan: spare + len(build(container_of(prepared, plan))))
    try:
        return payload.fit_target(prepared.options.target_size, size_of, prepared.latent.shape)
    except SdzOptionError as error:
        raise _naming_metadata(error, prepared.metadata, prepared.options) from error


def _naming_metadata(error: SdzOptionError, metadata: dict[str, bytes], options: SaveOptions) -> SdzOptionError:
    """The error that a picture does not fit a target size, naming the largest part of its metadata if that is large."""
    assert options.target_size is not None
    kind = max(metadata, key=lambda each: len(metadata[each]), default=None)
    if kind is None or 10 * len(metadata[kind]) < options.target_size:
        return error
    keyword = {"icc": "icc_profile"}.get(kind, kind)
    level = "none" if kind == "icc" else "essential"
    size = section_bytes(len(metadata[kind]))
    smaller = "metadata='useful' may make it smaller, " if options.metadata == "all" else ""
    remedy = f"{KIND_NAMES[kind]} takes {size} bytes: {smaller}{keyword}=None or metadata={level!r} leaves it out"
    return SdzOptionError(
        error.problem, field=error.field, found=error.found, expected=error.expected, remedy=remedy
    )  # fmt: skip


def _refined(picture: Picture, prepared: Prepared, plan: Plan, compute: ComputeSettings) -> Latent | None:
    """The latent refined for a plan (`pillow_sdz.refinement`); None if the effort or the payload kind has none."""
    schedule = SCHEDULES[prepared.options.effort]
    loop = kinds.payload(plan.kind).closed_loop(plan, model_data.of(prepared.manifest))
    if loop is None or schedule.steps == 0:
        return None
    dtype = compute.dtype or decoding_dtype(compute.device)
    model = registry.load(prepared.manifest, compute.device, dtype)
    targets = refine(model, picture.rgb, prepared.latent.targets, loop, schedule)
    return Latent(round_targets(targets), targets)


def _is_refined(options: SaveOptions, plan: Plan) -> bool:
    """Whether effort and payload kind refine latents."""
    return kinds.payload(plan.kind).refined and SCHEDULES[options.effort].steps > 0


def _encoder_settings(compute: ComputeSettings, options: SaveOptions, plan: Plan | None) -> ComputeSettings:
    """The settings in which the encoder runs: in refinement's number type if that follows, otherwise in float32.

    Refinement makes up for a faster type, and then one copy of the model is enough. With a target size there may turn
    out to be room for direct codes, which are not refined.
    """
    if compute.dtype is None and plan is not None and _is_refined(options, plan):
        return replace(compute, dtype=decoding_dtype(compute.device))
    return compute


def payload_kind(options: SaveOptions, manifest: Manifest) -> str:
    """The payload kind that the options name or imply (by an option of that kind only); else the model's default."""
    if options.profile is not None:
        return buehlmann2022.PLAN.kind
    return options.payload or next(iter(options.payload_keywords().values()), manifest.default_payload)


def _latent(picture: Picture, options: SaveOptions, manifest: Manifest, compute: ComputeSettings) -> Latent:
    """Run the encoder of the autoencoder, and quantise."""
    if options.profile is not None:
        buehlmann2022.check_model(manifest.codes, manifest.full_name)
    model = registry.load(manifest, compute.device, compute.dtype)
    step = manifest.codes.step
    if options.profile is not None:
        latents = model.encode_sample(picture.rgb, buehlmann2022.SEED)
        return Latent(buehlmann2022.to_codes(latents), to_targets(latents, step))
    latents = model.encode(picture.rgb, compute.tile_size)
    return Latent(to_codes(latents, step), to_targets(latents, step))


def plan_of(payload: Payload[Any], options: SaveOptions, shape: Shape) -> Plan:
    """The plan for the options.

    Raises:
        SdzOptionError: the payload that the options name does not have this quality.
    """
    if options.profile is not None:
        return buehlmann2022.PLAN
    parameter = None if payload.keyword is None else getattr(options, payload.keyword)
    plan = payload.plan(options.quality, parameter, shape)
    if options.payload not in (None, plan.kind):
        raise SdzOptionError(
            f"this quality stores {plan.kind} codes", field="payload", found=options.payload,
            expected=f"{plan.kind}, or a lower quality, or {payload.keyword}",
        )  # fmt: skip
    return plan


def container_of(prepared: Prepared, plan: Plan) -> Container:
    """Encode the payload by a plan, and put the file together."""
    latent, manifest = prepared.latent, prepared.manifest
    payload = kinds.payload(plan.kind)
    encoded = payload.encode(latent, plan, model_data.of(manifest), prepared.options.effort)
    denoise_steps = prepared.options.denoise_steps
    if denoise_steps is None:
        denoise_steps = 0 if payload.lossless else manifest.denoise_steps  # no quantisation noise to remove
    header = Header(
        mode=prepared.mode,
        payload=plan.kind,
        layer_count=len(encoded.layers),
        width=prepared.width,
        height=prepared.height,
        factor=manifest.codes.factor,
        channels=manifest.codes.channels,
        latent_width=latent.shape[1],
        latent_height=latent.shape[0],
        fingerprint=manifest.short_fingerprint,
        noise=encoded.noise,
        denoise_steps=denoise_steps,
        colour_space=prepared.colour_space,
    )
    preview = None
    if manifest.preview is None or not payload.needs_prior:  # readers that have the prior have the networks, too
        preview = np.array(manifest.preview_matrix, np.int8).tobytes()
    return Container(header, encoded.layers, alpha=prepared.alpha, preview=preview, metadata=prepared.metadata)
