"""Checkpoints in diffusers' layout: the folder of a pipeline, or of an autoencoder alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pillow_sdz.errors import SdzModelError
from pillow_sdz.models.checkpoints.checkpoint import (
    AGAIN,
    TEXT_STEM,
    Checkpoint,
    NetworkWeights,
    read_network,
    read_tensors,
    require,
)
from pillow_sdz.models.configuration import CONFIG_NAME, read_config
from pillow_sdz.models.diffusers_parts import renamed
from pillow_sdz.models.loading import SCHEDULER_CONFIG_NAME

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

VAES: Final = ("AutoencoderKL", "AutoencoderTiny")
UNETS: Final = ("UNet2DConditionModel",)
PARTS: Final = ("vae", "unet", "scheduler", "tokenizer", "text_encoder")
INDEX: Final = "model_index.json"
ALONE: Final = "an autoencoder alone: decoding skips the U-Net"


def is_pipeline(folder: Path) -> bool:
    """Whether the folder is, or should be, a pipeline."""
    return (folder / INDEX).is_file() or any((folder / part).is_dir() for part in PARTS)


def read_vae(folder: Path) -> NetworkWeights:
    """Read an autoencoder, its weights under today's names."""
    vae = read_network(folder, VAES)
    return NetworkWeights(vae.name, vae.config, renamed(vae.tensors), vae.where)


def read_folder(folder: Path, *, vae_only: bool = False) -> Checkpoint:
    """Read a checkpoint from a folder.

    Args:
        folder: of a pipeline (with vae, unet, scheduler, tokenizer and text_encoder) or of an autoencoder.
        vae_only: take no more than the autoencoder of a pipeline.

    Raises:
        SdzModelError: something is missing, damaged or unsupported.
        SdzDependencyError: transformers, which the empty prompt needs, is missing.
    """
    if not is_pipeline(folder):
        if not (folder / CONFIG_NAME).is_file():
            raise SdzModelError(
                "neither a pipeline nor an autoencoder in diffusers' layout", file=str(folder),
                expected=f"folders {', '.join(PARTS)}; or {CONFIG_NAME} and weights of an autoencoder",
            )  # fmt: skip
        return Checkpoint(read_vae(folder), notes=(ALONE,))
    if vae_only:
        require(folder, ["vae"])
        return Checkpoint(read_vae(folder / "vae"), notes=(ALONE,))
    check_parts({path.name for path in folder.iterdir()}, str(folder))
    require(folder, PARTS)
    return Checkpoint(
        vae=read_vae(folder / "vae"),
        unet=read_network(folder / "unet", UNETS),
        scheduler=read_config(folder / "scheduler" / SCHEDULER_CONFIG_NAME, AGAIN),
        embedding=_embedding(folder),
    )


def check_parts(names: set[str], file: str) -> None:
    """Refuse pipelines whose U-Net needs more than one text encoder.

    Raises:
        SdzModelError: it is one of them.
    """
    if "text_encoder_2" in names:
        raise SdzModelError(
            "the U-Net of SDXL and its like is not supported: it needs two text encoders", file=file,
            remedy="add the autoencoder alone with --vae-only",
        )  # fmt: skip


def _embedding(folder: Path) -> Tensor:
    from pillow_sdz.models.checkpoints.empty_prompt import embed, tokens_of

    place = folder / "text_encoder"
    config: dict[str, Any] = read_config(place / CONFIG_NAME, AGAIN)
    names = config.get("architectures", ["CLIPTextModel"])
    if names != ["CLIPTextModel"]:
        raise SdzModelError(
            "this text encoder is not supported", file=str(place / CONFIG_NAME), field="architectures",
            found=repr(names)[:80], expected="CLIPTextModel",
        )  # fmt: skip
    return embed(config, read_tensors(place, TEXT_STEM), tokens_of(folder / "tokenizer"), place)
