"""Interfaces: `Payload`, a payload kind that plans, encodes and reads; `StoredPayload`, the payload of a file."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pillow_sdz.payloads.scalar.prior import Prior

Shape = tuple[int, int, int]
"""Shape (h, w, C) of a latent: rows and columns of positions, channels."""


class ModelData(Protocol):
    """What payloads may use of a model: the small files beside its weights, never the weights."""

    def prior(self) -> Prior:
        """The prior, the integer network that predicts the values of scalar payloads.

        Raises:
            SdzModelError: the model is missing, has no prior, or its prior is damaged.
        """


@dataclass(frozen=True)
class Latent:
    """A latent to encode, quantised to codes and not.

    Attributes:
        codes: (h, w, C) uint8; see `pillow_sdz.payloads.codes.to_codes`.
        targets: (h, w, C) float32, signed codes (codes less 128) before rounding, -128 to 127; see `to_targets` there.
    """

    codes: NDArray[np.uint8]
    targets: NDArray[np.float32]

    @property
    def shape(self) -> Shape:
        """(h, w, C)."""
        height, width, channels = self.codes.shape
        return height, width, channels


class Plan(Hashable, Protocol):
    """Parameters of an encoding, such as a quantiser step; `Payload.plan` chooses and `Payload.encode` applies them."""

    @property
    def kind(self) -> str:
        """The payload kind that encodes this plan, not always the one whose `Payload.plan` made it."""


@dataclass(frozen=True)
class Encoded:
    """An encoded payload.

    Attributes:
        layers: the bodies of the layer sections, most important first.
        noise: the header's noise field, 0 to 255: rms quantisation error of the codes in quarters of a code.
    """

    layers: list[bytes]
    noise: int


@dataclass(frozen=True)
class Description:
    """Facts about a payload, for users.

    Attributes:
        info: entries for ``image.info``.
        summary: the words after the name of the kind in ``sdz-convert --info``; may be empty.
        sentence: what the file holds, to end a sentence such as "the file holds ..."; for the report.
        layers: facts about each layer, for ``sdz-convert --info --json``.
    """

    info: Mapping[str, Any]
    summary: str
    sentence: str
    layers: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Contents:
    """What a payload stores, as arrays for the pictures of the report; None for what a kind does not have.

    Attributes:
        levels: (h, w, C) int16, the quantised prediction residual of each value, in steps.
        bits: (h, w, C), information content of each level in bits, by the frequencies of the entropy coder.
        palette: (N, C) uint8, the palette of the first layer.
        indices: (h, w), the index plane of the first layer.
    """

    levels: NDArray[np.int16] | None = field(default=None)
    bits: NDArray[np.float64] | None = field(default=None)
    palette: NDArray[np.uint8] | None = field(default=None)
    indices: NDArray[np.uint16] | None = field(default=None)


@dataclass(frozen=True)
class Truncation:
    """What is missing of a file whose end did not arrive.

    Attributes:
        missing: number of layers that are not there as a whole, at least 1.
        part: what arrived of the body of the first of them, without a checksum; may be empty.
    """

    missing: int
    part: bytes = b""


class StoredPayload(Protocol):
    """The payload of a file; the heads of its layers are parsed and checked, nothing is decoded yet."""

    @property
    def noise(self) -> float:
        """The rms quantisation error of the codes, in codes."""

    def describe(self) -> Description:
        """Facts from the heads of the layers, without decoding."""

    def decode(self, model: ModelData, stride: int = 1) -> NDArray[np.uint8]:
        """Decode the codes in integer arithmetic, from what is present.

        Args:
            model: the small files of the model.
            stride: 1, 2, 4 or 8: only the positions whose row and column are multiples of it.

        Returns:
            (ceil(h / stride), ceil(w / stride), C).

        Raises:
            SdzFormatError: the payload is damaged.
            SdzLimitError: decoding would cost more than `pillow_sdz.limits` allow.
            SdzModelError: the payload needs the prior of a model that is missing or damaged.
            SdzVersionError: the payload uses a coding that is unknown here.
        """

    def check(self, model: ModelData) -> None:
        """Decode only to find errors; what needs a model that is missing is skipped.

        Raises:
            SdzError: as `decode`, except for a missing model.
        """

    def contents(self, latent: Latent, model: ModelData) -> Contents:
        """Decode for the report; ``latent`` is the one that the file was encoded from."""


class ClosedLoop(Protocol):
    """Quantises a latent as a plan does, with what refinement needs to know; see `pillow_sdz.refinement`.

    Attributes:
        step: distance of neighbouring values, in codes.
        noise: the rms quantisation error of the codes, in codes.
    """

    @property
    def step(self) -> float:
        """See above."""

    @property
    def noise(self) -> float:
        """See above."""

    def quantise(self, targets: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """The codes that a reader will decode, and by how many bits each target changes the size per code.

        Args:
            targets: (h, w, C), signed codes before rounding.
        """


P = TypeVar("P", bound=Plan, contravariant=True)


class Payload(Protocol[P]):
    """One payload kind.

    Attributes:
        max_layers: largest number of layer sections of a file of this kind.
        progressive: whether a part of a layer can be decoded.
        keyword: the option of ``image.save`` that only this kind has, or None.
        lossless: whether the codes are stored as they are: then there is no quantisation noise to remove.
        refined: whether latents are refined for this kind, see `closed_loop`.
        needs_prior: whether the codes can only be decoded with the model's prior.
        needs_model: whether the codes stand for a model's latent; if not, they are the pixels.
    """

    @property
    def max_layers(self) -> int:
        """See above."""

    @property
    def progressive(self) -> bool:
        """See above."""

    @property
    def keyword(self) -> str | None:
        """See above."""

    @property
    def lossless(self) -> bool:
        """See above."""

    @property
    def refined(self) -> bool:
        """See above."""

    @property
    def needs_prior(self) -> bool:
        """See above."""

    @property
    def needs_model(self) -> bool:
        """See above."""

    def require(self, model: ModelData) -> None:
        """Load what encoding needs of a model, so that its absence is reported before anything is computed.

        Raises:
            SdzModelError: something is missing or damaged.
        """

    def plan(self, quality: int, parameter: Any, shape: Shape) -> Plan:
        """Choose the plan for a quality, or for the kind's own option.

        Args:
            quality: 0 (smallest) to 100 (best).
            parameter: the checked value of `keyword`, which takes the place of the quality, or None.
            shape: (h, w, C) of the latent.

        Returns:
            The plan, perhaps one of another kind that reaches this quality in fewer bytes.
        """

    def quality_of(self, plan: P, shape: Shape) -> float:
        """The quality, 0 to 100, that a plan stands for, also if it came from another option.

        Args:
            plan: a plan whose `Plan.kind` is this kind.
            shape: (h, w, C) of the latent.
        """

    def fit_target(self, target: int, size_of: Callable[[Any], int], shape: Shape) -> Plan:
        """Find the best plan whose file is not larger than ``target`` bytes.

        Args:
            target: maximum size of the file in bytes.
            size_of: encodes a plan and returns the size of the whole file in bytes.
            shape: (h, w, C) of the latent.

        Raises:
            SdzOptionError: not even the smallest plan fits; the message says how large that is.
        """

    def closed_loop(self, plan: P, model: ModelData) -> ClosedLoop | None:
        """What refinement needs of a plan, or None if latents are not refined for this kind."""

    def encode(self, latent: Latent, plan: P, model: ModelData, effort: int) -> Encoded:
        """Encode a latent.

        Args:
            latent: the latent.
            plan: a plan whose `Plan.kind` is this kind.
            model: the small files of the model.
            effort: 0 (fast) to 9 (small).

        Raises:
            SdzError: the latent is too large for this kind, the model has no prior, or a package is missing.
        """

    def read(
        self, layers: Sequence[bytes], shape: Shape, noise: int, truncation: Truncation | None = None
    ) -> StoredPayload:
        """Parse and check the heads of the layers, in microseconds; decode nothing.

        Args:
            layers: the bodies of the layer sections that arrived, at least one unless the kind is progressive.
            shape: (h, w, C) of the latent, from the checked header.
            noise: the header's noise field.
            truncation: what is missing, or None.

        Raises:
            SdzFormatError: a head is damaged, or contradicts the header.
        """
