"""Payload kind 3: the pixels themselves, as one stream of AV1, VP8 or VP8L; no model takes part.

In the terms of the other kinds, the latent is the picture, with factor 1 and three channels, and its codes are the
pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pillow_sdz.coding.boxes import CODED_HEAD, build_box, parse_box
from pillow_sdz.payloads.pixels import streams
from pillow_sdz.payloads.protocol import Contents, Description, Encoded
from pillow_sdz.payloads.rate_control import check_quality, does_not_fit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pillow_sdz.payloads.protocol import Latent, ModelData, Payload, Shape, Truncation

_FIELD: Final = "layer 1"

LOSSLESS_QUALITY: Final = 100
"""The quality whose plan is lossless."""

_FEW_PIXELS: Final = 1 << 22
"""Up to how many pixels a search for a target size starts with the lossless coding, which is slow."""


@dataclass(frozen=True)
class PixelsPlan:
    """How the pixels are coded.

    Attributes:
        coding: ``av1``, ``vp8`` or ``vp8l``.
        quality: 0 to 100, see `pillow_sdz.payloads.pixels.streams.encode`.
        subsampling: of ``av1``: ``4:2:0`` or ``4:4:4``.
    """

    kind: ClassVar[str] = "pixels"
    coding: str
    quality: int
    subsampling: str = "4:2:0"


LOSSLESS_PLAN: Final = PixelsPlan(streams.LOSSLESS, LOSSLESS_QUALITY)
"""The plan that loses nothing."""


def encode_pixels(rgb: NDArray[np.uint8], plan: PixelsPlan, effort: int = 4) -> bytes:
    """Write the body of the one layer section.

    Args:
        rgb: (H, W, 3).
        plan: how.
        effort: 0 (fast) to 9 (small).

    Raises:
        SdzError: see `pillow_sdz.payloads.pixels.streams.encode`.
    """
    stream = streams.encode(rgb, plan.coding, plan.quality, speed_of(effort), plan.subsampling)
    return build_box(CODED_HEAD, coding=streams.number_of(plan.coding)) + stream


def speed_of(effort: int) -> int:
    """The speed of Pillow's encoders for an effort of 0 to 9.

    >>> [speed_of(effort) for effort in (0, 4, 9)]
    [10, 6, 2]
    """
    return max(2, 10 - effort)


class PixelsPayload:
    """See `pillow_sdz.payloads.protocol.Payload`."""

    max_layers = 1
    keyword = None
    lossless = False
    progressive = False
    refined = False
    needs_prior = False
    needs_model = False

    def require(self, model: ModelData) -> None:
        """Needs nothing of a model."""

    def plan(self, quality: int, parameter: Any, shape: Shape) -> PixelsPlan:  # noqa: ARG002
        """AV1 of this quality, for pictures of which nothing is known; the best quality is lossless.

        `pillow_sdz.codec.pixels.best_body` looks at the picture, and chooses better.
        """
        check_quality(quality)
        if quality == LOSSLESS_QUALITY and streams.can_hold(streams.LOSSLESS, *shape[1::-1]):
            return LOSSLESS_PLAN
        return PixelsPlan("av1", quality)

    def quality_of(self, plan: PixelsPlan, shape: Shape) -> float:  # noqa: ARG002
        """That of the plan."""
        return plan.quality

    def fit_target(self, target: int, size_of: Callable[[PixelsPlan], int], shape: Shape) -> PixelsPlan:
        """The lossless plan if its file fits, else AV1 of the highest quality that fits, found by bisection."""
        height, width = shape[:2]
        fits = cache(lambda quality: size_of(PixelsPlan("av1", quality)) <= target)
        try_lossless = streams.can_hold(streams.LOSSLESS, width, height) and (
            height * width <= _FEW_PIXELS or fits(LOSSLESS_QUALITY)
        )
        if try_lossless and size_of(LOSSLESS_PLAN) <= target:
            return LOSSLESS_PLAN
        if not fits(0):
            raise does_not_fit(target, size_of(PixelsPlan("av1", 0)))
        low, high = 0, LOSSLESS_QUALITY + 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if fits(middle) else (low, middle)
        return PixelsPlan("av1", low)

    def closed_loop(self, plan: PixelsPlan, model: ModelData) -> None:
        """None: there is no latent to refine."""

    def encode(self, latent: Latent, plan: PixelsPlan, model: ModelData, effort: int) -> Encoded:  # noqa: ARG002
        """Encode the codes, which are the pixels; the noise is 0."""
        return Encoded([encode_pixels(latent.codes, plan, effort)], 0)

    def read(
        self,
        layers: Sequence[bytes],
        shape: Shape,
        noise: int,  # noqa: ARG002
        truncation: Truncation | None = None,  # noqa: ARG002
    ) -> StoredPixels:
        """Check the headers of the stream, and its size."""
        coding = parse_box(CODED_HEAD, layers[0], 0, field=_FIELD).coding
        height, width, _ = shape
        words = streams.check(coding, layers[0][CODED_HEAD.sizeof() :], width, height, _FIELD)
        return StoredPixels(layers[0], shape, words)


@dataclass(frozen=True)
class StoredPixels:
    """See `pillow_sdz.payloads.protocol.StoredPayload`.

    Attributes:
        body: the coding and the stream.
        shape: (H, W, 3).
        words: what the stream is.
    """

    body: bytes
    shape: Shape
    words: str

    @property
    def noise(self) -> float:
        """0: what the coding loses is not noise of a latent."""
        return 0.0

    def describe(self) -> Description:
        """The coding, and the size of the one layer."""
        name = streams.name_of(self.body[0], _FIELD)
        layer = {"bytes": len(self.body), "entries": None, "coding": name}
        return Description({}, self.words, f"the pixels, coded as {self.words}", (layer,))

    def decode(self, model: ModelData, stride: int = 1) -> NDArray[np.uint8]:  # noqa: ARG002
        """The pixels, or those of a grid; all are decoded."""
        height, width, _ = self.shape
        stream = self.body[CODED_HEAD.sizeof() :]
        return streams.decode(self.body[0], stream, width, height, _FIELD)[::stride, ::stride]

    def whole_file(self) -> bytes:
        """The stream as an AVIF or WebP file, for other decoders than Pillow's."""
        return streams.whole_file(self.body[0], self.body[CODED_HEAD.sizeof() :], _FIELD)

    def check(self, model: ModelData) -> None:
        """Decode the pixels, which needs no model."""
        self.decode(model)

    def contents(self, latent: Latent, model: ModelData) -> Contents:  # noqa: ARG002
        """Empty: there is nothing to show but the pixels."""
        return Contents()


PAYLOAD: Final[Payload[PixelsPlan]] = PixelsPayload()
