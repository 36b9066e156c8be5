"""The fingerprint that ties a file to the weights it needs, and that one checkpoint keeps in every storage form."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from pillow_sdz.models.manifest import CodeMapping


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
