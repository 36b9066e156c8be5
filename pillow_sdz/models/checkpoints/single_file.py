"""Checkpoints in one .safetensors file, whose weights have the names that Stable Diffusion's authors gave them.

The functions behind diffusers' ``from_single_file`` turn these names into diffusers' own. ``from_single_file`` itself
would download configurations; here they are in ``models/configs``: those of Stable Diffusion 1.5, 2.1 and SDXL.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from pillow_sdz.errors import SdzModelError, naming_file
from pillow_sdz.models.checkpoints.checkpoint import GET_AGAIN, Checkpoint, NetworkWeights
from pillow_sdz.models.checkpoints.empty_prompt import MAX_TOKENS, embed, tokens_of
from pillow_sdz.models.checkpoints.pipeline import VAE_NOTE, check_parts
from pillow_sdz.models.configuration import CLASS_KEY, CONFIG_NAME, SCHEDULER_CONFIG_NAME, read_config, whole
from pillow_sdz.models.diffusers_parts import diffusers_class, renamed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from pillow_sdz.models.checkpoints.checkpoint import SourceOptions

FAMILY_CONFIGS: Final = Path(__file__).parents[1] / "configs"
"""A folder of configurations for each of `FAMILIES`."""

FAMILIES: Final = ("sd1", "sd2", "sdxl")

TOKENS_NAME: Final = "empty_prompt.json"
"""File with the token ids of a family's empty prompt: the fields ``start``, ``end``, ``pad`` and ``length``."""

MAX_TOKEN_ID: Final = 1 << 20
"""Largest token id; CLIP's vocabulary has 49,408 tokens."""

VAE_PREFIX: Final = "first_stage_model."
UNET_PREFIX: Final = "model.diffusion_model."
CLIP_PREFIX: Final = "cond_stage_model.transformer."
OPEN_CLIP_PREFIX: Final = "cond_stage_model.model."
SDXL_PREFIX: Final = "conditioner.embedders."
"""Prefixes of the names of each part's weights: autoencoder, U-Net, text encoder of Stable Diffusion 1.x, of 2.x, and
the two text encoders of SDXL."""

CROSS_ATTENTION: Final = UNET_PREFIX + "input_blocks.2.1.transformer_blocks.0.attn2.to_k.weight"
"""Name of a weight of the U-Net whose last axis is as long as the text encoder is wide."""

WIDTHS: Final = {768: "sd1", 1024: "sd2"}
"""Families by the width of their text encoder: that of CLIP ViT-L/14, and of OpenCLIP ViT-H/14."""


def read_file(path: Path, options: SourceOptions) -> Checkpoint:
    """Read a checkpoint from one file.

    Args:
        path: a .safetensors file.
        options: ``family`` is needed if the weights do not show it, ``prediction`` for family ``sd2``.

    Raises:
        SdzModelError: the file is damaged, its family is not known, or something is missing.
        SdzDependencyError: transformers, which the unconditional embedding needs, is missing.
    """
    from pillow_sdz.models.weights import read_files

    tensors = read_files(path, GET_AGAIN)
    with naming_file(path):
        configs = options.config or FAMILY_CONFIGS / _family(tensors, options.family)
        vae_config = read_config(configs / "vae" / CONFIG_NAME, GET_AGAIN)
        if (name := vae_config.get(CLASS_KEY)) != "AutoencoderKL":
            raise SdzModelError("single files hold an AutoencoderKL", file=str(configs), field=CLASS_KEY, found=name)
        vae = NetworkWeights("AutoencoderKL", vae_config, _vae(tensors, vae_config), path)
        if options.vae_only or not _has(tensors, UNET_PREFIX):
            return Checkpoint(vae, notes=(VAE_NOTE,))
        if _has(tensors, SDXL_PREFIX):
            check_parts(["text_encoder_2"])
        unet_config = read_config(configs / "unet" / CONFIG_NAME, GET_AGAIN)
        unet = _converted("convert_ldm_unet_checkpoint", _with_prefix(tensors, UNET_PREFIX), unet_config)
        return Checkpoint(
            vae=vae,
            unet=NetworkWeights("UNet2DConditionModel", unet_config, unet, path),
            scheduler=_scheduler(configs, options.prediction),
            embedding=_embedding(tensors, configs),
        )


def _has(tensors: Mapping[str, Tensor], prefix: str) -> bool:
    return any(name.startswith(prefix) for name in tensors)


