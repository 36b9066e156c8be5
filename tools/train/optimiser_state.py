"""An optimiser's state as tensors by name, as checkpoints store it."""

from __future__ import annotations

import torch
from torch import Tensor

PREFIX = "optimiser."


def to_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """``optimiser.INDEX.NAME`` -> tensor, for every parameter's state."""
    return {
        f"{PREFIX}{index}.{name}": torch.as_tensor(value)
        for index, state in optimiser.state_dict()["state"].items()
        for name, value in state.items()
    }


def restore(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Undo `to_tensors`; other tensors are ignored."""
    states: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith(PREFIX):
            _, index, key = name.split(".")
            states.setdefault(int(index), {})[key] = value
    optimiser.load_state_dict({"state": states, "param_groups": optimiser.state_dict()["param_groups"]})
