"""Payload kind 0: one to eight layers of a palette of latent vectors and an index for each position."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from pillow_sdz import limits
from pillow_sdz.errors import SdzLimitError
from pillow_sdz.payloads.codes import NOISE_UNIT
from pillow_sdz.payloads.palette import context_index_coder, index_codings
from pillow_sdz.payloads.palette.layers import codes_from_layers, decode_layer, encode_layer, read_head
from pillow_sdz.payloads.protocol import Contents, Description, Encoded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pillow_sdz.payloads.palette.layers import Layer, LayerHead
    from pillow_sdz.payloads.protocol import Latent, ModelData, Payload, Plan, Shape, Truncation

DITHERED_EFFORT: Final = 9
"""Effort with a dithered palette, whatever the option says: Bühlmann's experiment used zlib level 9."""


@dataclass(frozen=True)
class PalettePlan:
    """Quantise vectors in layers.

    Attributes:
        colors: palette entries of each layer, most important first.
        dithered: one layer, made by libimagequant with dithering, as in Bühlmann's experiment of 2022.
    """

    kind: ClassVar[str] = "palette"
    colors: tuple[int, ...]
    dithered: bool = False


class PalettePayload:
    """See `pillow_sdz.payloads.protocol.Payload`."""

    max_layers = limits.MAX_LAYERS
    keyword = "colors"
    lossless = False
    progressive = False
    refined = False
    needs_prior = False
    needs_model = True

    def require(self, model: ModelData) -> None:
        """Needs nothing of a model: palettes are in the file."""

    def plan(self, quality: int, parameter: int | tuple[int, ...] | None, shape: Shape) -> Plan:
        """The given palette sizes, or those of the quality; direct codes where they would be no larger."""
        from pillow_sdz.payloads.palette.rate_control import plan_for_quality

        if parameter is not None:
            return PalettePlan((parameter,) if isinstance(parameter, int) else tuple(parameter))
        height, width, channels = shape
        return plan_for_quality(quality, height * width, channels)

    def quality_of(self, plan: PalettePlan, shape: Shape) -> float:
        """The lowest quality whose palettes are at least as large."""
        from pillow_sdz.payloads.palette.rate_control import quality_of_colors

        height, width, channels = shape
        return quality_of_colors(plan.colors, height * width, channels)

    def fit_target(self, target: int, size_of: Callable[[Plan], int], shape: Shape) -> Plan:
        """The largest palettes that fit; see `pillow_sdz.payloads.palette.rate_control`."""
        from pillow_sdz.payloads.palette.rate_control import fit_target

        height, width, channels = shape
        return fit_target(target, size_of, height * width, channels)

    def closed_loop(self, plan: PalettePlan, model: ModelData) -> None:
        """None: palettes follow from the whole latent."""

    def encode(self, latent: Latent, plan: PalettePlan, model: ModelData, effort: int) -> Encoded:  # noqa: ARG002
        """Find palettes and indices, and encode them."""
        from pillow_sdz.payloads.palette.libimagequant import dithered
        from pillow_sdz.payloads.palette.quantise import make_layers, rms_noise

        if plan.dithered:
            layers, effort = [dithered(latent.codes, plan.colors[0])], DITHERED_EFFORT
        else:
            layers = make_layers(latent.codes, plan.colors, effort)
        noise = rms_noise(latent.codes, codes_from_layers(layers))
        bodies = [encode_layer(layer, effort=effort, layers=len(layers)) for layer in layers]
        return Encoded(bodies, min(255, round(noise / NOISE_UNIT)))

    def read(
        self,
        layers: Sequence[bytes],
        shape: Shape,
        noise: int,
        truncation: Truncation | None = None,  # noqa: ARG002
    ) -> StoredPalettes:
        """Parse the head of each layer that arrived; each of them is a picture without those that follow."""
        heads = tuple(read_head(body, shape[2], position) for position, body in enumerate(layers))
        return StoredPalettes(tuple(layers), heads, shape, noise)


@dataclass(frozen=True)
class StoredPalettes:
    """See `pillow_sdz.payloads.protocol.StoredPayload`."""

    bodies: tuple[bytes, ...]
    heads: tuple[LayerHead, ...]
    shape: Shape
    noise_field: int

    @property
    def noise(self) -> float:
        """From the header."""
        return self.noise_field * NOISE_UNIT

    def describe(self) -> Description:
        """Palette entries and codings of each layer."""
        return Description(
            info={"colors": tuple(head.entries for head in self.heads)},
            summary="",
            sentence=f"{len(self.heads)} layer(s) of a palette and an index for each position",
            layers=tuple(
                {
                    "bytes": len(body),
                    "entries": head.entries,
                    "coding": index_codings.NAMES.get(head.index_coding, str(head.index_coding)),
                    "palette_bytes": head.palette_bytes,
                }
                for body, head in zip(self.bodies, self.heads, strict=True)
            ),
        )

    def decode(self, model: ModelData, stride: int = 1) -> NDArray[np.uint8]:  # noqa: ARG002
        """The codes, or those of a grid; all are decoded."""
        self._check_cost()
        return codes_from_layers(self._layers())[::stride, ::stride]

    def check(self, model: ModelData) -> None:
        """Decode the codes, which needs no model."""
        self.decode(model)

    def contents(self, latent: Latent, model: ModelData) -> Contents:  # noqa: ARG002
        """Palette and indices of the first layer."""
        first = next(self._layers())
        return Contents(palette=first.palette, indices=first.indices)

    def _layers(self) -> Iterator[Layer]:
        """Decode the layers one after the other."""
        for position, (body, head) in enumerate(zip(self.bodies, self.heads, strict=True)):
            yield decode_layer(body, head, self.shape, position)

    def _check_cost(self) -> None:
        """Check the cost of all context-coded layers together, before the first one is decoded.

        Raises:
            SdzLimitError: it is above `limits.MAX_CONTEXT_FREQUENCIES`.
        """
        positions = self.shape[0] * self.shape[1]
        total = sum(
            context_index_coder.cost(positions, head.entries)
            for head in self.heads
            if head.index_coding == index_codings.CONTEXT
        )
        if total > limits.MAX_CONTEXT_FREQUENCIES:
            raise SdzLimitError(
                "the index planes would take too long to decode", field="layers", found=f"{total} frequencies",
                expected=f"at most {limits.MAX_CONTEXT_FREQUENCIES}",
            )  # fmt: skip


PAYLOAD: Final[Payload[PalettePlan]] = PalettePayload()
