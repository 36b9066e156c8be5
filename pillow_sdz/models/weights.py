"""A network's weights in a folder: safetensors in diffusers' layout, read without copies, never pickles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from pillow_sdz.errors import SdzModelError
from pillow_sdz.models.configuration import MAX_CONFIG_BYTES
from pillow_sdz.models.manifest import REINSTALL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

WEIGHTS_NAME = "diffusion_pytorch_model.safetensors"
WEIGHTS_INDEX_NAME = WEIGHTS_NAME + ".index.json"


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Name -> tensor as it is stored, from one file or from several with an index.

    The tensors are views of the mapped files: to keep one, copy it.

    Raises:
        SdzModelError: a file is missing or damaged.
    """
    index = folder / WEIGHTS_INDEX_NAME
    return read_files(index if index.is_file() else folder / WEIGHTS_NAME)


def read_files(path: Path, remedy: str = REINSTALL) -> dict[str, Tensor]:
    """`read_weights` for one file of any name, or for an index (``.json``) and the files that it names beside it.

    Args:
        path: the file or the index.
        remedy: what errors tell the user to do.

    Raises:
        SdzModelError: a file is missing or damaged.
    """
    try:
        tensors: dict[str, Tensor] = {}
        for piece in indexed(path) if path.suffix == ".json" else [path]:
            tensors |= load_file(piece)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
        raise _unusable(path, error, remedy) from error
    return tensors


def indexed(index: Path) -> list[Path]:
    """The files that an index names, all beside it.

    Raises:
        OSError, ValueError, KeyError, TypeError, AttributeError: it is not an index, or names something else.
    """
    folder = index.parent
    with index.open("rb") as file:
        names = set(json.loads(file.read(MAX_CONFIG_BYTES))["weight_map"].values())
    for name in names:
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise ValueError(f"the index names a file that is not beside it: {name[:80]!r}")
    return [folder / name for name in sorted(names)]


def _unusable(path: Path, error: Exception, remedy: str) -> SdzModelError:
    text = str(error).strip()
    reason = text.splitlines()[0] if text else type(error).__name__
    return SdzModelError(f"cannot load the weights: {reason}", file=str(path), remedy=remedy)


def adopt(network: nn.Module, tensors: Mapping[str, Tensor], folder: Path, remedy: str = REINSTALL) -> None:
    """Give a network that was built on the ``meta`` device its weights: float32 copies of ``tensors``.

    Raises:
        SdzModelError: names, shapes or number types are not those of the network.
    """
    expected: dict[str, Any] = network.state_dict()
    for name in sorted(expected.keys() ^ tensors.keys()):
        problem = "a tensor is missing" if name in expected else "an unknown tensor"
        raise SdzModelError(f"cannot load the weights: {problem}", file=str(folder), field=name, remedy=remedy)
    for name, tensor in sorted(tensors.items()):
        if tensor.shape != expected[name].shape or not tensor.is_floating_point():
            raise SdzModelError(
                "cannot load the weights: a tensor does not fit",
                file=str(folder), field=name, remedy=remedy,
                found=f"{tuple(tensor.shape)}, {tensor.dtype}", expected=f"{tuple(expected[name].shape)}, float",
            )  # fmt: skip
    copies = {name: tensor.to(torch.float32, copy=True) for name, tensor in tensors.items()}
    network.load_state_dict(copies, assign=True)


def write_weights(folder: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write all tensors into one file of ``folder``, in their number types."""
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(whole, folder / WEIGHTS_NAME, {"format": "pt"})  # diffusers asks for this note
