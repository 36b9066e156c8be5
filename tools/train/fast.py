"""Normalisation and LPIPS's distance for training on a CPU: hand-written gradients that pass over memory less often.

On CPUs with bfloat16 matrix units the convolutions take a quarter of a step; the rest is element-wise arithmetic, which
autograd would do in float32 and in more passes. The tests compare each function with plain autograd.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import torch
from diffusers.models.normalization import RMSNorm
from torch import Tensor


class _RmsNorm(torch.autograd.Function):
    """x / rms(x) * weight + bias over the last dimension, in the dtype of x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
        scale = torch.rsqrt(norm * norm / x.shape[-1] + eps).to(x.dtype)
        unit = x * scale
        ctx.save_for_backward(unit, scale, weight)
        return torch.addcmul(bias.to(x.dtype), unit, weight.to(x.dtype))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        unit, scale, weight = ctx.saved_tensors
        channels = unit.shape[-1]
        product = gradient * unit
        weight_gradient = product.reshape(-1, channels).sum(0, dtype=torch.float32)
        bias_gradient = gradient.reshape(-1, channels).sum(0, dtype=torch.float32)
        weight = weight.to(gradient.dtype)
        along = product @ (weight / channels)[:, None]
        return torch.addcmul(gradient * weight, unit, along, value=-1).mul_(scale), weight_gradient, bias_gradient, None


def use_fast_norm(model: torch.nn.Module) -> None:
    """Replace the forward pass of each diffusers ``RMSNorm`` in ``model`` that has a weight and a bias."""
    for module in model.modules():
        if isinstance(module, RMSNorm) and module.weight is not None and module.bias is not None:
            module.forward = partial(_normalised, module)


def _normalised(module: RMSNorm, x: Tensor) -> Tensor:
    y: Tensor = _RmsNorm.apply(x, module.weight, module.bias, module.eps)  # type: ignore[no-untyped-call]
    return y


EPSILON: Final = 1e-2
"""Added to the norm of a feature vector before dividing by it: bounds gradients where all features are 0."""


class _UnitDistance(torch.autograd.Function):
    """LPIPS's stage distance: sum over channels of weight * (x/|x| - y/|y|)^2, averaged over positions."""

    @staticmethod
    def forward(ctx: Any, reference: Tensor, features: Tensor, weight: Tensor) -> Tensor:
        values, gradients = [], []
        positions = features.shape[2] * features.shape[3]
        weight = weight.reshape(1, -1, 1, 1)
        pictures = (tensor.split(1) for tensor in (reference, features))  # type: ignore[no-untyped-call]
        for x, y in zip(*pictures, strict=True):  # one picture at a time fits the cache
            norm = torch.linalg.vector_norm(y, dim=1, keepdim=True, dtype=torch.float32)
            inverse = 1 / (norm + EPSILON)
            unit = y * inverse.to(y.dtype)
            theirs = torch.linalg.vector_norm(x, dim=1, keepdim=True, dtype=torch.float32) + EPSILON
            difference = unit - x * (1 / theirs).to(x.dtype)
            weighted = difference * weight.to(y.dtype)
            values.append((difference * weighted).sum(dtype=torch.float32) / positions)
            along = (weighted * unit).sum(1, keepdim=True, dtype=torch.float32)
            along = (along * (norm + EPSILON) / norm.clamp_min(EPSILON)).to(y.dtype)
            gradients.append(
                torch.addcmul(weighted, unit, along, value=-1).mul_((inverse * (2 / positions)).to(y.dtype))
            )
        ctx.save_for_backward(torch.cat(gradients))
        return torch.stack(values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, None]:
        (saved,) = ctx.saved_tensors
        return None, saved * gradient[:, None, None, None].to(saved.dtype), None


def unit_distance(reference: Tensor, features: Tensor, weight: Tensor) -> Tensor:
    """LPIPS's distance of one stage, (B,); only ``features`` gets gradients.

    Args:
        reference, features: (B, C, h, w), the original's and the reconstruction's activations.
        weight: (1, C, 1, 1), the published linear head of the stage.
    """
    value: Tensor = _UnitDistance.apply(reference, features, weight)  # type: ignore[no-untyped-call]
    return value
