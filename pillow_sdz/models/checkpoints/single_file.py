"""Checkpoints in one .safetensors file, with the names that Stable Diffusion's authors gave the weights.

The names are turned into diffusers' by the functions that its ``from_single_file`` calls; the configurations that it
would fetch are in this package, from the repositories of Stable Diffusion 1.5, 2.1 and SDXL.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from pillow_sdz.errors import SdzModelError
from pillow_sdz.models.checkpoints.checkpoint import AGAIN, Checkpoint, NetworkWeights
from pillow_sdz.models.checkpoints.pipeline import ALONE, check_parts
from pillow_sdz.models.configuration import CLASS_KEY, CONFIG_NAME, read_config, whole
from pillow_sdz.models.diffusers_parts import diffusers_class, renamed
from pillow_sdz.models.loading import SCHEDULER_CONFIG_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from pillow_sdz.models.checkpoints.sources import SourceOptions

CONFIGS: Final = Path(__file__).parents[1] / "configs"
FAMILIES: Final = ("sd1", "sd2", "sdxl")
TOKENS: Final = "empty_prompt.json"

VAE_PREFIX, UNET_PREFIX = "first_stage_model.", "model.diffusion_model."
CLIP_PREFIX, OPEN_CLIP_PREFIX = "cond_stage_model.transformer.", "cond_stage_model.model."
SDXL_PREFIX: Final = "conditioner.embedders."
CROSS_ATTENTION: Final = UNET_PREFIX + "input_blocks.2.1.transformer_blocks.0.attn2.to_k.weight"
WIDTHS: Final = {768: "sd1", 1024: "sd2"}
"""Width of the text encoder by family: that of CLIP ViT-L/14, and of OpenCLIP ViT-H/14."""


def read_file(path: Path, options: SourceOptions) -> Checkpoint:
    """Read a checkpoint from one file.

    Args:
        path: a .safetensors file.
        options: ``family`` is needed where the file does not show it, ``prediction`` for family ``sd2``.

    Raises:
        SdzModelError: the file is damaged, its family is not known, or something is missing.
        SdzDependencyError: transformers, which the empty prompt needs, is missing.
    """
    from pillow_sdz.models.weights import read_files

    tensors = read_files(path, AGAIN)
    configs = options.config or CONFIGS / _family(tensors, options.family, path)
    vae_config = read_config(configs / "vae" / CONFIG_NAME, AGAIN)
    vae = NetworkWeights(str(vae_config.get(CLASS_KEY)), vae_config, _vae(tensors, vae_config, path), path)
    if vae.name != "AutoencoderKL":
        raise SdzModelError("single files hold an AutoencoderKL", file=str(configs), field=CLASS_KEY, found=vae.name)
    if options.vae_only or not _has(tensors, UNET_PREFIX):
        return Checkpoint(vae, notes=(ALONE,))
    if _has(tensors, SDXL_PREFIX):
        check_parts({"text_encoder_2"}, str(path))
    unet_config = read_config(configs / "unet" / CONFIG_NAME, AGAIN)
    unet = _converted("convert_ldm_unet_checkpoint", _with_prefix(tensors, UNET_PREFIX), unet_config, path)
    return Checkpoint(
        vae=vae,
        unet=NetworkWeights("UNet2DConditionModel", unet_config, unet, path),
        scheduler=_scheduler(configs, options.prediction, path),
        embedding=_embedding(tensors, configs, path),
    )


def _has(tensors: Mapping[str, Tensor], prefix: str) -> bool:
    return any(name.startswith(prefix) for name in tensors)


def _with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _family(tensors: Mapping[str, Tensor], given: str | None, path: Path) -> str:
    """Which of `FAMILIES` a file belongs to.

    Raises:
        SdzModelError: it does not show it, or ``given`` is not one of them.
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
        problem, file=str(path), field="family", expected=", ".join(FAMILIES),
        remedy="give --family, or --config with a folder of diffusers' configurations",
    )  # fmt: skip


