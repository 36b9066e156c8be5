"""From a picture to a file: by a model and guarded, by a model alone, or as pixels. The inverse of `codec.decode`.

`pillow_sdz.codec.with_model` and `pillow_sdz.codec.pixels` make the two sorts of files. The guard
(`pillow_sdz.codec.guard`) looks at what a model made of the picture, and buys patches, or the whole picture as pixels.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from pillow_sdz.codec import pixels
from pillow_sdz.codec.decode import decode
from pillow_sdz.codec.file import read
from pillow_sdz.codec.guard.purchases import Guard, Purchases
from pillow_sdz.codec.guard.settings import WITHOUT_MODEL, settings_for
from pillow_sdz.codec.measure import Shares, error_sections, measure
from pillow_sdz.codec.patching import apply_patches
from pillow_sdz.codec.with_model import ModelEncoder
from pillow_sdz.coding.planes import encode_alpha
from pillow_sdz.container.framing import section_bytes
from pillow_sdz.container.sections import Container, build
from pillow_sdz.container.stored_error import ERROR
from pillow_sdz.errors import SdzDependencyError, SdzOptionError, needs_packages, notice
from pillow_sdz.limits import MAX_UNASKED_STEPS, check_picture
from pillow_sdz.models import registry
from pillow_sdz.options import DecodeSettings
from pillow_sdz.options.saving import SSIMULACRA2
from pillow_sdz.payloads import kinds
from pillow_sdz.payloads.pixels import streams
from pillow_sdz.payloads.rate_control import DIRECT_QUALITY, does_not_fit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pillow_sdz.codec.picture import Picture
    from pillow_sdz.container.metadata import Metadata
    from pillow_sdz.options import ComputeSettings, SaveOptions
    from pillow_sdz.payloads.protocol import Plan

FITTINGS: Final = 4
"""How many files are made for a target size: how long the map of the error is shows only when it is there."""


def encode(picture: Picture, options: SaveOptions, metadata: Metadata, compute: ComputeSettings) -> bytes:
    """Encode a picture.

    Args:
        picture: the pixels.
        options: the options of saving.
        metadata: the metadata to store.
        compute: device, number type and tile size of the networks.

    Returns:
        The bytes of the file.

    Raises:
        SdzError: the picture is too large, the model or torch is missing, options contradict each other, or
            ``target_size`` is too small for this picture.
    """
    height, width = picture.rgb.shape[:2]
    check_picture(width, height)
    if options.payload is not None and not kinds.payload(options.payload).needs_model:
        body = pixels.best_body(picture.rgb, options.quality, options.effort)
        return _Job(picture, options, metadata, compute).as_pixels(body)
    options = _guarded_where_possible(options)
    job = _Job(picture, options, metadata, compute)
    if options.guarded and options.may_be_pixels and _is_beyond_models(options) and pixels.can_hold(picture.rgb):
        registry.find(options.model)  # a misspelt name is an error at every quality
        quality = DIRECT_QUALITY if options.quality == DIRECT_QUALITY else settings_for(options.quality).whole
        return job.as_pixels(pixels.best_body(picture.rgb, quality, options.effort))
    with needs_packages("encoding the picture"):
        return job.by_model()


def _guarded_where_possible(options: SaveOptions) -> SaveOptions:
    """The options without the guard if Pillow was built without AVIF, in which patches are coded.

    Raises:
        SdzDependencyError: the guard is asked for.
    """
    if options.guarded:
        try:
            streams.require("av1")
        except SdzDependencyError as error:
            if options.guard:
                raise
            notice(f"saved without the guard: this Pillow has no AVIF ({error.remedy}; guard=False is without warning)")
            return replace(options, guard=False)
    return options


def _is_beyond_models(options: SaveOptions) -> bool:
    """Whether a model can't reach this quality."""
    return options.target_size is None and options.quality >= WITHOUT_MODEL


