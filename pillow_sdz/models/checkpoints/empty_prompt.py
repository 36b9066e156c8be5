"""What a text encoder says of the empty prompt: computed once with transformers, kept with the model, read without."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from pillow_sdz.errors import SdzDependencyError, SdzModelError
from pillow_sdz.models.manifest import REINSTALL, Manifest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

EMBEDDING_NAME: Final = "empty_prompt.safetensors"
TENSOR: Final = "embedding"
MAX_BYTES: Final = 1 << 24  # 77 tokens of 1024 float32 values are 315 kB
MAX_TOKENS, MAX_LAYERS = 1024, 100
FEWEST: Final = "token_embedding.weight"
POSITIONS: Final = "position_embedding.weight"
MAX_WIDTH: Final = 4096
SHAPING: Final = (
    "vocab_size", "hidden_size", "intermediate_size", "projection_dim", "num_hidden_layers", "num_attention_heads",
    "max_position_embeddings", "hidden_act", "layer_norm_eps", "pad_token_id", "bos_token_id", "eos_token_id",
)  # fmt: skip
"""The fields of a text encoder's configuration that its network depends on. Others could make transformers download
code, or change what it returns."""

MISSING: Final = "computing the embedding of the empty prompt needs transformers, which cannot be imported"


def read_embedding(manifest: Manifest, width: int) -> Tensor:
    """Read a model's embedding, (1, tokens, ``width``) in float32.

    Raises:
        SdzModelError: it is missing, differs from the manifest, or has another width.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    path = manifest.folder / EMBEDDING_NAME
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES)
    except OSError as error:
        raise SdzModelError(
            f"cannot read the empty prompt of model {manifest.full_name}: {error}", file=str(path), remedy=REINSTALL
        ) from error
    if (found := hashlib.sha256(data).hexdigest()) != manifest.empty_prompt:
        raise SdzModelError(
            "the empty prompt differs from the model's manifest", file=str(path), field="SHA-256", remedy=REINSTALL,
            found=found[:16], expected=(manifest.empty_prompt or "none")[:16],
        )  # fmt: skip
    try:
        embedding: Tensor = load(data)[TENSOR].float()
    except (SafetensorError, KeyError, ValueError) as error:
        raise SdzModelError(f"not an embedding: {error}", file=str(path), remedy=REINSTALL) from error
    check_width(embedding, width, str(path))
    return embedding


def check_width(embedding: Tensor, width: int, file: str) -> None:
    """Refuse an embedding that a U-Net of this cross-attention width cannot take.

    Raises:
        SdzModelError: naming ``file``.
    """
    if embedding.ndim != 3 or embedding.shape[0] != 1 or embedding.shape[2] != width:
        raise SdzModelError(
            "the text encoder does not fit the U-Net", file=file, field="cross_attention_dim",
            found=f"an embedding of {tuple(embedding.shape)}", expected=f"(1, tokens, {width})",
        )  # fmt: skip


def to_bytes(embedding: Tensor) -> bytes:
    """The file that holds an embedding."""
    from safetensors.torch import save

    return save({TENSOR: embedding.float().contiguous()})


def tokens_of(folder: Path) -> list[int]:
    """The empty prompt as the tokenizer in ``folder`` writes it, padded to its full length.

    Raises:
        SdzDependencyError: transformers is missing.
        SdzModelError: the tokenizer is missing or damaged.
    """
    try:
        from transformers import CLIPTokenizer
    except ImportError as error:
        raise _missing(error) from error
    for name in ("vocab.json", "merges.txt"):
        if not (folder / name).is_file() and not (folder / "tokenizer.json").is_file():
            raise SdzModelError(
                "the tokenizer is incomplete", file=str(folder), field=name, expected="vocab.json and merges.txt",
                remedy="get the folder again from the checkpoint's source",
            )  # fmt: skip
    try:
        tokenizer = CLIPTokenizer.from_pretrained(str(folder), local_files_only=True)
        length = tokenizer.model_max_length
        if not 2 <= length <= MAX_TOKENS:  # without a configuration it is some 1e30
            raise ValueError(f"model_max_length is {length}, and not 2 to {MAX_TOKENS}")
        tokens = tokenizer("", padding="max_length", max_length=length, truncation=True).input_ids
    except Exception as error:  # its Rust part raises plain ones
        raise SdzModelError(f"cannot read the tokenizer: {error}", file=str(folder)) from error
    return [int(token) for token in tokens]


