"""A model's fingerprint: a hash of all weights and the code mapping, by which files name the model that decodes them.

One checkpoint has one fingerprint in every storage form: single file or shards, float32 or float16. `integrity`
compares it with the manifest's.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor


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
        bound: soft limit of the encoder's latents; None if they are not limited.
        channels: channels of the latent, 1 to 64.
        factor: pixels per latent position along each axis.
        prior: the prior that scalar payloads are coded with, or None where the model has none.
    """

    step: float
    bound: float | None
    channels: int
    factor: int
    prior: PriorFile | None = None

    def canonical_json(self) -> bytes:
        """The form that the fingerprint covers: sorted keys, no spaces, UTF-8; a prior only where there is one.

        ``palettes`` is always empty: models once had palettes, and the fingerprints of all models cover the key.
        """
        fields: dict[str, object] = {
            "bound": None if self.bound is None else float(self.bound),
            "channels": self.channels,
            "factor": self.factor,
            "palettes": [],
            "step": float(self.step),
        }
        if self.prior is not None:
            fields["prior"] = {
                "groups": self.prior.groups,
                "wide": self.prior.shared_width,
                "deep": self.prior.group_width,
                "sha256": self.prior.sha256,
            }
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
        # tensors of a mapped file that are float16 in C order already are hashed without a copy
        digest.update(tensor.to("cpu", torch.float16).contiguous().numpy().astype("<f2", copy=False).data)
    digest.update(codes.canonical_json())
    return digest.hexdigest()


def all_tensors(vae: Mapping[str, Tensor], unet: Mapping[str, Tensor] | None) -> dict[str, Tensor]:
    """The weights of a model's networks under the names that the fingerprint covers.

    Args:
        vae: the autoencoder's weights, by the names of its state dictionary.
        unet: those of the U-Net, or None for a model without one.
    """
    tensors = {f"vae.{name}": tensor for name, tensor in vae.items()}
    return tensors | {f"unet.{name}": tensor for name, tensor in (unet or {}).items()}
