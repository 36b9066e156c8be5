"""The unconditional CLIP embedding of a model: the text encoder's output for the empty prompt.

U-Nets that take a prompt need it. It is computed once, when a model is added
(`pillow_sdz.models.checkpoints.empty_prompt`); loading the model reads it here, and needs no text encoder.
torch and safetensors are imported within functions: commands about models need neither.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from pillow_sdz.errors import SdzModelError, naming_file
from pillow_sdz.models.manifest_fields import REINSTALL

if TYPE_CHECKING:
    from torch import Tensor

    from pillow_sdz.models.manifest import Manifest

EMBEDDING_NAME: Final = "empty_prompt.safetensors"

EMBEDDING_TENSOR: Final = "embedding"
"""Name of the tensor in the file."""

MAX_EMBEDDING_BYTES: Final = 1 << 24
"""Longest file that is read; 77 tokens of 1024 float32 values are 315 kB."""


def read_embedding(manifest: Manifest, width: int) -> Tensor:
    """Read a model's embedding, (1, tokens, ``width``) in float32.

    Raises:
        SdzModelError: it is missing, differs from the manifest, or has another width.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    path = manifest.folder / EMBEDDING_NAME
    with naming_file(path):
        try:
            with path.open("rb") as file:
                data = file.read(MAX_EMBEDDING_BYTES)
        except OSError as error:
            problem = f"cannot read the unconditional embedding of model {manifest.full_name}: {error}"
            raise SdzModelError(problem, remedy=REINSTALL) from error
        if (found := hashlib.sha256(data).hexdigest()) != manifest.empty_prompt:
            raise SdzModelError(
                "the unconditional embedding differs from the model's manifest",
                field="SHA-256",
                found=found[:16],
                expected=(manifest.empty_prompt or "none")[:16],
                remedy=REINSTALL,
            )
        try:
            embedding: Tensor = load(data)[EMBEDDING_TENSOR].float()
        except (SafetensorError, KeyError, ValueError) as error:
            raise SdzModelError(f"not an embedding: {error}", remedy=REINSTALL) from error
        check_width(embedding, width)
        return embedding


def check_width(embedding: Tensor, width: int) -> None:
    """Refuse an embedding that a U-Net of this cross-attention width cannot take.

    Raises:
        SdzModelError: the shape is not (1, tokens, width).
    """
    if embedding.ndim != 3 or embedding.shape[0] != 1 or embedding.shape[2] != width:
        raise SdzModelError(
            "the text encoder does not fit the U-Net",
            field="cross_attention_dim",
            found=f"an embedding of {tuple(embedding.shape)}",
            expected=f"(1, tokens, {width})",
        )


def to_bytes(embedding: Tensor) -> bytes:
    """The bytes of the file `EMBEDDING_NAME` for an embedding (1, tokens, width)."""
    from safetensors.torch import save

    return save({EMBEDDING_TENSOR: embedding.float().contiguous()})