def _vae(tensors: Mapping[str, Tensor], config: Mapping[str, Any], path: Path) -> dict[str, Tensor]:
    if not any(name.endswith("encoder.conv_in.weight") for name in tensors):
        raise SdzModelError(
            "the file holds no autoencoder", file=str(path), expected=f"{VAE_PREFIX}encoder.conv_in.weight",
            remedy="take the complete checkpoint, or diffusers' folder of it",
        )  # fmt: skip
    inside = _with_prefix(tensors, VAE_PREFIX) or tensors
    if any("encoder.down_blocks." in name for name in inside):  # diffusers' names already
        return renamed(inside)
    return _converted("convert_ldm_vae_checkpoint", inside, config, path)


def _converted(
    function: str, tensors: Mapping[str, Tensor], config: Mapping[str, Any], path: Path, *more: str
) -> dict[str, Tensor]:
    """What one of diffusers' functions makes of the weights. Those that it misses are found when they are used."""
    convert = diffusers_class("loaders.single_file_utils", function)
    try:
        if more:
            result = convert(SimpleNamespace(config=SimpleNamespace(**config)), dict(tensors), *more)
        else:
            result = convert(dict(tensors), config=dict(config))
    except (KeyError, IndexError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise SdzModelError(f"cannot convert the checkpoint: {error!r}", file=str(path), remedy=AGAIN) from error
    return {name: tensor for name, tensor in result.items() if tensor is not None}


def _scheduler(configs: Path, prediction: str | None, path: Path) -> dict[str, Any]:
    """The family's scheduler, for what the U-Net predicts.

    Raises:
        SdzModelError: the family has U-Nets of both kinds, and ``prediction`` does not say which.
    """
    config = read_config(configs / "scheduler" / SCHEDULER_CONFIG_NAME, AGAIN)
    found = prediction or config.get("prediction_type")
    if found is None:
        raise SdzModelError(
            "the file does not show what its U-Net predicts", file=str(path), field="prediction",
            expected="epsilon (Stable Diffusion 2 base, 512 pixels) or v_prediction (768 pixels)",
            remedy="give --prediction",
        )  # fmt: skip
    return {**config, "prediction_type": found}


def _embedding(tensors: Mapping[str, Tensor], configs: Path, path: Path) -> Tensor:
    from pillow_sdz.models.checkpoints.empty_prompt import embed

    config = read_config(configs / "text_encoder" / CONFIG_NAME, AGAIN)
    if inside := _with_prefix(tensors, CLIP_PREFIX):
        weights = {name.removeprefix(CLIP_PREFIX): tensor for name, tensor in inside.items()}
    elif inside := _with_prefix(tensors, OPEN_CLIP_PREFIX):
        weights = _converted("convert_open_clip_checkpoint", inside, config, path, OPEN_CLIP_PREFIX)
        weights = {name: tensor for name, tensor in weights.items() if not name.startswith("text_projection")}
    else:
        raise SdzModelError(
            "the text encoder is missing", file=str(path), expected=f"weights named {CLIP_PREFIX}...",
            remedy="take the complete checkpoint, or add its autoencoder alone with --vae-only",
        )  # fmt: skip
    return embed(config, weights, _tokens(configs), path)


def _tokens(configs: Path) -> list[int]:
    """The empty prompt: start, end and padding, or what a tokenizer beside the configurations makes of it."""
    from pillow_sdz.models.checkpoints.empty_prompt import MAX_TOKENS, tokens_of

    if not (configs / TOKENS).is_file():
        return tokens_of(configs / "tokenizer")
    fields = read_config(configs / TOKENS, AGAIN)
    length = whole(fields, "length", 2, MAX_TOKENS)
    start, end, pad = (whole(fields, field, 0, 1 << 20) for field in ("start", "end", "pad"))
    return [start, end] + [pad] * (length - 2)
