"""3x3 convolutions for training on a CPU by Winograd's method, F(4x4, 3x3) of Lavin and Gray 2016, with gradients.

They take a quarter of the multiplications of a direct convolution, as plain matrix products, in float32. The transforms
are those of `pillow_sdz.models.networks.winograd`; both gradients are computed by the same method. The tests compare
with plain convolutions.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pillow_sdz.models.networks.winograd import (
    INPUT,
    KERNEL,
    OUT,
    OUTPUT,
    TILE,
    both_axes,
    fits,
    spread_kernel,
    windows,
)

FEWEST_CHANNELS: Final = 90
"""With fewer channels, in or out, the transforms take longer than they save, measured on CPUs with AVX2."""

FEWEST_FROZEN: Final = 120
"""As `FEWEST_CHANNELS`, for weights that are not trained (`FrozenConvolution`)."""


def _windows(x: Tensor) -> Tensor:
    """Transform every tile of 6x6 pixels of (B, C, h, w), channels last, to (36, tiles * C)."""
    return both_axes(INPUT) @ windows(x).reshape(TILE * TILE, -1)


def _assemble(products: Tensor, shape: tuple[int, int, int, int]) -> Tensor:
    """Transform products (36, tiles, C) back to a tensor of ``shape``, (B, C, h, w), channels last."""
    count, channels, height, width = shape
    rows, columns = -(-height // OUT), -(-width // OUT)
    values = (both_axes(OUTPUT) @ products.reshape(TILE * TILE, -1)).view(OUT, OUT, count, rows, columns, channels)
    image = values.permute(2, 3, 0, 4, 1, 5).reshape(count, rows * OUT, columns * OUT, channels)
    return image[:, :height, :width].permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


def convolve(x: Tensor, spread: Tensor) -> Tensor:
    """Convolve (B, C, h, w) with a kernel from `spread_kernel`, with zeros as padding."""
    products = torch.bmm(_windows(x).view(TILE * TILE, -1, x.shape[1]), spread)
    return _assemble(products, (x.shape[0], spread.shape[2], *x.shape[2:]))


def _turned(weight: Tensor) -> Tensor:
    """The kernel that gives gradients of the input: rotated by 180 degrees, input and output channels swapped."""
    return weight.flip(2, 3).transpose(0, 1)


class _Trained(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        spread = _windows(x).view(TILE * TILE, -1, x.shape[1])
        ctx.save_for_backward(spread, weight)
        ctx.needs_x = x.requires_grad
        return _assemble(torch.bmm(spread, spread_kernel(weight)), (x.shape[0], weight.shape[0], *x.shape[2:]))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor]:
        inputs, weight = ctx.saved_tensors
        count, channels, height, width = gradient.shape
        rows, columns = -(-height // OUT), -(-width // OUT)
        padded = F.pad(gradient.permute(0, 2, 3, 1), (0, 0, 0, columns * OUT - width, 0, rows * OUT - height))
        tiles = padded.view(count, rows, OUT, columns, OUT, channels).permute(2, 4, 0, 1, 3, 5)
        products = (both_axes(OUTPUT).T @ tiles.reshape(OUT * OUT, -1)).view(TILE * TILE, -1, channels)
        spread = torch.bmm(inputs.transpose(1, 2), products)
        flat = both_axes(KERNEL).T @ spread.reshape(TILE * TILE, -1)
        to_weight = flat.view(3, 3, weight.shape[1], weight.shape[0]).permute(3, 2, 0, 1)
        return convolve(gradient, spread_kernel(_turned(weight))) if ctx.needs_x else None, to_weight


class _Frozen(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, spread: Tensor, back: Tensor) -> Tensor:
        ctx.save_for_backward(back)
        return convolve(x, spread)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return convolve(gradient, ctx.saved_tensors[0]), None, None


class FrozenConvolution:
    """A convolution whose weight never changes: the kernels of both directions are transformed once."""

    def __init__(self, weight: Tensor) -> None:
        self.spread, self.back = spread_kernel(weight), spread_kernel(_turned(weight))

    def __call__(self, x: Tensor) -> Tensor:
        """Convolve (B, C, h, w); gradients flow to ``x``."""
        result: Tensor = _Frozen.apply(x, self.spread, self.back)  # type: ignore[no-untyped-call]
        return result


def use_winograd(network: nn.Module) -> None:
    """Replace the forward pass of each 3x3 convolution of enough channels; for training in float32 on a CPU."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and fits(module, FEWEST_CHANNELS):
            module.forward = partial(_forward, module)  # type: ignore[method-assign]


def _forward(module: nn.Conv2d, x: Tensor) -> Tensor:
    y: Tensor = _Trained.apply(x, module.weight)  # type: ignore[no-untyped-call]
    return y if module.bias is None else y + module.bias[:, None, None]
