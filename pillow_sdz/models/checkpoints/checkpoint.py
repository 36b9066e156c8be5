"""A checkpoint in memory, whatever its layout was, and reading the parts of one in diffusers' layout."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pillow_sdz.errors import SdzModelError
from pillow_sdz.models.configuration import CLASS_KEY, CONFIG_NAME, read_config

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    from torch import Tensor

AGAIN: Final = "get it again from the checkpoint's source: it is incomplete or damaged"

NETWORK_STEM, TEXT_STEM = "diffusion_pytorch_model", "model"
VARIANTS: Final = ("", ".fp16", ".bf16")
"""Copies in other number types that repositories hold beside the weights, best first."""

PICKLES: Final = (".ckpt", ".bin", ".pth", ".pt", ".pkl")


@dataclass(frozen=True)
class NetworkWeights:
    """One network: its class, the fields of its configuration, and its weights as they are stored.

    The tensors have the names of diffusers' state dictionary. ``where`` is the file or folder, for errors.
    """

    name: str
    config: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    where: Path


@dataclass(frozen=True)
class Checkpoint:
    """All that a model is made of.

    Attributes:
        vae: the autoencoder.
        unet, scheduler, embedding: the U-Net, its scheduler's configuration, what the text encoder says of the empty
            prompt, (1, tokens, width); all None for an autoencoder alone.
        source: what the user gave, complete with a revision.
        notes: what the user should know.
    """

    vae: NetworkWeights
    unet: NetworkWeights | None = None
    scheduler: Mapping[str, Any] | None = None
    embedding: Tensor | None = None
    source: str = ""
    notes: tuple[str, ...] = field(default=())


def weight_names(stem: str) -> list[str]:
    """Names that the weights of one network may have, best first; those in ``.json`` are indexes of several files.

    >>> weight_names("model")[:3]
    ['model.safetensors', 'model.safetensors.index.json', 'model.fp16.safetensors']
    """
    names = []
    for variant in VARIANTS:
        names += [f"{stem}{variant}.safetensors", f"{stem}.safetensors.index{variant}.json"]
    return names


def read_tensors(folder: Path, stem: str) -> dict[str, Tensor]:
    """Read the weights in ``folder``, in whichever form they are there.

    Raises:
        SdzModelError: there are none, only pickles, or they are damaged.
    """
    from pillow_sdz.models.weights import read_files

    for name in weight_names(stem):
        if (folder / name).is_file():
            return read_files(folder / name, AGAIN)
    pickle = next((path for path in sorted(folder.glob("*")) if path.suffix in PICKLES), None)
    if pickle is not None:
        raise pickle_refused(str(pickle))
    raise SdzModelError(
        "the weights are missing", file=str(folder), expected=f"{stem}.safetensors, whole or in shards", remedy=AGAIN
    )


def pickle_refused(file: str) -> SdzModelError:
    """The error for weights that are a pickle."""
    return SdzModelError(
        "weights in pickles are refused: reading one can run any program that its author put there",
        file=file, expected="safetensors",
        remedy="take the checkpoint's .safetensors files; most repositories have them beside the pickles, and "
        "huggingface.co/spaces/safetensors/convert makes them",
    )  # fmt: skip


def read_network(folder: Path, classes: Collection[str]) -> NetworkWeights:
    """Read one network of diffusers' layout: ``config.json`` and its weights.

    Args:
        folder: that holds them.
        classes: names of classes that are supported here.

    Raises:
        SdzModelError: something is missing, damaged or unsupported.
    """
    config = read_config(folder / CONFIG_NAME, AGAIN)
    name = config.get(CLASS_KEY)
    if not isinstance(name, str) or name not in classes:
        raise SdzModelError(
            "this network is not supported", file=str(folder / CONFIG_NAME), field=CLASS_KEY, found=name,
            expected=" or ".join(classes),
        )  # fmt: skip
    return NetworkWeights(name, config, read_tensors(folder, NETWORK_STEM), folder)


def require(folder: Path, parts: Iterable[str]) -> None:
    """Check that a pipeline's folder has the folders it should.

    Raises:
        SdzModelError: naming the first that is missing.
    """
    for part in parts:
        if not (folder / part).is_dir():
            raise SdzModelError(
                f"the {part.replace('_', ' ')} is missing", file=str(folder), expected=f"a folder {part}/",
                remedy=f"{AGAIN}; or add the autoencoder alone with --vae-only",
            )  # fmt: skip
