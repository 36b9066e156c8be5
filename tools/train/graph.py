"""A training step as a CUDA graph: recorded once, replayed with new pictures, without Python between the kernels.

A step of 24 crops is some thousands of small kernels, and a GPU that waits for Python to start each one is idle most
of the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor

from tools.train.draws import Draws

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WARMUP: Final = 3
"""Warm-up steps before the recording, in which libraries choose their kernels and allocate their workspaces."""

_EPSILON: Final = 1e-6
"""Keeps the division by the gradient's norm finite, as in torch's ``clip_grad_norm_``."""


def obstacle(stage: dict[str, Any]) -> str | None:
    """Why a stage cannot be recorded, because something changes from step to step; None if it can."""
    if stage["bottleneck"] != "steps":
        return f"bottleneck is {stage['bottleneck']!r}, not 'steps'"
    for name in ("adversary", "rate_ramp"):
        if name in stage:
            return f"{name} is set"
    turns, weights = stage.get("vgg_turns", True), stage.get("losses", {})
    if isinstance(turns, list) or (turns and weights.get("lpips_vgg") and weights.get("dists")):
        return "vgg_turns is not false"
    if stage["vgg_crop"] < stage["crop"]:
        return f"vgg_crop, {stage['vgg_crop']}, is smaller than crop, {stage['crop']}"
    return None


def clipped(gradients: list[Tensor], clip: float) -> Tensor:
    """Scale gradients in place so that their joint norm is at most ``clip``; returns the norm they had.

    Gradients that are not finite become 0. Skipping the optimiser's step instead would need the norm on the CPU, and
    make the GPU wait.
    """
    norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    for gradient in gradients:
        gradient.nan_to_num_(0.0, 0.0, 0.0)
    torch._foreach_mul_(gradients, (clip / (norm + _EPSILON)).clamp(max=1).nan_to_num(0.0))
    return norm


class Graph:
    """Computes the gradients of ``compute(pictures, draws)`` by replaying a recording of it.

    Args:
        compute: returns the loss and the numbers to log; must neither wait for the GPU nor copy anything to it.
        trained: the parameters; each call overwrites their gradients.
        clip: largest norm of the gradient; see `clipped`.
        pictures, draws: an example; all others must have its shapes.
    """

    def __init__(
        self,
        compute: Callable[[Tensor, Draws], tuple[Tensor, dict[str, Tensor]]],
        trained: Sequence[Tensor],
        clip: float,
        pictures: Tensor,
        draws: Draws,
    ) -> None:
        self.inputs = [each.clone() for each in (pictures, *draws)]

        def step() -> dict[str, Tensor]:
            total, terms = compute(self.inputs[0], Draws(*self.inputs[1:]))
            total.backward()  # type: ignore[no-untyped-call]
            return terms | {"gradient": clipped([p.grad for p in trained if p.grad is not None], clip)}

        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARMUP):
                step()
                for p in trained:
                    p.grad = None
        torch.cuda.current_stream().wait_stream(stream)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.terms = step()

    def __call__(self, pictures: Tensor, draws: Draws) -> dict[str, Tensor]:
        """Compute the gradients for these; returns the numbers to log, which the next call overwrites."""
        for mine, new in zip(self.inputs, (pictures, *draws), strict=True):
            mine.copy_(new, non_blocking=True)
        self.graph.replay()
        return self.terms
