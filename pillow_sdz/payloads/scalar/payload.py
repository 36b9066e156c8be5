"""Payload kind 2: the quantiser step of the whole picture and the entropy-coded prediction residuals, coarse to fine.

This module writes and reads the bodies of the one to four layers, and computes the noise of a step;
`pillow_sdz.payloads.scalar.encoder` and `decoder` code the values.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from construct import Int16ul, Struct

from pillow_sdz import limits
from pillow_sdz.coding.boxes import build_box, parse_box
from pillow_sdz.errors import SdzFormatError, SdzLimitError, SdzModelError, SdzTruncatedError
from pillow_sdz.payloads.protocol import Contents, Description, Encoded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pillow_sdz.payloads.protocol import ClosedLoop, Latent, ModelData, Payload, Plan, Shape, Truncation
    from pillow_sdz.payloads.scalar.decoder import Stream
    from pillow_sdz.payloads.scalar.prior import Prior

SCALAR_HEAD: Final = Struct("step" / Int16ul)

STEP_UNIT: Final = 1 / 16
"""Unit of the stored step, in codes."""

STEP_FIELD: Final = "layer 1, step"
"""How errors name the step."""

BYTES_A_LAYER: Final = 700
"""Streams have one layer more for each so many bytes: the 7 bytes of a further section are at most a hundredth."""


@dataclass(frozen=True)
class ScalarPlan:
    """Quantise uniformly.

    Attributes:
        step: of the quantiser, in sixteenths of a code, 16 to 2048.
    """

    kind: ClassVar[str] = "scalar"
    step: int

    @classmethod
    def in_codes(cls, step: float) -> ScalarPlan:
        """The plan for a step in codes, 1.0 to 128.0, which is rounded to sixteenths of a code.

        >>> ScalarPlan.in_codes(4.04).step
        65
        """
        return cls(round(step / STEP_UNIT))


def noise_field(step: int) -> int:
    """The header's noise field for a step: the rms error of uniform quantisation, in quarters of a code.

    ``step / 16 / sqrt(12) * 4``, rounded; in integer arithmetic, because readers check it.

    Args:
        step: in sixteenths of a code, 16 to 2048.

    Returns:
        1 to 148.

    >>> [noise_field(step) for step in (64, 336, 2048)]
    [5, 24, 148]
    """
    return (math.isqrt(step * step // 48) + 1) // 2


def rms_of_rounding(step: int) -> float:
    """The rms error in codes of uniform quantisation: step / sqrt(12), if errors are spread evenly over a step.

    Where the prior predicts a value to within a step, the error is smaller.

    Args:
        step: in sixteenths of a code.

    >>> round(rms_of_rounding(336), 3)
    6.062
    """
    return step * STEP_UNIT / math.sqrt(12)


def check_values(count: int, remedy: str | None = None) -> None:
    """Check the number of latent values against `limits.MAX_SCALAR_VALUES`.

    Raises:
        SdzLimitError: there are more values.
    """
    if count > limits.MAX_SCALAR_VALUES:
        raise SdzLimitError(
            "the latent is too large for a scalar payload", field="latent", found=f"{count} values",
            expected=f"at most {limits.MAX_SCALAR_VALUES}", remedy=remedy,
        )  # fmt: skip


@dataclass(frozen=True)
class ScalarLoop:
    """See `pillow_sdz.payloads.protocol.ClosedLoop`.

    Attributes:
        sixteenths: the step, in sixteenths of a code.
        prior: the model's.
    """

    sixteenths: int
    prior: Prior

    @property
    def step(self) -> float:
        """In codes."""
        return self.sixteenths * STEP_UNIT

    @property
    def noise(self) -> float:
        """See `rms_of_rounding`."""
        return rms_of_rounding(self.sixteenths)

    def quantise(self, targets: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """See `pillow_sdz.payloads.scalar.encoder.quantise_with_slopes`."""
        from pillow_sdz.payloads.scalar.encoder import quantise_with_slopes

        return quantise_with_slopes(targets, self.sixteenths, self.prior)


class ScalarPayload:
    """See `pillow_sdz.payloads.protocol.Payload`."""

    max_layers = 4
    progressive = True
    keyword = "step"
    lossless = False
    refined = True
    needs_prior = True
    needs_model = True

    def require(self, model: ModelData) -> None:
        """Needs the prior."""
        model.prior()

    def plan(self, quality: int, parameter: float | None, shape: Shape) -> Plan:  # noqa: ARG002
        """The given step in codes, or the step of the quality; direct codes at quality 100."""
        from pillow_sdz.payloads.scalar.rate_control import plan_for_quality

        return plan_for_quality(quality) if parameter is None else ScalarPlan.in_codes(parameter)

    def quality_of(self, plan: ScalarPlan, shape: Shape) -> float:  # noqa: ARG002
        """See `pillow_sdz.payloads.scalar.rate_control.quality_of_step`."""
        from pillow_sdz.payloads.scalar.rate_control import quality_of_step

        return quality_of_step(plan.step * STEP_UNIT)

    def fit_target(self, target: int, size_of: Callable[[Plan], int], shape: Shape) -> Plan:  # noqa: ARG002
        """The finest step found whose file fits; see `pillow_sdz.payloads.scalar.rate_control`."""
        from pillow_sdz.payloads.scalar.rate_control import fit_target

        return fit_target(target, size_of)

    def closed_loop(self, plan: ScalarPlan, model: ModelData) -> ClosedLoop:
        """Quantises to whole steps from the prior's predictions."""
        return ScalarLoop(plan.step, model.prior())

    def encode(self, latent: Latent, plan: ScalarPlan, model: ModelData, effort: int) -> Encoded:  # noqa: ARG002
        """Quantise and entropy code the values; the effort changes nothing.

        Raises:
            ValueError: the step is out of range.
            SdzLimitError: the latent has more values than a scalar payload may have.
            SdzModelError: the prior is missing or damaged.
        """
        from pillow_sdz.payloads.scalar import encoder

        if not limits.MIN_STEP <= plan.step <= limits.MAX_STEP:
            raise ValueError(f"the format cannot hold a step of {plan.step} sixteenths of a code")
        check_values(latent.targets.size, remedy="save with payload='palette' or a smaller picture")
        pieces = encoder.encode(latent.targets, plan.step, model.prior())
        last = min(sum(map(len, pieces)) // BYTES_A_LAYER, len(pieces) - 1)
        first, *others = [*pieces[:last], b"".join(pieces[last:])]
        return Encoded([build_box(SCALAR_HEAD, step=plan.step) + first, *others], noise_field(plan.step))

    def read(
        self, layers: Sequence[bytes], shape: Shape, noise: int, truncation: Truncation | None = None
    ) -> StoredScalar:
        """Parse the step, and check it against the header's noise.

        Raises:
            SdzTruncatedError: the file ends before the first value.
        """
        first = layers[0] if layers or truncation is None else _checked_start(truncation.part, shape)
        step: int = parse_box(SCALAR_HEAD, first, 0, field=STEP_FIELD).step
        if not limits.MIN_STEP <= step <= limits.MAX_STEP:
            raise SdzFormatError(
                "is out of range", field=STEP_FIELD, found=step,
                expected=f"{limits.MIN_STEP} to {limits.MAX_STEP}",
            )  # fmt: skip
        if noise != noise_field(step):
            raise SdzFormatError(
                f"contradicts the step {step} of the layer", field="noise", found=noise, expected=noise_field(step)
            )
        return StoredScalar(tuple(layers), step, shape, truncation)


def _checked_start(part: bytes, shape: Shape) -> bytes:
    """A part of the first layer, if it holds what decoding needs at least: step and states.

    Raises:
        SdzTruncatedError: it does not.
    """
    from pillow_sdz.coding.rans import state_bytes

    if len(part) < (least := SCALAR_HEAD.sizeof() + state_bytes(math.prod(shape))):
        raise SdzTruncatedError(
            "the file ends before the first value", field="layer 1", found=f"{len(part)} bytes",
            expected=f"at least {least} bytes", remedy="get the file again",
        )  # fmt: skip
    return part


@dataclass(frozen=True)
class StoredScalar:
    """See `pillow_sdz.payloads.protocol.StoredPayload`.

    Attributes:
        bodies: the bodies of the layer sections that arrived.
        step: in sixteenths of a code, 16 to 2048.
        shape: (h, w, C) of the latent.
        truncation: what is missing, or None.
    """

    bodies: tuple[bytes, ...]
    step: int
    shape: Shape
    truncation: Truncation | None = None

    @property
    def noise(self) -> float:
        """From the step, because the header's noise field is rounded."""
        return rms_of_rounding(self.step)

    def describe(self) -> Description:
        """The step."""
        step = self.step * STEP_UNIT
        return Description(
            info={"step": step},
            summary=f"in steps of {step:g} codes",
            sentence=f"how many steps of {step:g} codes every value lies away from what the model's prior predicts",
            layers=tuple({"bytes": len(body), "entries": None} for body in self.bodies),
        )

    def decode(self, model: ModelData, stride: int = 1) -> NDArray[np.uint8]:
        """The codes, or those of a grid, for which later layers are not decoded."""
        check_values(math.prod(self.shape))
        prior = model.prior()
        from pillow_sdz.payloads.scalar import decoder

        return decoder.decode(self._stream(), self.shape, self.step, prior, stride=stride)

    def _stream(self) -> Stream:
        from pillow_sdz.payloads.scalar.decoder import Stream

        missing, part = (0, b"") if self.truncation is None else (self.truncation.missing, self.truncation.part)
        first, *others = [*self.bodies, part] if part else self.bodies
        pieces = (first[SCALAR_HEAD.sizeof() :], *others)
        return Stream(pieces, len(self.bodies) + missing, cut=bool(part))

    def check(self, model: ModelData) -> None:
        """Decode the values, if the model's prior is installed."""
        with suppress(SdzModelError):
            self.decode(model)

    def contents(self, latent: Latent, model: ModelData) -> Contents:
        """The levels and their information content."""
        from pillow_sdz.payloads.scalar.encoder import levels_and_bits

        levels, bits = levels_and_bits(latent.targets, self.step, model.prior())
        return Contents(levels=levels, bits=bits)


PAYLOAD: Final[Payload[ScalarPlan]] = ScalarPayload()