def _with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _family(tensors: Mapping[str, Tensor], given: str | None) -> str:
    """Which of `FAMILIES` a file belongs to: ``given``, or what the names and shapes of its weights show.

    Raises:
        SdzModelError: they do not show it, or ``given`` is not one of them.
    """
    if given is not None:
        if given not in FAMILIES:
            raise SdzModelError("no such family", field="family", found=given, expected=", ".join(FAMILIES))
        return given
    if _has(tensors, SDXL_PREFIX):
        return "sdxl"
    width = tensors[CROSS_ATTENTION].shape[-1] if CROSS_ATTENTION in tensors else None
    if width in WIDTHS:
        return WIDTHS[width]
    problem = "the family of this checkpoint is not known"
    if width is None and not _has(tensors, UNET_PREFIX):
        problem = "an autoencoder alone does not show its family, and families differ in their scaling factor"
    raise SdzModelError(
        problem,
        field="family",
        expected=", ".join(FAMILIES),
        remedy="give --family, or --config with a folder of diffusers' configurations",
    )


def _vae(tensors: Mapping[str, Tensor], config: Mapping[str, Any]) -> dict[str, Tensor]:
    if not any(name.endswith("encoder.conv_in.weight") for name in tensors):
        raise SdzModelError(
            "the file holds no autoencoder",
            expected=f"{VAE_PREFIX}encoder.conv_in.weight",
            remedy="take the complete checkpoint, or diffusers' folder of it",
        )
    inside = _with_prefix(tensors, VAE_PREFIX) or tensors
    if any("encoder.down_blocks." in name for name in inside):  # the names are diffusers' already
        return renamed(inside)
    return _converted("convert_ldm_vae_checkpoint", inside, config)


def _converted(
    function: str, tensors: Mapping[str, Tensor], config: Mapping[str, Any], *more: str
) -> dict[str, Tensor]:
    """Let one of diffusers' functions rename weights. Missing weights are noticed later, when a network adopts them.

    Args:
        function: its name.
        tensors: the weights.
        config: the network's.
        more: further arguments. Functions for text encoders take some, and the configuration as an object.
    """
    convert = diffusers_class("loaders.single_file_utils", function)
    try:
        if more:
            result = convert(SimpleNamespace(config=SimpleNamespace(**config)), dict(tensors), *more)
        else:
            result = convert(dict(tensors), config=dict(config))
    except (KeyError, IndexError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise SdzModelError(f"cannot convert the checkpoint: {error!r}", remedy=GET_AGAIN) from error
    return {name: tensor for name, tensor in result.items() if tensor is not None}


def _scheduler(configs: Path, prediction: str | None) -> dict[str, Any]:
    """The family's scheduler configuration, with ``prediction`` as its kind of prediction.

    Raises:
        SdzModelError: the family has U-Nets of both kinds, and ``prediction`` is None.
    """
    config = read_config(configs / "scheduler" / SCHEDULER_CONFIG_NAME, GET_AGAIN)
    found = prediction or config.get("prediction_type")
    if found is None:
        raise SdzModelError(
            "the file does not show what its U-Net predicts",
            field="prediction",
            expected="epsilon (Stable Diffusion 2 base, 512 pixels) or v_prediction (768 pixels)",
            remedy="give --prediction",
        )
    return {**config, "prediction_type": found}


def _embedding(tensors: Mapping[str, Tensor], configs: Path) -> Tensor:
    config = read_config(configs / "text_encoder" / CONFIG_NAME, GET_AGAIN)
    if inside := _with_prefix(tensors, CLIP_PREFIX):
        weights = {name.removeprefix(CLIP_PREFIX): tensor for name, tensor in inside.items()}
    elif inside := _with_prefix(tensors, OPEN_CLIP_PREFIX):
        weights = _converted("convert_open_clip_checkpoint", inside, config, OPEN_CLIP_PREFIX)
        weights = {name: tensor for name, tensor in weights.items() if not name.startswith("text_projection")}
    else:
        raise SdzModelError(
            "the text encoder is missing",
            expected=f"weights named {CLIP_PREFIX}...",
            remedy="take the complete checkpoint, or add its autoencoder alone with --vae-only",
        )
    return embed(config, weights, _tokens(configs))


def _tokens(configs: Path) -> list[int]:
    """The token ids of the empty prompt, from `TOKENS_NAME` or from a tokenizer beside the configurations."""
    if not (configs / TOKENS_NAME).is_file():
        return tokens_of(configs / "tokenizer")
    fields = read_config(configs / TOKENS_NAME, GET_AGAIN)
    with naming_file(configs / TOKENS_NAME):
        length = whole(fields, "length", 2, MAX_TOKENS)
        start, end, pad = (whole(fields, field, 0, MAX_TOKEN_ID) for field in ("start", "end", "pad"))
    return [start, end] + [pad] * (length - 2)
