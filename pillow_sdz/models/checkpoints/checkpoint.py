"""A checkpoint in memory, whatever its layout on disk; and reading the parts of one in diffusers' layout."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pillow_sdz.errors import SdzModelError, naming_file
from pillow_sdz.models.configuration import CLASS_KEY, CONFIG_NAME, read_config

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    from torch import Tensor

GET_AGAIN: Final = "get it again from the checkpoint's source: it is incomplete or damaged"
"""The remedy for damaged files of a checkpoint."""

NETWORK_STEM: Final = "diffusion_pytorch_model"
"""Names of files with the weights of autoencoders and U-Nets start with this."""

TEXT_ENCODER_STEM: Final = "model"
"""Names of files with the weights of text encoders start with this."""

VARIANTS: Final = ("", ".fp16", ".bf16")
"""What names of weight files have before their suffix, by number type: float32, float16 and bfloat16; best first."""

PICKLES: Final = (".ckpt", ".bin", ".pth", ".pt", ".pkl")
"""Suffixes of files that torch reads by unpickling."""


@dataclass(frozen=True)
class SourceOptions:
    """How to read a checkpoint; see `pillow_sdz.models.checkpoints.add.add_model`."""

    revision: str | None = None
    vae_only: bool = False
    scheduler: str | None = None
    family: str | None = None
    prediction: str | None = None
    config: Path | None = None


@dataclass(frozen=True)
class NetworkWeights:
    """One network of a checkpoint.

    Attributes:
        name: its class in diffusers.
        config: the fields of its configuration.
        tensors: its weights as they are stored, by the names of diffusers' state dictionary.
        where: the file or folder that they are from, for errors.
    """

    name: str
    config: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    where: Path


@dataclass(frozen=True)
class Checkpoint:
    """All that a model is made from.

    Attributes:
        vae: the autoencoder.
        unet, scheduler, embedding: the U-Net, its scheduler's configuration, and the unconditional embedding
            (1, tokens, width); all None for an autoencoder alone.
        source: what the user gave, as an absolute path, or as a repository and its commit.
        notes: sentences to show to the user.
    """

    vae: NetworkWeights
    unet: NetworkWeights | None = None
    scheduler: Mapping[str, Any] | None = None
    embedding: Tensor | None = None
    source: str = ""
    notes: tuple[str, ...] = field(default=())


def weight_names(stem: str) -> list[str]:
    """Names that the file with a network's weights may have, best first; a ``.json`` is an index of several files.

    >>> weight_names("model")[:3]
    ['model.safetensors', 'model.safetensors.index.json', 'model.fp16.safetensors']
    """
    names = []
    for variant in VARIANTS:
        names += [f"{stem}{variant}.safetensors", f"{stem}.safetensors.index{variant}.json"]
    return names


def read_tensors(folder: Path, stem: str) -> dict[str, Tensor]:
    """Read the weights in ``folder``, under whichever of `weight_names` they are there.

    Raises:
        SdzModelError: there are none, or only pickles, or they are damaged.
    """
    from pillow_sdz.models.weights import read_files

    for name in weight_names(stem):
        if (folder / name).is_file():
            return read_files(folder / name, GET_AGAIN)
    pickle = next((path for path in sorted(folder.glob("*")) if path.suffix in PICKLES), None)
    if pickle is not None:
        with naming_file(pickle):
            raise pickle_refused()
    expected = f"{stem}.safetensors, whole or in shards"
    raise SdzModelError("the weights are missing", file=str(folder), expected=expected, remedy=GET_AGAIN)


def pickle_refused(name: str | None = None) -> SdzModelError:
    """The error for weights in a pickle; ``name`` is that of the file within a repository."""
    return SdzModelError(
        "weights in pickles are refused: reading one can run any program that its author put there",
        field=name,
        expected="safetensors",
        remedy="take the checkpoint's .safetensors files; most repositories have them beside the pickles, and "
        "huggingface.co/spaces/safetensors/convert makes them",
    )


def read_network(folder: Path, classes: Collection[str]) -> NetworkWeights:
    """Read one network of diffusers' layout: ``config.json`` and its weights.

    Args:
        folder: that holds them.
        classes: names of classes that are supported here.

    Raises:
        SdzModelError: something is missing, damaged or unsupported.
    """
    path = folder / CONFIG_NAME
    config = read_config(path, GET_AGAIN)
    name = config.get(CLASS_KEY)
    if not isinstance(name, str) or name not in classes:
        expected = " or ".join(classes)
        raise SdzModelError(
            "this network is not supported", file=str(path), field=CLASS_KEY, found=name, expected=expected
        )
    return NetworkWeights(name, config, read_tensors(folder, NETWORK_STEM), folder)


def require_parts(folder: Path, parts: Iterable[str]) -> None:
    """Check that a pipeline's folder has the folders of all its parts.

    Raises:
        SdzModelError: naming the first that is missing.
    """
    for part in parts:
        if not (folder / part).is_dir():
            raise SdzModelError(
                f"the {part.replace('_', ' ')} is missing",
                file=str(folder),
                expected=f"a folder {part}/",
                remedy=f"{GET_AGAIN}; or add the autoencoder alone with --vae-only",
            )
