"""The interface of a payload kind: plan, encode, read; and of a payload that was read: decode, check, describe."""

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
"""Height and width of a latent in positions, and its channels."""


class ModelData(Protocol):
    """What payloads may ask of a model: small files that come with the weights, and never the weights."""

    def prior(self) -> Prior:
        """The prior that scalar payloads are coded with.

        Raises:
            SdzModelError: the model is missing, has no prior, or its prior is damaged.
        """


@dataclass(frozen=True)
class Latent:
    """A latent that is to be stored.

    Attributes:
        codes: (h, w, C) uint8, rounded to 8 bits; see `pillow_sdz.payloads.codes.to_codes`.
        targets: (h, w, C) float32, -128 to 127: the same less 128 and not rounded; see `to_targets` there.
    """

    codes: NDArray[np.uint8]
    targets: NDArray[np.float32]

    @property
    def shape(self) -> Shape:
        """(h, w, C)."""
        height, width, channels = self.codes.shape
        return height, width, channels


class Plan(Hashable, Protocol):
    """How a latent is to be stored: what `Payload.plan` decides, and `Payload.encode` does."""

    @property
    def kind(self) -> str:
        """The payload kind that stores it. It may be another one than that which planned: see `Payload.plan`."""


@dataclass(frozen=True)
class Encoded:
    """A payload as bytes.

    Attributes:
        layers: the bodies of the layer sections, most important first.
        noise: the header's noise field, 0 to 255: rms error of the codes in quarters of a code.
    """

    layers: list[bytes]
    noise: int


@dataclass(frozen=True)
class Description:
    """What a payload says of itself.

    Attributes:
        info: its entries of ``image.info``.
        summary: what follows its kind in ``sdz-convert --info``; may be empty.
        sentence: what the file holds, as the end of a sentence.
        layers: facts about each layer, for ``sdz-convert --info --json``.
    """

    info: Mapping[str, Any]
    summary: str
    sentence: str
    layers: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Contents:
    """What a payload stores, as arrays to look at; None where a kind has no such thing.

    Attributes:
        levels: (h, w, C) int16, whole steps from the prediction to each value.
        bits: (h, w, C), information content of each value in bits, as the entropy coder counts it.
        palette: (N, C) uint8, entries of the first layer.
        indices: (h, w), the entry of each position in it.
    """

    levels: NDArray[np.int16] | None = field(default=None)
    bits: NDArray[np.float64] | None = field(default=None)
    palette: NDArray[np.uint8] | None = field(default=None)
    indices: NDArray[np.uint16] | None = field(default=None)


class StoredPayload(Protocol):
    """A payload of a file, its layers' heads parsed and checked."""

    @property
    def noise(self) -> float:
        """The rms error of the codes by quantisation, in codes."""

    def describe(self) -> Description:
        """What the heads say; decodes nothing."""

    def decode(self, model: ModelData) -> NDArray[np.uint8]:
        """The codes, (h, w, C), from the layers that there are. Whole numbers only, the same on every machine.

        Raises:
            SdzFormatError: the payload is damaged.
            SdzLimitError: decoding would cost more than `pillow_sdz.limits` allow.
            SdzModelError: it needs a file of a model that is missing.
            SdzVersionError: it uses a coding that is unknown here.
        """

    def check(self, model: ModelData) -> None:
        """Check all that can be checked without the model's weights, and without its other files if they are missing.

        Raises:
            SdzError: as `decode`, but not for a missing model.
        """

    def contents(self, latent: Latent, model: ModelData) -> Contents:
        """What is stored, as arrays to look at; ``latent`` is what the file was made of."""


P = TypeVar("P", bound=Plan, contravariant=True)


class Payload(Protocol[P]):
    """One payload kind.

    Attributes:
        max_layers: most layer sections that a file of this kind may have.
        keyword: the option of ``image.save`` that only this kind has, or None.
        lossless: whether the codes are stored as they are: then there is no quantisation noise to remove.
    """

    @property
    def max_layers(self) -> int:
        """See above."""

    @property
    def keyword(self) -> str | None:
        """See above."""

    @property
    def lossless(self) -> bool:
        """See above."""

    def require(self, model: ModelData) -> None:
        """Ask for all that encoding needs of a model, so that what is missing shows before anything is computed.

        Raises:
            SdzModelError: it is missing or damaged.
        """

    def plan(self, quality: int, parameter: Any, shape: Shape) -> Plan:
        """Turn what the user asked for into a plan.

        Args:
            quality: 0 (smallest) to 100 (best).
            parameter: the checked value of `keyword`, which takes the place of the quality, or None.
            shape: of the latent.

        Returns:
            The plan. It may be one of another kind where that stores this quality in fewer bytes.
        """

    def fit_target(self, target: int, size_of: Callable[[Any], int], shape: Shape) -> Plan:
        """Find the best plan whose file is not larger than ``target`` bytes.

        Args:
            target: bytes.
            size_of: encodes a plan and gives the bytes of the whole file.
            shape: of the latent.

        Raises:
            SdzOptionError: not even the smallest plan fits; the message says how large that is.
        """

    def encode(self, latent: Latent, plan: P, model: ModelData, effort: int) -> Encoded:
        """Encode a latent.

        Args:
            latent: what is stored.
            plan: one of this kind.
            model: what it may need of the model.
            effort: 0 (fast) to 9 (small).

        Raises:
            SdzError: the latent is too large for this kind, the model has not what it needs, or a package is missing.
        """

    def read(self, layers: Sequence[bytes], shape: Shape, noise: int) -> StoredPayload:
        """Parse the heads of the layers, in microseconds; decodes nothing.

        Args:
            layers: the bodies of the layer sections that arrived, at least one.
            shape: of the latent, from the checked header.
            noise: the header's noise field.

        Raises:
            SdzFormatError: a head is damaged, or contradicts the header.
        """
