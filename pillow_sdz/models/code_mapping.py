"""What a model's fingerprint covers besides its weights: how codes stand for latents, and files that decode codes."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass


@dataclass(frozen=True)
class PaletteFile:
    """One palette that belongs to the model: its number, its entries and the SHA-256 of its file."""

    number: int
    entries: int
    sha256: str


@dataclass(frozen=True)
class PriorFile:
    """The model's prior: its shape besides the channels, see `pillow_sdz.payloads.scalar.prior.PriorShape`, and its file's SHA-256."""

    groups: int
    wide: int
    deep: int
    sha256: str


@dataclass(frozen=True)
class CodeMapping:
    """How uint8 codes stand for latents: latent = (code - 127.5) * step, clipped by ``bound`` * tanh(z / ``bound``).

    Attributes:
        step: latent value of one code, in the units of the autoencoder's latents.
        bound: soft limit of the encoder's latents, or None where they are not bounded.
        channels: channels of the latent, 1 to 64.
        factor: pixels per latent position along each axis.
        palettes: the palettes that files may name by number.
        prior: the prior that scalar payloads are coded with, or None where the model has none.
    """

    step: float
    bound: float | None
    channels: int
    factor: int
    palettes: tuple[PaletteFile, ...] = ()
    prior: PriorFile | None = None

    def canonical_json(self) -> bytes:
        """The form that the fingerprint covers: sorted keys, no spaces, UTF-8; a prior only where there is one."""
        palettes = [{"entries": p.entries, "number": p.number, "sha256": p.sha256} for p in self.palettes]
        fields: dict[str, object] = {
            "bound": None if self.bound is None else float(self.bound),
            "channels": self.channels,
            "factor": self.factor,
            "palettes": palettes,
            "step": float(self.step),
        }
        if self.prior is not None:
            fields["prior"] = dataclasses.asdict(self.prior)
        return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()
