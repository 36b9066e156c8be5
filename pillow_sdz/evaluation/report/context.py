"""What the stages of a report share: the request, and the picture with its latent and codes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pillow_sdz.codec.decode import decode
from pillow_sdz.codec.encode import encode
from pillow_sdz.codec.picture import Picture
from pillow_sdz.container.metadata import Metadata
from pillow_sdz.evaluation.codecs import saved
from pillow_sdz.limits import check_picture
from pillow_sdz.models import model_data, registry
from pillow_sdz.options import ComputeSettings, DecodeSettings, SaveOptions
from pillow_sdz.payloads.codes import to_codes, to_targets
from pillow_sdz.payloads.preview_matrix import preview
from pillow_sdz.payloads.protocol import Latent
from pillow_sdz.plugin.pixels import to_picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pillow_sdz.codec.file import SdzFile
    from pillow_sdz.evaluation.codecs import Codec
    from pillow_sdz.evaluation.metrics import Metric
    from pillow_sdz.evaluation.report.channels import Channel
    from pillow_sdz.models.model import Model


@dataclass(frozen=True)
class Request:
    """What is to be compared.

    Attributes:
        options: how the .sdz is saved.
        strength: noise of the img2img stage as a fraction of the noise schedule, above 0 and at most 1.
        metrics: those to measure.
        codecs: other codecs to compare with the .sdz.
        compute: where and how networks compute.
    """

    options: SaveOptions
    strength: float
    metrics: Sequence[Metric]
    codecs: Sequence[Codec]
    compute: ComputeSettings


class PictureContext:
    """One picture, its latent and codes, and results that later stages need.

    Args:
        image: any mode; alpha is left out.
        name: of its file.
        request: what to compare.

    Attributes:
        rgb, picture: the pixels, as an array (H, W, 3) and as an RGB picture.
        latents, codes: (h, w, C), float32 and uint8.
        manifest, mapping, matrix, model: the model, with its code mapping and preview matrix.
        png: size of the picture as PNG, in bytes.
        channels: facts about each channel of the latent; set by `payload_stages.of_file`.
        data: the bytes of the .sdz; set by `payload_stages.of_file`.
        left_out: stage that does not exist -> reason.
        notes: sentences for the reader of the report.

    Raises:
        SdzError: the model is missing, or the picture cannot be stored.
    """

    def __init__(self, image: Image.Image, name: str, request: Request) -> None:
        self.name, self.request = name, request
        self.left_out: dict[str, str] = {}
        self.notes: list[str] = []
        check_picture(*image.size)
        picture = to_picture(image)
        if picture.alpha is not None:
            self.notes.append("The picture has an alpha plane, which .sdz keeps without loss. Here it is left out.")
        self.rgb = picture.rgb
        self.height, self.width = self.rgb.shape[:2]
        self.picture = Image.fromarray(self.rgb)
        self.png = len(saved(self.picture, "PNG", optimize=True))
        self.manifest = registry.find(request.options.model)
        self.mapping = self.manifest.codes
        self.matrix = np.array(self.manifest.preview_matrix, np.int8)
        self.model: Model = registry.load(self.manifest, request.compute.device, request.compute.dtype)
        self.latents = self.model.encode(self.rgb, self._tile)
        self.codes = to_codes(self.latents, self.mapping.step)
        self.channels: tuple[Channel, ...] = ()
        self.data = b""

    @property
    def _tile(self) -> int | None:
        return self.request.compute.tile_size

    @property
    def latent(self) -> Latent:
        """The latent in the form that payloads take."""
        return Latent(self.codes, to_targets(self.latents, self.mapping.step))

    def preview(self) -> Image.Image:
        """The preview of the codes, one pixel for each position."""
        networks = model_data.preview_networks(self.manifest.short_fingerprint)
        return Image.fromarray(
            preview(self.codes, self.matrix) if networks is None else networks.preview(self.codes, 1)
        )

    def encoded(self, options: SaveOptions) -> bytes:
        """The bytes of a file with these options."""
        return encode(Picture(self.rgb, None, "RGB"), options, Metadata(), self.request.compute)

    def from_file(self, file: SdzFile, denoise_steps: int | None) -> Image.Image:
        """The decoded picture of a file.

        Args:
            file: the file.
            denoise_steps: U-Net steps; None takes as many as the file says.
        """
        settings = DecodeSettings(**dataclasses.asdict(self.request.compute), denoise_steps=denoise_steps)
        return Image.fromarray(decode(file, settings).rgb)

    def decoded(self, latents: NDArray[np.float32]) -> Image.Image:
        """The picture that the autoencoder's decoder makes of latents (h, w, C)."""
        rgb = self.model.decode(latents, self.height, self.width, self._tile)
        return Image.fromarray(np.ascontiguousarray(rgb))
