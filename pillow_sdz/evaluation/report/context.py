"""One picture on its way through the stages: what they share, and the codec's parts as they call them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pillow_sdz.codec import decode as decoder
from pillow_sdz.codec import encode as encoder
from pillow_sdz.evaluation.codecs import saved
from pillow_sdz.limits import check_picture
from pillow_sdz.models import registry
from pillow_sdz.models.model import DEFAULT_TILE
from pillow_sdz.options import Metadata, SaveOptions
from pillow_sdz.payloads.codes import to_codes
from pillow_sdz.plugin.pixels import to_planes
from pillow_sdz.settings import decode as settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pillow_sdz.container.sections import Container
    from pillow_sdz.evaluation.codecs import Format
    from pillow_sdz.evaluation.metrics import Metric
    from pillow_sdz.evaluation.report.channels import Channel
    from pillow_sdz.models.model import Model
    from pillow_sdz.options import SaveOptions


class Work:
    """One picture, its latents and codes.

    Attributes:
        left_out: stage -> why there is none.
        notes: what the reader should know.
        png: bytes of the picture as PNG.
        channels: what each channel of the latent holds, once the file is there.
        data: the bytes of the .sdz, once it is there.

    Raises:
        SdzError: the model is missing, or the picture cannot be stored.
    """

    def __init__(self, image: Image.Image, name: str, request: Request) -> None:
        self.name, self.request = name, request
        self.left_out: dict[str, str] = {}
        self.notes: list[str] = []
        check_picture(*image.size)
        planes = to_planes(image)
        if planes.alpha is not None:
            self.notes.append("The picture has an alpha plane, which .sdz keeps without loss. Here it is left out.")
        self.rgb = planes.rgb
        self.height, self.width = self.rgb.shape[:2]
        self.picture = Image.fromarray(self.rgb)
        self.png = len(saved(self.picture, "PNG", optimize=True))
        self.manifest = registry.find(request.options.model)
        self.mapping = self.manifest.codes
        self.matrix = np.array(self.manifest.preview_matrix, np.int8)
        self.model: Model = registry.load(self.manifest, settings.device, settings.dtype)
        self.latents = self.model.encode(self.rgb, settings.tile_size or DEFAULT_TILE)
        self.codes = to_codes(self.latents, self.mapping.step)
        self.channels: tuple[Channel, ...] = ()
        self.data = b""

    def encoded(self, options: SaveOptions) -> bytes:
        """The bytes of a file with these options."""
        return encoder.encode(self.rgb, None, "RGB", options, Metadata())

    def from_file(self, container: Container, steps: int | None) -> Image.Image:
        """What a file decodes to, with as many steps of the U-Net; None is as many as it asks for."""
        rgb = decoder.decode(
            container,
            file=self.name,
            steps=steps,
            device=settings.device,
            tile=settings.tile_size,
            dtype=settings.dtype,
        )
        return Image.fromarray(rgb)

    def decoded(self, latents: NDArray[np.float32]) -> Image.Image:
        """What the autoencoder makes of latents (h, w, C)."""
        rgb = self.model.decode(latents, self.height, self.width, settings.tile_size or DEFAULT_TILE)
        return Image.fromarray(np.ascontiguousarray(rgb))


@dataclass(frozen=True)
class Request:
    """What is to be compared.

    Attributes:
        options: how the .sdz is saved.
        strength: of the img2img stage, 0 to 1 (excluded).
        metrics: distances from the original.
        formats: codecs to set beside the .sdz.
    """

    options: SaveOptions
    strength: float
    metrics: Sequence[Metric]
    formats: Sequence[Format]
