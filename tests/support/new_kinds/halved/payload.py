"""Payload kind "halved": the codes without some of their lowest bits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from pillow_sdz.errors import SdzFormatError, SdzOptionError
from pillow_sdz.payloads.codes import NOISE_UNIT
from pillow_sdz.payloads.protocol import Contents, Description, Encoded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from pillow_sdz.payloads.protocol import Latent, ModelData, Payload, Shape, Truncation


@dataclass(frozen=True)
class HalvedPlan:
    """Store the codes without this many of their lowest ``bits``, 0 to 7."""

    kind: ClassVar[str] = "halved"
    bits: int


class HalvedPayload:
    max_layers = 1
    keyword = None
    lossless = False
    progressive = False
    refined = False
    needs_prior = False
    needs_model = True

    def require(self, model: ModelData) -> None:
        pass

    def plan(self, quality: int, parameter: Any, shape: Shape) -> HalvedPlan:
        return HalvedPlan((100 - quality) // 13)

    def quality_of(self, plan: HalvedPlan, shape: Shape) -> float:
        return 100 - 13 * plan.bits

    def fit_target(self, target: int, size_of: Callable[[HalvedPlan], int], shape: Shape) -> HalvedPlan:
        for plan in map(HalvedPlan, range(8)):
            if size_of(plan) <= target:
                return plan
        raise SdzOptionError("the picture does not fit", field="target_size", found=target)

    def closed_loop(self, plan: HalvedPlan, model: ModelData) -> None:
        """None: latents are not refined."""

    def encode(self, latent: Latent, plan: HalvedPlan, model: ModelData, effort: int) -> Encoded:
        stored = (latent.codes >> plan.bits).astype(np.uint8)
        error = decoded(stored, plan.bits).astype(float) - latent.codes
        noise = math.sqrt(float((error**2).mean()))
        return Encoded([bytes([plan.bits]) + stored.tobytes()], min(255, round(noise / NOISE_UNIT)))

    def read(
        self, layers: Sequence[bytes], shape: Shape, noise: int, truncation: Truncation | None = None
    ) -> StoredHalved:
        if not layers[0] or layers[0][0] > 7:
            raise SdzFormatError("is out of range", field="layer 1, bits", expected="0 to 7")
        return StoredHalved(layers[0], shape, noise)


@dataclass(frozen=True)
class StoredHalved:
    body: bytes
    shape: Shape
    noise_field: int

    @property
    def noise(self) -> float:
        return self.noise_field * NOISE_UNIT

    def describe(self) -> Description:
        bits = 8 - self.body[0]
        return Description(
            info={"bits": bits},
            summary=f"{bits} bits of each code",
            sentence=f"the first {bits} bits of each code",
            layers=({"bytes": len(self.body), "entries": None},),
        )

    def decode(self, model: ModelData, stride: int = 1) -> NDArray[np.uint8]:
        if len(self.body) != 1 + math.prod(self.shape):
            raise SdzFormatError("has the wrong length", field="layer 1", found=f"{len(self.body)} bytes")
        codes = decoded(np.frombuffer(self.body, np.uint8, offset=1).reshape(self.shape), self.body[0])
        return codes[::stride, ::stride]

    def check(self, model: ModelData) -> None:
        self.decode(model)

    def contents(self, latent: Latent, model: ModelData) -> Contents:
        return Contents()


def decoded(stored: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """For each stored value the middle of the codes that it stands for."""
    return ((stored.astype(int) << bits) + (1 << bits >> 1)).astype(np.uint8)


PAYLOAD: Final[Payload[HalvedPlan]] = HalvedPayload()
