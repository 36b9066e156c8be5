"""Muon (Jordan et al. 2024): momentum whose matrices are made orthogonal. Adam for what is not a matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterable

FEWEST_ROWS = 16
"""Weights with fewer rows or columns than this are Adam's."""

# Newton-Schulz iteration of Jordan et al.: singular values end between 0.7 and 1.2.
A, B, C = 3.4445, -4.7750, 2.0315


def orthogonal(matrices: Tensor, iterations: int = 5) -> Tensor:
    """The nearest matrices with orthonormal rows or columns, about: (..., rows, columns), each on its own.

    Each iteration is a polynomial of the rows' products with each other times the matrix. The polynomials are multiplied
    first, as the smaller square matrices that they are, and the result with the matrix once.
    """
    x = matrices / (matrices.norm(dim=(-2, -1), keepdim=True) + 1e-7)
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
    """One optimiser for all parameters. A matrix's step has a root mean square of a fifth of the learning rate.

    Args:
        groups: as for Adam.
        betas: of Adam.
        momentum: of Muon.
        scale: Muon's step relative to Adam's (Liu et al. 2025 use 0.2 against Adam's usual root mean square).
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
        for group in self.param_groups:
            alike: dict[tuple[int, int], list[tuple[Tensor, Tensor]]] = {}
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if is_matrix(p):
                    if not state:
                        state["momentum"] = torch.zeros_like(p)
                    state["momentum"].lerp_(p.grad, 1 - group["momentum"])
                    update = p.grad.lerp(state["momentum"], group["momentum"]).reshape(p.shape[0], -1)
                    alike.setdefault((update.shape[0], update.shape[1]), []).append((p, update))
                else:
                    self._adam(p, state, group)
            for shape, pairs in alike.items():  # in one go: on a GPU the number of products is what costs
                steps = orthogonal(torch.stack([update for _, update in pairs]))
                for (p, _), step in zip(pairs, steps, strict=True):
                    p.add_(step.reshape(p.shape), alpha=-group["lr"] * group["scale"] * max(shape) ** 0.5)

    def _adam(self, p: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        if not state:
            state |= {"step": torch.zeros(()), "mean": torch.zeros_like(p), "square": torch.zeros_like(p)}
        state["step"] += 1
        first, second = group["betas"]
        state["mean"].lerp_(p.grad, 1 - first)
        state["square"].lerp_(p.grad.square(), 1 - second)
        count = float(state["step"])
        scale = (state["square"] / (1 - second**count)).sqrt_().add_(1e-8)
        p.addcdiv_(state["mean"], scale, value=-group["lr"] / (1 - first**count))
