"""Blocks of the deep compression autoencoder (Chen et al. 2024), with diffusers' names of the weights.

Without gradients, forward passes work in place: in a small autoencoder passes over memory take nearly as long as
convolutions. With gradients they do not, because autograd needs what they would overwrite. All tensors are
(B, C, h, w), fastest in channels-last memory format.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch
import torch.nn.functional as F
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

SCALE: Final = 2
"""Factor between the sides of neighbouring resolutions."""


class RMSNorm(nn.Module):
    """Root-mean-square normalisation over channels (Zhang and Sennrich 2019), with gain and offset."""

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, h: Tensor) -> Tensor:
        """Normalise ``h``, in place where no gradients are computed."""
        if torch.is_grad_enabled():
            return self._with_gradient(h) + self.bias[:, None, None]
        return self._unit(h).mul_(self.weight[:, None, None]).add_(self.bias[:, None, None])

    def added_to(self, x: Tensor, h: Tensor) -> Tensor:
        """``x`` plus the normalised ``h``, as a new tensor; without gradients it overwrites ``h``."""
        if torch.is_grad_enabled():
            return (x + self._with_gradient(h)).add_(self.bias[:, None, None])
        return torch.addcmul(x, self._unit(h), self.weight[:, None, None]).add_(self.bias[:, None, None])

    def _unit(self, h: Tensor) -> Tensor:
        """Divide ``h`` in place by its root mean square over channels."""
        return h.mul_(inverse_rms(h, self.eps))

    def _with_gradient(self, h: Tensor) -> Tensor:
        scaled: Tensor = _ScaledUnit.apply(h, self.weight, self.eps)  # type: ignore[no-untyped-call]
        return scaled


def inverse_rms(h: Tensor, eps: float) -> Tensor:
    """The reciprocal of the root mean square over channels, (B, 1, h, w)."""
    norm = torch.linalg.vector_norm(h, dim=1, keepdim=True, dtype=torch.float32)
    return torch.rsqrt(norm * norm / h.shape[1] + eps).to(h.dtype)


class _ScaledUnit(torch.autograd.Function):
    """h / rms(h) * weight over channels, in fewer passes over memory than autograd takes; gradients for ``h`` alone."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, weight: Tensor, eps: float) -> Tensor:
        inverse = inverse_rms(h, eps)
        unit = h * inverse
        ctx.save_for_backward(unit, inverse, weight)
        return unit * weight[:, None, None]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        unit, inverse, weight = ctx.saved_tensors
        scaled = gradient * weight[:, None, None]
        along = (scaled * unit).mean(1, keepdim=True)
        return torch.addcmul(scaled, unit, along, value=-1).mul_(inverse), None, None


class ResBlock(nn.Module):
    """The input plus RMSNorm(conv2(SiLU(conv1(input))))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = RMSNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, h, w) -> the same shape."""
        return self.norm.added_to(x, self.conv2(F.silu(self.conv1(x), inplace=not torch.is_grad_enabled())))


class DownBlock(nn.Module):
    """Halve the sides: convolution, then pixels to channels. The shortcut averages groups of the input's channels."""

    def __init__(self, channels: int, outputs: int, *, shortcut: bool) -> None:
        super().__init__()
        self.group = channels * SCALE**2 // outputs if shortcut else None
        self.conv = nn.Conv2d(channels, outputs // SCALE**2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, h, w) -> (B, outputs, h/2, w/2)."""
        y = F.pixel_unshuffle(self.conv(x), SCALE)
        return y if self.group is None else y.add_(averaged(F.pixel_unshuffle(x, SCALE), self.group))


class UpBlock(nn.Module):
    """Double the sides: convolution, then channels to pixels. The shortcut repeats the input's channels."""

    def __init__(self, channels: int, outputs: int, *, shortcut: bool) -> None:
        super().__init__()
        self.shortcut = shortcut
        self.conv = nn.Conv2d(channels, outputs * SCALE**2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, h, w) -> (B, outputs, 2h, 2w)."""
        y = self.conv(x)
        return F.pixel_shuffle(add_repeated(y, x) if self.shortcut else y, SCALE)  # shuffling the sum: once, not twice


def averaged(x: Tensor, group: int) -> Tensor:
    """The means of groups of ``group`` neighbouring channels."""
    return torch.unflatten(x, 1, (-1, group)).mean(2)


def add_repeated(y: Tensor, x: Tensor) -> Tensor:
    """Add ``x`` to ``y`` in place; each channel of ``x`` is repeated, so that there are as many as in ``y``."""
    torch.unflatten(y, 1, (x.shape[1], -1)).add_(x[:, :, None])
    return y
