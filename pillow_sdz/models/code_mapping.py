"""How a model's codes stand for latents, and which prior predicts them: part of its manifest and of its fingerprint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class PriorFile:
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
