"""Computing the unconditional CLIP embedding: a tokenizer and a text encoder applied to the empty prompt.

It is computed once per model, with transformers, and kept in the model's folder; see `pillow_sdz.models.embedding`.
torch and transformers are imported within functions: commands about models need neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pillow_sdz.errors import SdzModelError, needs_packages
from pillow_sdz.limits import is_whole
from pillow_sdz.models.configuration import MAX_WIDTH

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

MAX_TOKENS: Final = 1024
"""Most tokens of a prompt; CLIP's prompts have 77."""

MAX_ENCODER_LAYERS: Final = 100
"""Most layers of a text encoder; that of Stable Diffusion 2 has 23."""

MAX_INTERMEDIATE: Final = 1 << 16
"""Widest hidden layer of a text encoder's MLPs; that of Stable Diffusion 2 has 4096 values."""

VOCABULARY_TABLE: Final = "token_embedding.weight"
POSITION_TABLE: Final = "position_embedding.weight"
"""Ends of the names of a text encoder's embedding tables."""

ENCODER_FIELDS: Final = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "projection_dim",
    "num_hidden_layers",
    "num_attention_heads",
    "max_position_embeddings",
    "hidden_act",
    "layer_norm_eps",
    "pad_token_id",
    "bos_token_id",
    "eos_token_id",
)
"""The fields of a text encoder's configuration that its network depends on. All others are ignored: some would make
transformers download code, or return something else."""

NEEDED_FOR: Final = "computing the embedding of the empty prompt"
INSTALL: Final = "'pillow-sdz[sd]'"
"""For the error if transformers is missing: what needs it, and what installs it."""


def tokens_of(folder: Path) -> list[int]:
    """The token ids that the tokenizer in ``folder`` gives for the empty prompt, padded to its full length.

    Raises:
        SdzDependencyError: transformers is missing.
        SdzModelError: the tokenizer is missing or damaged.
    """
    with needs_packages(NEEDED_FOR, INSTALL):
        from transformers import CLIPTokenizer

    for name in ("vocab.json", "merges.txt"):
        if not (folder / name).is_file() and not (folder / "tokenizer.json").is_file():
            raise SdzModelError(
                "the tokenizer is incomplete",
                file=str(folder),
                field=name,
                expected="vocab.json and merges.txt",
                remedy="get the folder again from the checkpoint's source",
            )
    try:
        tokenizer = CLIPTokenizer.from_pretrained(str(folder), local_files_only=True)
        length = tokenizer.model_max_length
        if not 2 <= length <= MAX_TOKENS:  # transformers sets 1e30 if there is no configuration
            raise ValueError(f"model_max_length is {length}, and not 2 to {MAX_TOKENS}")
        tokens = tokenizer("", padding="max_length", max_length=length, truncation=True).input_ids
    except Exception as error:  # the library tokenizers, which is written in Rust, raises plain Exception
        raise SdzModelError(f"cannot read the tokenizer: {error}", file=str(folder)) from error
    return [int(token) for token in tokens]


def embed(config: Mapping[str, Any], tensors: Mapping[str, Tensor], tokens: Sequence[int]) -> Tensor:
    """Run a CLIP text encoder; returns its last hidden state, (1, len(tokens), width), in float32.

    Args:
        config: of a CLIPTextModel.
        tensors: its weights; names may start with ``text_model.``.
        tokens: token ids.

    Raises:
        SdzDependencyError: transformers is missing.
        SdzModelError: configuration, weights and tokens do not fit each other.
    """
    import torch

    with needs_packages(NEEDED_FOR, INSTALL):
        from transformers import CLIPTextConfig, CLIPTextModel

    weights = {name.removeprefix("text_model."): tensor for name, tensor in tensors.items()}
    weights = {name: tensor for name, tensor in weights.items() if not name.endswith("position_ids")}
    _check_sizes(config, weights, tokens)
    try:
        fields = {name: config[name] for name in ENCODER_FIELDS if name in config}
        encoder = CLIPTextModel(CLIPTextConfig(**fields, attn_implementation="eager")).float().eval()
        prefix = "text_model." if hasattr(encoder, "text_model") else ""  # up to transformers 5.5
        encoder.load_state_dict({prefix + name: tensor.float() for name, tensor in weights.items()})
        with torch.no_grad():
            embedding: Tensor = encoder(torch.tensor([list(tokens)]))[0]
    except Exception as error:  # versions of transformers raise different kinds
        reason = " ".join(str(error).split())[:300]
        raise SdzModelError(f"cannot use the text encoder: {reason}") from error
    return embedding


def _check_sizes(config: Mapping[str, Any], weights: Mapping[str, Tensor], tokens: Sequence[int]) -> None:
    """Check a configuration against the weights' sizes, before transformers allocates memory for what it says."""
    problem = "the text encoder's weights are not those of its configuration"
    table, positions = (
        next((tensor for name, tensor in weights.items() if name.endswith(end)), None)
        for end in (VOCABULARY_TABLE, POSITION_TABLE)
    )
    expected = vocabulary, width = config.get("vocab_size", 49408), config.get("hidden_size", 512)
    if table is None or tuple(table.shape) != expected:
        found = None if table is None else tuple(table.shape)
        raise SdzModelError(problem, field=VOCABULARY_TABLE, found=found, expected=expected)
    rows = config.get("max_position_embeddings", 77)
    if positions is None or len(positions) != rows:
        found = None if positions is None else tuple(positions.shape)
        raise SdzModelError(problem, field=POSITION_TABLE, found=found, expected=f"{rows} rows")
    heads = config.get("num_attention_heads", 8)
    if not is_whole(heads, 1, MAX_WIDTH) or width % heads or width > MAX_WIDTH:
        raise SdzModelError(
            "the text encoder's attention heads do not divide its width",
            field="num_attention_heads, hidden_size",
            found=f"{heads}, {width}",
            expected=f"a divisor of the second, which is at most {MAX_WIDTH}",
        )
    layers, inner = config.get("num_hidden_layers", 12), config.get("intermediate_size", 2048)
    if not is_whole(layers, 1, MAX_ENCODER_LAYERS) or not is_whole(inner, 1, MAX_INTERMEDIATE):
        raise SdzModelError(
            "the text encoder is too large",
            field="num_hidden_layers, intermediate_size",
            found=f"{layers}, {inner}",
            expected=f"at most {MAX_ENCODER_LAYERS} and {MAX_INTERMEDIATE}",
        )
    if max(tokens) >= vocabulary:
        raise SdzModelError("the tokenizer does not fit the text encoder", found=f"token {max(tokens)}")
