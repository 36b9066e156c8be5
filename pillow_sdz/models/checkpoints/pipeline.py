"""Checkpoints in diffusers' layout: the folder of a pipeline, or of an autoencoder alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pillow_sdz.errors import SdzModelError, naming_file
from pillow_sdz.models.checkpoints.checkpoint import (
    GET_AGAIN,
    TEXT_ENCODER_STEM,
    Checkpoint,
    NetworkWeights,
    read_network,
    read_tensors,
    require_parts,
)
from pillow_sdz.models.checkpoints.empty_prompt import embed, tokens_of
from pillow_sdz.models.configuration import CONFIG_NAME, SCHEDULER_CONFIG_NAME, read_config
from pillow_sdz.models.diffusers_parts import renamed

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from torch import Tensor

VAE_CLASSES: Final = ("AutoencoderKL", "AutoencoderTiny")
UNET_CLASSES: Final = ("UNet2DConditionModel",)

PARTS: Final = ("vae", "unet", "scheduler", "tokenizer", "text_encoder")
"""Folders of a pipeline."""

PIPELINE_NAME: Final = "model_index.json"
"""diffusers' file that lists the parts of a pipeline."""

VAE_NOTE: Final = "an autoencoder alone: decoding skips the U-Net"
"""A note to the user."""


def is_pipeline(folder: Path) -> bool:
    """Whether the folder is a pipeline, possibly incomplete."""
    return (folder / PIPELINE_NAME).is_file() or any((folder / part).is_dir() for part in PARTS)


def read_vae(folder: Path) -> NetworkWeights:
    """Read an autoencoder; its weights get the names that diffusers uses today."""
    vae = read_network(folder, VAE_CLASSES)
    return NetworkWeights(vae.name, vae.config, renamed(vae.tensors), vae.where)


def read_folder(folder: Path, *, vae_only: bool = False) -> Checkpoint:
    """Read a checkpoint from a folder.

    Args:
        folder: of a pipeline (with vae, unet, scheduler, tokenizer and text_encoder) or of an autoencoder.
        vae_only: of a pipeline, read the autoencoder alone.

    Raises:
        SdzModelError: something is missing, damaged or unsupported.
        SdzDependencyError: transformers, which the unconditional embedding needs, is missing.
    """
    if not is_pipeline(folder):
        if not (folder / CONFIG_NAME).is_file():
            raise SdzModelError(
                "neither a pipeline nor an autoencoder in diffusers' layout",
                file=str(folder),
                expected=f"folders {', '.join(PARTS)}; or {CONFIG_NAME} and weights of an autoencoder",
            )
        return Checkpoint(read_vae(folder), notes=(VAE_NOTE,))
    if vae_only:
        require_parts(folder, ["vae"])
        return Checkpoint(read_vae(folder / "vae"), notes=(VAE_NOTE,))
    with naming_file(folder):
        check_parts([path.name for path in folder.iterdir()])
    require_parts(folder, PARTS)
    return Checkpoint(
        vae=read_vae(folder / "vae"),
        unet=read_network(folder / "unet", UNET_CLASSES),
        scheduler=read_config(folder / "scheduler" / SCHEDULER_CONFIG_NAME, GET_AGAIN),
        embedding=_embedding(folder),
    )


def check_parts(names: Collection[str]) -> None:
    """Refuse pipelines whose U-Net needs more than one text encoder.

    Args:
        names: the folders of the pipeline.

    Raises:
        SdzModelError: there is a second text encoder.
    """
    if "text_encoder_2" in names:
        raise SdzModelError(
            "the U-Net of SDXL and its like is not supported: it needs two text encoders",
            remedy="add the autoencoder alone with --vae-only",
        )


def _embedding(folder: Path) -> Tensor:
    """Compute the unconditional embedding, (1, tokens, width), with a pipeline's tokenizer and text encoder."""
    place = folder / "text_encoder"
    config = read_config(place / CONFIG_NAME, GET_AGAIN)
    with naming_file(place / CONFIG_NAME):
        names = config.get("architectures", ["CLIPTextModel"])
        if names != ["CLIPTextModel"]:
            raise SdzModelError(
                "this text encoder is not supported",
                field="architectures",
                found=repr(names)[:80],
                expected="CLIPTextModel",
            )
    weights, tokens = read_tensors(place, TEXT_ENCODER_STEM), tokens_of(folder / "tokenizer")
    with naming_file(place):
        return embed(config, weights, tokens)
