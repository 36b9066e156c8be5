"""From a picture to a file: by a model and guarded, by a model alone, or as pixels. The inverse of `codec.decode`.

`pillow_sdz.codec.with_model` and `pillow_sdz.codec.pixels` make the two sorts of files. The guard
(`pillow_sdz.codec.guard`) looks at what a model made of the picture, and buys patches, or the whole picture as pixels.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Final

from pillow_sdz.codec import pixels
from pillow_sdz.codec.decode import decode
from pillow_sdz.codec.file import read
from pillow_sdz.codec.guard import purchases
from pillow_sdz.codec.guard.settings import WITHOUT_MODEL, settings_for
from pillow_sdz.codec.measure import Measures, Shares, error_sections, measure
from pillow_sdz.codec.patching import apply_patches
from pillow_sdz.codec.with_model import ModelEncoder
from pillow_sdz.container.framing import section_bytes
from pillow_sdz.container.sections import Container, build
from pillow_sdz.errors import needs_packages
from pillow_sdz.limits import check_picture
from pillow_sdz.options import DecodeSettings
from pillow_sdz.options.saving import SSIMULACRA2
from pillow_sdz.payloads import kinds
from pillow_sdz.payloads.rate_control import DIRECT_QUALITY

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pillow_sdz.codec.guard.purchases import Purchases
    from pillow_sdz.codec.picture import Picture
    from pillow_sdz.container.metadata import Metadata
    from pillow_sdz.options import ComputeSettings, SaveOptions

FITTINGS: Final = 3
"""How often a file that measuring its error has made larger than the target size is made smaller again."""


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
    job = _Job(picture, options, metadata, compute)
    if options.payload is not None and not kinds.payload(options.payload).needs_model:
        return job.as_pixels(pixels.best_body(picture.rgb, options.quality, options.effort))
    if options.guarded and options.may_be_pixels and _is_beyond_models(options):
        quality = DIRECT_QUALITY if options.quality == DIRECT_QUALITY else settings_for(options.quality).whole
        return job.as_pixels(pixels.best_body(picture.rgb, quality, options.effort))
    with needs_packages("encoding the picture"):
        return job.guarded() if options.guarded else job.by_model()


def _is_beyond_models(options: SaveOptions) -> bool:
    """Whether a model can't reach this quality."""
    return options.target_size is None and options.quality >= WITHOUT_MODEL


@dataclass
class _Job:
    """One picture to encode, and how.

    Attributes:
        picture, options, metadata, compute: see `encode`.
        settings: how the file will be decoded.
    """

    picture: Picture
    options: SaveOptions
    metadata: Metadata
    compute: ComputeSettings
    settings: DecodeSettings = field(init=False)

    def __post_init__(self) -> None:
        self.settings = DecodeSettings(**asdict(self.compute))

    def as_pixels(self, body: bytes) -> bytes:
        """The file with a layer of pixels."""
        container = pixels.container_of(self.picture, body, self.options, self.metadata)
        if self.options.error is False:
            return build(container)
        return build(self._with_error(container, self._decoded(container), Shares(whole=1.0)))

    def by_model(self) -> bytes:
        """The file as a model decodes it, without a guard."""
        encoder = ModelEncoder(self.picture, self.options, self.metadata, self.compute)
        plan = encoder.plan()
        if encoder.refine(plan):
            plan = encoder.plan()
        container = encoder.container(plan)
        if not self.options.asks_for_error:
            return build(container)
        return build(self._with_error(container, self._decoded(container), Shares(synthesised=1.0)))

    def guarded(self) -> bytes:
        """The file that the guard chooses."""
        encoder = ModelEncoder(self.picture, self.options, self.metadata, self.compute)
        plan = encoder.plan()
        if self.options.target_size is None:
            encoder.refine(plan)
        container = encoder.container(plan)
        decoded = self._decoded(container)
        bought = purchases.choose(
            self.picture.rgb, decoded, len(build(container)), encoder.quality_of(plan), self.options, self.settings
        )
        if bought.whole is not None:
            return self.as_pixels(bought.whole)
        if self.options.target_size is None:
            return build(self._patched(container, decoded, bought))
        return self._fitted(encoder, self._patched(container, decoded, bought), bought)

    def _fitted(self, encoder: ModelEncoder, draft: Container, bought: Purchases) -> bytes:
        """The refined file with its patches, within the target size; ``draft`` is the same, but larger."""
        target = self.options.target_size
        assert target is not None
        bodies = (draft.patches, draft.error, draft.error_map)
        spare = sum(section_bytes(len(body)) for body in bodies if body is not None)
        encoder.refine(encoder.plan(spare))
        for _ in range(FITTINGS):
            container = encoder.container(encoder.plan(spare))
            data = build(self._patched(container, self._decoded(container), bought))
            if len(data) <= target:
                return data
            spare += len(data) - target  # the map of the error is as large as it is
        return build(_with_patches(container, bought.patches))

    def _patched(self, container: Container, decoded: NDArray[np.uint8], bought: Purchases) -> Container:
        """A file with its patches and its error; ``decoded`` becomes the picture with patches."""
        share = 0.0
        if bought.patches is not None:
            container = _with_patches(container, bought.patches)
            share = apply_patches(decoded, bought.patches)
        if self.options.error is False:
            return container
        return self._with_error(container, decoded, Shares(synthesised=1 - share, patched=share))

    def _with_error(self, container: Container, decoded: NDArray[np.uint8], shares: Shares) -> Container:
        """The file with its own error, measured on the picture as decoded."""
        measures = self._measured(decoded)
        error, error_map = error_sections(measures, shares, error_map=self.options.error_map)
        return replace(container, error=error, error_map=error_map)

    def _measured(self, decoded: NDArray[np.uint8]) -> Measures:
        grey = self.picture.mode.startswith("L")
        asked = self.options.error == SSIMULACRA2
        return measure(self.picture.rgb, decoded, grey=grey, ssimulacra2=asked)

    def _decoded(self, container: Container) -> NDArray[np.uint8]:
        """What a reader makes of a file, before alpha; (H, W, 3), writeable."""
        import numpy as np

        return np.array(decode(read(build(container)), self.settings).rgb)


def _with_patches(container: Container, body: bytes | None) -> Container:
    """A file with a patches section, which its header announces; or the file as it is."""
    if body is None:
        return container
    return replace(container, header=replace(container.header, patched=True), patches=body)
