"""How a model's codes stand for latents, and which prior predicts them: part of its manifest and of its fingerprint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pillow_sdz.limits import MAX_CHANNELS
from pillow_sdz.models.manifest_fields import is_digest, real_field, whole_field, wrong_field

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_FACTOR: Final = 64
"""Pixels per latent position: the largest of `pillow_sdz.limits.FACTORS`."""

MAX_SCALE: Final = 1e9
"""Largest step, bound and latent scaling, in latent values; the smallest is its reciprocal."""

MAX_PRIOR_WIDTH: Final = 1024
"""Widest hidden layer of a prior (spec/sdz.md): sums stay exact in float64."""


class PriorFile(NamedTuple):
    """A model's prior as the manifest lists it.

    Attributes:
        groups, shared_width, group_width: its shape, see `pillow_sdz.payloads.scalar.prior.PriorShape`.
        sha256: of its file, in hex.
    """

    groups: int
    shared_width: int
    group_width: int
    sha256: str


@dataclass(frozen=True)
class CodeMapping:
    """How uint8 codes stand for latents: latent = (code - 127.5) * step.

    The encoder's output z is softly limited to bound * tanh(z / bound) before it becomes codes.

    Attributes:
        step: latent value of one code, in the units of the autoencoder's latents.
        bound: soft limit of the encoder's latents; None if they are not limited. Decoding does not need it.
        channels: channels of the latent, 1 to 64.
        factor: pixels per latent position along each axis.
        prior: the prior that scalar payloads are coded with, or None where the model has none.
    """

    step: float
    bound: float | None
    channels: int
    factor: int
    prior: PriorFile | None = None

    def fields(self) -> dict[str, Any]:
        """What decoding needs of it, as the manifest and the fingerprint have it; a prior only where there is one."""
        fields: dict[str, Any] = {"channels": self.channels, "factor": self.factor, "step": float(self.step)}
        if self.prior is not None:
            fields["prior"] = {
                "groups": self.prior.groups,
                "wide": self.prior.shared_width,
                "deep": self.prior.group_width,
                "sha256": self.prior.sha256,
            }
        return fields

    def manifest_fields(self) -> dict[str, Any]:
        """`fields` and the encoder's bound: the object ``codes`` of a manifest."""
        return self.fields() | {"bound": None if self.bound is None else float(self.bound)}


def read_code_mapping(mapping: Mapping[str, Any]) -> CodeMapping:
    """Read and check the object ``codes`` of a manifest.

    Raises:
        SdzModelError: a field is missing, of the wrong type or out of range.
    """
    channels = whole_field(mapping, "channels", 1, MAX_CHANNELS)
    return CodeMapping(
        step=real_field(mapping, "step", 1 / MAX_SCALE, MAX_SCALE),
        bound=None if mapping.get("bound") is None else real_field(mapping, "bound", 1 / MAX_SCALE, MAX_SCALE),
        channels=channels,
        factor=whole_field(mapping, "factor", 1, MAX_FACTOR),
        prior=_prior_file(mapping.get("prior"), channels),
    )


def _prior_file(listed: object, channels: int) -> PriorFile | None:
    if listed is None:
        return None
    if not isinstance(listed, dict) or not is_digest(listed.get("sha256")):
        raise wrong_field("codes.prior", listed, "null or an object with groups, wide, deep and sha256")
    groups = whole_field(listed, "groups", 1, channels)
    if channels % groups:
        raise wrong_field("groups", groups, f"a divisor of the {channels} channels")
    shared_width, group_width = (whole_field(listed, name, 1, MAX_PRIOR_WIDTH) for name in ("wide", "deep"))
    return PriorFile(groups, shared_width, group_width, listed["sha256"])
