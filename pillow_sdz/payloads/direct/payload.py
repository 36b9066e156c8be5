"""Payload kind 1: the codes as byte planes, one a channel, in the lossless coding of `pillow_sdz.coding.planes`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from pillow_sdz.coding.planes import decode_planes, encode_planes
from pillow_sdz.payloads.codes import NOISE_UNIT
from pillow_sdz.payloads.protocol import Contents, Description, Encoded
from pillow_sdz.payloads.rate_control import DIRECT_QUALITY, does_not_fit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from pillow_sdz.payloads.protocol import Latent, ModelData, Payload, Shape, Truncation


@dataclass(frozen=True)
class DirectPlan:
    """Store the codes without loss; there are no parameters."""

    kind: ClassVar[str] = "direct"


def encode_direct(codes: NDArray[np.uint8], effort: int = 4) -> bytes:
    """Write the body of the one layer section.

    Args:
        codes: (h, w, C).
        effort: 0 (fast) to 9 (small).
    """
    return encode_planes(np.ascontiguousarray(codes.transpose(2, 0, 1)), effort)


def decode_direct(body: bytes, shape: Shape) -> NDArray[np.uint8]:
    """Undo `encode_direct`.

    Args:
        body: the body of the layer section.
        shape: (h, w, C).

    Returns:
        The codes, (h, w, C).

    Raises:
        SdzFormatError: the body does not give exactly these codes.
        SdzVersionError: the coding is unknown.
    """
    height, width, channels = shape
    planes = decode_planes(body, (channels, height, width), field="direct codes")
    return np.ascontiguousarray(planes.transpose(1, 2, 0))


class DirectPayload:
    """See `pillow_sdz.payloads.protocol.Payload`."""

    max_layers = 1
    keyword = None
    lossless = True
    progressive = False
    refined = False
    needs_prior = False
    needs_model = True

    def require(self, model: ModelData) -> None:
        """Needs nothing of a model."""

    def plan(self, quality: int, parameter: Any, shape: Shape) -> DirectPlan:  # noqa: ARG002
        """The only plan, whatever the quality."""
        return DirectPlan()

    def quality_of(self, plan: DirectPlan, shape: Shape) -> float:  # noqa: ARG002
        """The highest: the codes are stored as they are."""
        return DIRECT_QUALITY

    def fit_target(self, target: int, size_of: Callable[[DirectPlan], int], shape: Shape) -> DirectPlan:
        """The only plan, if its file fits."""
        plan = self.plan(100, None, shape)
        if (size := size_of(plan)) > target:
            raise does_not_fit(target, size)
        return plan

    def closed_loop(self, plan: DirectPlan, model: ModelData) -> None:
        """None: codes are stored as they are."""

    def encode(self, latent: Latent, plan: DirectPlan, model: ModelData, effort: int) -> Encoded:  # noqa: ARG002
        """Encode the codes; the noise is 0."""
        return Encoded([encode_direct(latent.codes, effort)], 0)

    def read(
        self,
        layers: Sequence[bytes],
        shape: Shape,
        noise: int,
        truncation: Truncation | None = None,  # noqa: ARG002
    ) -> StoredDirect:
        """Nothing to parse: the layer has no head."""
        return StoredDirect(layers[0], shape, noise)


@dataclass(frozen=True)
class StoredDirect:
    """See `pillow_sdz.payloads.protocol.StoredPayload`."""

    body: bytes
    shape: Shape
    noise_field: int

    @property
    def noise(self) -> float:
        """From the header."""
        return self.noise_field * NOISE_UNIT

    def describe(self) -> Description:
        """The size of the one layer."""
        sentence = "the 8-bit latent itself, packed without loss"
        return Description({}, "", sentence, ({"bytes": len(self.body), "entries": None},))

    def decode(self, model: ModelData, stride: int = 1) -> NDArray[np.uint8]:  # noqa: ARG002
        """The codes, or those of a grid; all are decoded."""
        return decode_direct(self.body, self.shape)[::stride, ::stride]

    def check(self, model: ModelData) -> None:
        """Decode the codes, which needs no model."""
        self.decode(model)

    def contents(self, latent: Latent, model: ModelData) -> Contents:  # noqa: ARG002
        """Empty: there is nothing to show but the codes."""
        return Contents()


PAYLOAD: Final[Payload[DirectPlan]] = DirectPayload()
