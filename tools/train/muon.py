"""Muon (Jordan et al. 2024): an optimiser that orthogonalises the momentum of matrices; other parameters get Adam."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterable

FEWEST_ROWS: Final = 16
"""Weights with fewer rows or columns than this are updated by Adam."""

A: Final = 3.4445
B: Final = -4.7750
C: Final = 2.0315
"""Coefficients of the Newton-Schulz iteration of Jordan et al.: singular values end between 0.7 and 1.2."""

EPSILON: Final = 1e-7
"""Added to the norm of a matrix before dividing by it, as in the code of Jordan et al."""

ADAM_EPSILON: Final = 1e-8
"""Adam's epsilon, as in torch."""


def orthogonal(matrices: Tensor, iterations: int = 5) -> Tensor:
    """Approximate the nearest matrices with orthonormal rows or columns; (..., rows, columns), each matrix on its own.

    Each iteration multiplies the matrix by a polynomial of its Gram matrix. The polynomials, which are the smaller
    square matrices, are multiplied with each other first, and their product with the matrix once.
    """
    x: Tensor = matrices / (matrices.norm(dim=(-2, -1), keepdim=True) + EPSILON)
    turned = x.shape[-2] > x.shape[-1]
    if turned:
        x = x.mT
    products = x @ x.mT
    identity = torch.eye(x.shape[-2], device=x.device)
    factor = identity
    for _ in range(iterations):
        polynomial = C * (products @ products) + B * products + A * identity
        factor = polynomial @ factor
        products = polynomial @ products @ polynomial
    x = factor @ x
    return x.mT if turned else x


def is_matrix(parameter: Tensor) -> bool:
    """Whether `Muon` orthogonalises this parameter's updates."""
    return parameter.ndim >= 2 and min(parameter.shape[0], parameter[0].numel()) >= FEWEST_ROWS


class Muon(torch.optim.Optimizer):
    """One optimiser for all parameters: Muon for matrices, Adam for the others.

    Args:
        groups: parameter groups as for Adam.
        betas: of Adam.
        momentum: of Muon.
        scale: root mean square of a matrix's update as a share of the learning rate; 0.2 matches Adam's (Liu et al.
            2025).
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        betas: tuple[float, float] = (0.9, 0.99),
        momentum: float = 0.95,
        scale: float = 0.2,
    ) -> None:
        super().__init__(groups, {"lr": 0.0, "betas": betas, "momentum": momentum, "scale": scale})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """Update all parameters, many at a time: on a GPU the number of operations decides the time."""
        for group in self.param_groups:
            pairs = [(p, p.grad) for p in group["params"] if p.grad is not None]
            self._muon([pair for pair in pairs if is_matrix(pair[0])], group)
            self._adam([pair for pair in pairs if not is_matrix(pair[0])], group)

    def _muon(self, pairs: list[tuple[Tensor, Tensor]], group: dict[str, Any]) -> None:
        if not pairs:
            return
        parameters, gradients = ([*each] for each in zip(*pairs, strict=True))
        for p in parameters:
            if not self.state[p]:
                self.state[p]["momentum"] = torch.zeros_like(p)
        momenta = [self.state[p]["momentum"] for p in parameters]
        torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
        updates = torch._foreach_lerp(gradients, momenta, group["momentum"])
        alike: dict[tuple[int, int], list[tuple[Tensor, Tensor]]] = {}
        for p, update in zip(parameters, updates, strict=True):
            matrix = update.reshape(p.shape[0], -1)
            alike.setdefault((matrix.shape[0], matrix.shape[1]), []).append((p, matrix))
        for shape, same in alike.items():
            steps = orthogonal(torch.stack([update for _, update in same]))
            shaped = [step.reshape(p.shape) for (p, _), step in zip(same, steps, strict=True)]
            rate = -group["lr"] * group["scale"] * max(shape) ** 0.5
            torch._foreach_add_([p for p, _ in same], shaped, alpha=rate)

    def _adam(self, pairs: list[tuple[Tensor, Tensor]], group: dict[str, Any]) -> None:
        alike: dict[float, list[tuple[Tensor, Tensor]]] = {}
        for p, gradient in pairs:
            state = self.state[p]
            if not state:
                state |= {"step": torch.zeros(()), "mean": torch.zeros_like(p), "square": torch.zeros_like(p)}
            state["step"] += 1
            alike.setdefault(float(state["step"]), []).append((p, gradient))
        first, second = group["betas"]
        for count, same in alike.items():
            parameters, gradients = ([*each] for each in zip(*same, strict=True))
            means, squares = ([self.state[p][name] for p in parameters] for name in ("mean", "square"))
            torch._foreach_lerp_(means, gradients, 1 - first)
            torch._foreach_lerp_(squares, torch._foreach_mul(gradients, gradients), 1 - second)
            scales = torch._foreach_div(squares, 1 - second**count)
            torch._foreach_sqrt_(scales)
            torch._foreach_add_(scales, ADAM_EPSILON)
            torch._foreach_addcdiv_(parameters, means, scales, value=-group["lr"] / (1 - first**count))
