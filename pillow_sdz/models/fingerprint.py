"""The fingerprint that ties a file to the weights it needs, and that one checkpoint keeps in every storage form."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from pillow_sdz.models.manifest import CodeMapping


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


def fingerprint(tensors: Mapping[str, Tensor], codes: CodeMapping) -> str:
    """SHA-256, in hex, over the tensors sorted by name, then over the code mapping.

    Each tensor contributes its UTF-8 name, NUL, its shape as decimal numbers joined by ``x``, NUL, and its values as
    little-endian float16 in C order, so that float16 and float32 copies of one checkpoint agree. The names are those
    of diffusers' state dictionaries, prefixed ``vae.`` or ``unet.``, so that sharded and single-file copies agree.

    Args:
        tensors: name -> tensor of any float type.
        codes: the model's code mapping; its canonical JSON ends the hashed bytes.
    """
    import torch

    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach()
        digest.update(name.encode() + b"\0" + "x".join(map(str, tensor.shape)).encode() + b"\0")
        # nothing is copied where the values are float16 in C order already, as those of a mapped file are
        digest.update(tensor.to("cpu", torch.float16).contiguous().numpy().astype("<f2", copy=False).data)
    digest.update(codes.canonical_json())
    return digest.hexdigest()