@dataclass
class _Job:
    """One picture to encode, and how.

    Attributes:
        picture, options, metadata, compute: see `encode`.
    """

    picture: Picture
    options: SaveOptions
    metadata: Metadata
    compute: ComputeSettings

    def as_pixels(self, body: bytes) -> bytes:
        """The file with a layer of pixels."""
        container = replace(self._without_layer, layers=[body])
        if not self._measured:
            return build(container)
        return build(self._with_error(container, self._decoded(container), Shares(whole=1.0)))

    def by_model(self) -> bytes:
        """The file that a model decodes, with what the guard buys if it is on; or what the guard buys in its place."""
        encoder = ModelEncoder(self.picture, self.options, self.metadata, self.compute, self._alpha)
        target = self.options.target_size
        if target is not None and not self.options.guarded:
            return self._within_target(encoder, None)
        plan = encoder.plan()
        if target is None:
            whole = self._pixels_of_drawn(encoder, plan)
            if whole is not None:
                return self.as_pixels(whole)
            encoder.refine(plan)
        container, decoded, bought = encoder.container(plan), None, Purchases()
        if self.options.guarded:
            decoded = self._decoded(container)
            room = self._room_for_pixels(target or len(build(container)))
            quality = encoder.quality_of(plan)
            bought = self._guard.choose(decoded, room, quality)
        if bought.whole is not None:
            return self._pixels_within_target(bought.whole)
        if target is not None:
            return self._within_target(encoder, bought.patches)
        return self._built(container, bought.patches, decoded, measured=self._measured)

    def _pixels_of_drawn(self, encoder: ModelEncoder, plan: Plan) -> bytes | None:
        """The body of a layer of pixels, if it is clear before the latent is refined that they are better; or None."""
        if not (self.options.guarded and encoder.refines(plan) and self._guard.may_be_drawn):
            return None
        container = encoder.container(plan)
        room, quality = self._room_for_pixels(len(build(container))), encoder.quality_of(plan)
        return self._guard.whole_of_drawn(self._decoded(container), room, quality)

    def _within_target(self, encoder: ModelEncoder, patches: bytes | None) -> bytes:
        """The refined file within the target size: with patches and error, or without those that leave no room for it.

        Raises:
            SdzOptionError: the file does not fit; an error that was asked for stays.
        """
        choices = [(patches, self._measured), (None, self._measured), (None, self.options.asks_for_error)]
        *larger, smallest = dict.fromkeys(choices)
        for bought, measured in larger:
            with suppress(SdzOptionError):
                return self._fitted(encoder, bought, measured=measured)
        return self._fitted(encoder, smallest[0], measured=smallest[1])

    def _fitted(self, encoder: ModelEncoder, patches: bytes | None, *, measured: bool) -> bytes:
        """The refined file with its patches, and with its error if it is to be measured, within the target size.

        Raises:
            SdzOptionError: not even the smallest plan leaves room for them.
        """
        target = self.options.target_size
        assert target is not None
        spare = self._error_bytes if measured else 0
        if patches is not None:
            spare += section_bytes(len(patches))
        encoder.refine(encoder.plan(spare))
        for _ in range(FITTINGS):
            container = encoder.container(encoder.plan(spare))
            data = self._built(container, patches, measured=measured)
            if len(data) <= target:
                return data
            spare += 2 * (len(data) - target)
        raise does_not_fit(target, len(data))

    def _pixels_within_target(self, body: bytes) -> bytes:
        """The file with a layer of pixels, or with a smaller one if the file would exceed the target size.

        Raises:
            SdzOptionError: the map of the error, which was asked for, leaves no room for it.
        """
        target, room = self.options.target_size, len(body)
        data = self.as_pixels(body)
        for _ in range(FITTINGS):
            if target is None or len(data) <= target:
                return data
            room -= 2 * (len(data) - target)
            found = pixels.fit_body(self.picture.rgb, room, self.options.effort)
            if found is None:
                break
            data = self.as_pixels(found.body)
        assert target is not None
        raise does_not_fit(target, len(data))

    def _built(
        self, container: Container, patches: bytes | None, decoded: NDArray[np.uint8] | None = None, *, measured: bool
    ) -> bytes:
        """A model's file with its patches, and with its error if it is to be measured.

        Args:
            container: the file without them.
            patches: body of the patches section, or None.
            decoded: the picture without patches, which becomes the one with them; None if it is not known yet.
            measured: whether to measure.
        """
        patched = _with_patches(container, patches)
        if not measured:
            return build(patched)
        if decoded is None:
            decoded = self._decoded(container)
        share = 0.0 if patches is None else apply_patches(decoded, patches)
        return build(self._with_error(patched, decoded, Shares(synthesised=1 - share, patched=share)))

    def _with_error(self, container: Container, decoded: NDArray[np.uint8], shares: Shares) -> Container:
        """The file with its own error, measured on the picture as decoded."""
        grey = self.picture.mode.startswith("L")
        asked = self.options.error == SSIMULACRA2
        measures = measure(self.picture.rgb, decoded, grey=grey, ssimulacra2=asked)
        error, error_map = error_sections(measures, shares, error_map=self.options.error_map)
        return replace(container, error=None if self.options.error is False else error, error_map=error_map)

    def _decoded(self, container: Container) -> NDArray[np.uint8]:
        """What a reader makes of a file, before alpha; (H, W, 3), writeable."""
        import numpy as np

        settings = self._settings
        if container.header.denoise_steps > MAX_UNASKED_STEPS:  # as readers do, but without their notice
            settings = replace(settings, denoise_steps=MAX_UNASKED_STEPS)
        return np.array(decode(read(build(container)), settings).rgb)

    def _room_for_pixels(self, size: int) -> int:
        """How long the body of the layer of a file of pixels may be, if the file is to have so many bytes."""
        others = len(build(self._without_layer)) - section_bytes(0) + (self._error_bytes if self._measured else 0)
        section = max(0, size - others)
        frame = section_bytes(section) - section  # at least that of a slightly shorter body
        return max(0, section - frame)

    @cached_property
    def _without_layer(self) -> Container:
        """The file of pixels, with an empty layer."""
        return pixels.container_of(self.picture, b"", self._alpha, self.metadata)

    @cached_property
    def _guard(self) -> Guard:
        return Guard(self.picture.rgb, self.options, self._settings)

    @cached_property
    def _alpha(self) -> bytes | None:
        """Body of the alpha section, or None."""
        alpha = self.picture.alpha
        return None if alpha is None else encode_alpha(alpha, self.options.effort)

    @property
    def _measured(self) -> bool:
        """Whether the error is measured: it is asked for, or the file is decoded anyway."""
        return self.options.asks_for_error or (self.options.guarded and self.options.error is not False)

    @property
    def _error_bytes(self) -> int:
        """How long the section of the error is, if there is one."""
        return 0 if self.options.error is False else section_bytes(int(ERROR.sizeof()))

    @property
    def _settings(self) -> DecodeSettings:
        """How readers decode by default, in the runtime that has encoded."""
        return DecodeSettings(**asdict(self.compute), runtime="torch")


def _with_patches(container: Container, body: bytes | None) -> Container:
    """A file with a patches section, which its header announces; or the file as it is."""
    if body is None:
        return container
    return replace(container, header=replace(container.header, patched=True), patches=body)
