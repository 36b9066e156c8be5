"""Checkpoints: weights, moving average, optimiser and adversary as tensors by name, in one safetensors file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from tools.train.model import Average, TrainableModel

if TYPE_CHECKING:
    from pathlib import Path

    from tools.train.adversary import Adversary

# Prefixes of tensor names. Others would make the checkpoints of earlier runs unreadable.
MODEL: Final = "codec."
AVERAGE: Final = "average."
OPTIMISER: Final = "optimiser."
ADVERSARY: Final = "adversary."


def with_prefix(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under names that start with ``prefix``."""
    return {f"{prefix}{name}": value for name, value in tensors.items()}


def without_prefix(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Undo `with_prefix`; tensors whose names start otherwise are left out."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The state of every parameter: ``optimiser.INDEX.NAME`` -> tensor."""
    return {
        f"{OPTIMISER}{index}.{name}": torch.as_tensor(value)
        for index, state in optimiser.state_dict()["state"].items()
        for name, value in state.items()
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Undo `optimiser_tensors`; other tensors are ignored."""
    states: dict[int, dict[str, Tensor]] = {}
    for name, value in without_prefix(OPTIMISER, tensors).items():
        index, key = name.split(".")
        states.setdefault(int(index), {})[key] = value
    optimiser.load_state_dict({"state": states, "param_groups": optimiser.state_dict()["param_groups"]})


def save_checkpoint(
    path: Path,
    model: TrainableModel,
    average: Average,
    optimiser: torch.optim.Optimizer,
    adversary: Adversary | None,
    meta: dict[str, Any],
) -> None:
    """Write a checkpoint; an older one of that name is replaced only when the new one is complete.

    Args:
        path: the file.
        model, average, optimiser, adversary: what it stores.
        meta: ``step``, ``stage`` and ``config`` (the configuration file), stored as JSON.
    """
    tensors = with_prefix(MODEL, model.state_dict()) | with_prefix(AVERAGE, average.model.state_dict())
    tensors |= optimiser_tensors(optimiser)
    if adversary is not None:
        tensors |= with_prefix(ADVERSARY, adversary.state())
    temporary = path.with_suffix(".partial")
    save_file({k: v.contiguous().clone() for k, v in tensors.items()}, temporary, {"meta": json.dumps(meta)})
    temporary.replace(path)


def load_checkpoint(
    path: Path,
    model: TrainableModel,
    average: Average,
    optimiser: torch.optim.Optimizer | None = None,
    adversary: Adversary | None = None,
) -> dict[str, Any]:
    """Restore what `save_checkpoint` wrote, into the objects given; those that are None are left out.

    If the checkpoint was written without an adversary, ``adversary`` keeps its initial state.

    Returns:
        The checkpoint's ``meta``.
    """
    meta = read_meta(path)
    tensors = load_file(path)
    model.load_state_dict(without_prefix(MODEL, tensors))
    average.model.load_state_dict(without_prefix(AVERAGE, tensors))
    if optimiser is not None:
        restore_optimiser(optimiser, tensors)
    if adversary is not None and f"{ADVERSARY}step" in tensors:
        adversary.restore(without_prefix(ADVERSARY, tensors))
    return meta


def read_meta(path: Path) -> dict[str, Any]:
    """The ``meta`` of a checkpoint: ``step``, ``stage`` and ``config``."""
    with safe_open(path, "pt") as file:
        meta: dict[str, Any] = json.loads(file.metadata()["meta"])
    return meta


def load_average(path: Path) -> tuple[TrainableModel, dict[str, Any]]:
    """The moving average of a checkpoint, and its ``meta``."""
    model = TrainableModel(read_meta(path)["config"]["model"])
    average = Average(model, 0.0)
    meta = load_checkpoint(path, model, average)
    return average.model, meta
