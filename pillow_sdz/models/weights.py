"""A network's weights in a folder: safetensors in diffusers' layout, memory-mapped, never pickles.

This module imports torch and safetensors, so that it is itself imported within functions only.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from pillow_sdz.errors import SdzModelError
from pillow_sdz.models.configuration import MAX_CONFIG_BYTES
from pillow_sdz.models.half_weights import WEIGHTS_NAME
from pillow_sdz.models.manifest_fields import REINSTALL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

WEIGHTS_INDEX_NAME: Final = f"{WEIGHTS_NAME}.index.json"


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
        text = str(error).strip()
        reason = text.splitlines()[0] if text else type(error).__name__
        raise SdzModelError(f"cannot load the weights: {reason}", file=str(path), remedy=remedy) from error
    return tensors


def indexed(index: Path) -> list[Path]:
    """The files that an index names, all in its own folder.

    Raises:
        OSError, ValueError, KeyError, TypeError, AttributeError: it is not an index, or names files elsewhere.
    """
    folder = index.parent
    with index.open("rb") as file:
        names = set(json.loads(file.read(MAX_CONFIG_BYTES))["weight_map"].values())
    for name in names:
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise ValueError(f"the index names a file that is not beside it: {name[:80]!r}")
    return [folder / name for name in sorted(names)]


def adopt(network: nn.Module, tensors: Mapping[str, Tensor], remedy: str = REINSTALL) -> None:
    """Give a network that was built on the ``meta`` device its weights: float32 copies of ``tensors``.

    Raises:
        SdzModelError: names, shapes or number types are not those of the network; the error names no file.
    """
    expected: dict[str, Any] = network.state_dict()
    for name in sorted(expected.keys() ^ tensors.keys()):
        problem = "a tensor is missing" if name in expected else "an unknown tensor"
        raise SdzModelError(f"cannot load the weights: {problem}", field=name, remedy=remedy)
    for name, tensor in sorted(tensors.items()):
        if tensor.shape != expected[name].shape or not tensor.is_floating_point():
            raise SdzModelError(
                "cannot load the weights: a tensor does not fit",
                field=name,
                found=f"{tuple(tensor.shape)}, {tensor.dtype}",
                expected=f"{tuple(expected[name].shape)}, float",
                remedy=remedy,
            )
    copies = {name: tensor.to(torch.float32, copy=True) for name, tensor in tensors.items()}
    network.load_state_dict(copies, assign=True)


def write_weights(folder: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write all tensors into one file in ``folder``, each in its own number type."""
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(whole, folder / WEIGHTS_NAME, {"format": "pt"})  # diffusers reads no files without this metadata
