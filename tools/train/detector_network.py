"""The training form of the detector's network: batch normalisation between its layers, folded into them afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pillow_sdz.models.networks.detector import Detector, DilatedBlock

if TYPE_CHECKING:
    from collections.abc import Mapping

RARE: Final = (-2.0, -4.0, -2.5)
"""Logits of the classes before training."""

_NORM: Final = "norms."
_PLAIN: Final = "detector."


class NormalisedDetector(nn.Module):
    """A `Detector` whose convolutions before ReLU are normalised over the batch (Ioffe and Szegedy 2015)."""

    def __init__(self) -> None:
        super().__init__()
        self.detector = Detector()
        self.norms = nn.ModuleDict()
        for name, module in self.detector.named_modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                assert module.bias is not None
                nn.init.zeros_(module.bias)
                if not name.endswith(("expand", "head")):
                    self.norms[_key(name)] = nn.BatchNorm2d(module.out_channels, momentum=0.02)
        for block in self.detector.blocks:
            assert isinstance(block, DilatedBlock)
            nn.init.zeros_(block.expand.weight)  # blocks start as the identity
        assert self.detector.head.bias is not None
        with torch.no_grad():
            self.detector.head.weight.mul_(0.3)
            self.detector.head.bias.copy_(torch.tensor(RARE))

    def forward(self, pixels: Tensor) -> Tensor:
        """`Detector.forward`, the first layers in bfloat16."""
        plain = self.detector
        with torch.autocast("cpu", torch.bfloat16):
            x = F.relu(self._norm("to_half", plain.to_half(pixels / 128 - 1)))
            x = F.relu(self._norm("to_quarter", plain.to_quarter(x)))
            for number, layer in enumerate(plain.quarter):
                x = F.relu(self._norm(f"quarter.{number}", layer(x)))
            x = self._norm("to_cells", plain.to_cells(x))
        x = x.float()  # gradients of dilated convolutions are NaN in bfloat16 on some CPUs (torch 2.13)
        for number, block in enumerate(plain.blocks):
            assert isinstance(block, DilatedBlock)
            inner = F.relu(self._norm(f"blocks.{number}.reduce", block.reduce(x)))
            inner = F.relu(self._norm(f"blocks.{number}.window", block.window(inner)))
            x = x + block.expand(inner)
        result: Tensor = plain.head(F.relu(x))
        return result

    def _norm(self, name: str, x: Tensor) -> Tensor:
        result: Tensor = self.norms[_key(name)](x)
        return result


def _key(name: str) -> str:
    """A module's name without dots, which names of parameters may not have."""
    return name.replace(".", "-")


def folded(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of the `Detector` that does what a `NormalisedDetector` of this state does in evaluation."""
    plain = {name.removeprefix(_PLAIN): tensor for name, tensor in state.items() if name.startswith(_PLAIN)}
    for name in [name for name in plain if name.endswith(".weight")]:
        layer = name.removesuffix(".weight")
        key = f"{_NORM}{_key(layer)}."
        if f"{key}weight" in state:
            gain = state[f"{key}weight"] * torch.rsqrt(state[f"{key}running_var"] + nn.BatchNorm2d(1).eps)
            plain[name] = plain[name] * gain[:, None, None, None]
            plain[f"{layer}.bias"] = (plain[f"{layer}.bias"] - state[f"{key}running_mean"]) * gain + state[f"{key}bias"]
    return plain