def embed(config: Mapping[str, Any], tensors: Mapping[str, Tensor], tokens: Sequence[int], folder: Path) -> Tensor:
    """Run a CLIP text encoder: the last hidden state, (1, len(tokens), width), in float32.

    Args:
        config: of a CLIPTextModel.
        tensors: its weights; a prefix ``text_model.`` makes no difference.
        tokens: numbers into its vocabulary.
        folder: named in errors.

    Raises:
        SdzDependencyError: transformers is missing.
        SdzModelError: configuration, weights and tokens do not fit each other.
    """
    import torch

    try:
        from transformers import CLIPTextConfig, CLIPTextModel
    except ImportError as error:
        raise _missing(error) from error
    weights = {name.removeprefix("text_model."): tensor for name, tensor in tensors.items()}
    weights = {name: tensor for name, tensor in weights.items() if not name.endswith("position_ids")}
    _check(config, weights, tokens, str(folder))
    try:
        fields = {name: config[name] for name in SHAPING if name in config}
        encoder = CLIPTextModel(CLIPTextConfig(**fields, attn_implementation="eager")).float().eval()
        prefix = "text_model." if hasattr(encoder, "text_model") else ""  # until transformers 5.5
        encoder.load_state_dict({prefix + name: tensor.float() for name, tensor in weights.items()})
        with torch.no_grad():
            embedding: Tensor = encoder(torch.tensor([list(tokens)]))[0]
    except Exception as error:  # transformers' own kinds change with its version
        reason = " ".join(str(error).split())[:300]
        raise SdzModelError(f"cannot use the text encoder: {reason}", file=str(folder)) from error
    return embedding


def _check(config: Mapping[str, Any], weights: Mapping[str, Tensor], tokens: Sequence[int], file: str) -> None:
    """Bound what a configuration can make transformers allocate by the weights that are there."""
    table, positions = (
        next((tensor for name, tensor in weights.items() if name.endswith(end)), None) for end in (FEWEST, POSITIONS)
    )
    expected = config.get("vocab_size", 49408), config.get("hidden_size", 512)
    if table is None or tuple(table.shape) != expected:
        raise SdzModelError(
            "the text encoder's weights are not those of its configuration", file=file, field=FEWEST,
            found=None if table is None else tuple(table.shape), expected=expected,
        )  # fmt: skip
    rows = config.get("max_position_embeddings", 77)
    if positions is None or len(positions) != rows:
        raise SdzModelError(
            "the text encoder's weights are not those of its configuration", file=file, field=POSITIONS,
            found=None if positions is None else tuple(positions.shape),
            expected=f"{rows} rows",
        )  # fmt: skip
    heads = config.get("num_attention_heads", 8)
    if not isinstance(heads, int) or heads < 1 or expected[1] % heads or expected[1] > MAX_WIDTH:
        raise SdzModelError(
            "the text encoder makes no sense", file=file, field="num_attention_heads, hidden_size",
            found=f"{heads}, {expected[1]}", expected=f"a divisor of the second, which is at most {MAX_WIDTH}",
        )  # fmt: skip
    layers, inner = config.get("num_hidden_layers", 12), config.get("intermediate_size", 2048)
    if not (isinstance(layers, int) and 1 <= layers <= MAX_LAYERS and isinstance(inner, int) and 1 <= inner <= 1 << 16):
        raise SdzModelError("the text encoder is too large", file=file, field="num_hidden_layers", found=layers)
    if max(tokens) >= table.shape[0]:
        raise SdzModelError("the tokenizer does not fit the text encoder", file=file, found=f"token {max(tokens)}")


def _missing(error: ImportError) -> SdzDependencyError:
    return SdzDependencyError(f"{MISSING}: {error}", remedy="pip install 'pillow-sdz[sd]'")
