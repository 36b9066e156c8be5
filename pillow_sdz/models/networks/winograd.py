"""3x3 convolutions by Winograd's method, F(4x4, 3x3) of Lavin and Gray 2016: a quarter of the multiplications.

torch has it for GPUs only. A convolution becomes 36 matrix products, which any BLAS computes at full speed. Results
differ from those of direct convolutions by rounding only, some 1e-5 of their size.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from torch import Tensor, nn

FEWEST_CHANNELS: Final = 96
"""With fewer channels, in or out, the transforms take longer than they save."""

STRIP_VALUES: Final = 1 << 19
"""Most values of an intermediate result: rows of tiles are worked on in strips of this size (2 MiB in float32), which
stay in the processor's cache."""

TILE: Final = 6
"""Side of a tile of the input."""

OUT: Final = 4
"""Side of the piece of the output that one tile gives."""

INPUT: Final = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
"""Transform of one axis of a tile of the input (B^T of Lavin and Gray)."""

KERNEL: Final = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
"""Transform of one axis of a kernel (G)."""

OUTPUT: Final = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))
"""Transform of one axis of the product to the output (A^T)."""


def use_winograd(network: nn.Module) -> int:
    """Replace the forward pass of each wide 3x3 convolution of ``network``; for inference in float32 on a CPU.

    Returns:
        How many convolutions were changed.
    """
    changed = 0
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d) and fits(module, FEWEST_CHANNELS):
            module.forward = Winograd(module.weight, module.bias).convolve  # type: ignore[assignment,method-assign]
            changed += 1
    return changed


def fits(convolution: nn.Conv2d, fewest: int) -> bool:
    """Whether this is a plain 3x3 convolution of ``fewest`` channels or more, in and out."""
    plain = (convolution.kernel_size, convolution.stride, convolution.padding, convolution.dilation, convolution.groups)
    wide = min(convolution.in_channels, convolution.out_channels) >= fewest
    return wide and plain == ((3, 3), (1, 1), (1, 1), (1, 1), 1) and convolution.padding_mode == "zeros"


class Winograd:
    """The forward pass of one convolution.

    Its kernel is transformed at the first call: to decode a picture, the encoder's kernels are not needed.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self.weight, self.bias = weight.detach(), bias
        self.transformed: Tensor | None = None

    def convolve(self, x: Tensor) -> Tensor:
        """(B, in, h, w) -> (B, out, h, w); with gradients by torch's own convolution, which is differentiable."""
        if torch.is_grad_enabled():
            return F.conv2d(x, self.weight, self.bias, padding=1)
        if self.transformed is None:  # two threads may both compute it; the results are equal
            self.transformed = spread_kernel(self.weight)
        return _convolve(self.transformed, self.bias, x)


def spread_kernel(weight: Tensor) -> Tensor:
    """Transform a kernel: (out, in, 3, 3) -> (36, in, out)."""
    outputs, inputs = weight.shape[:2]
    taps = weight.permute(2, 3, 1, 0).reshape(-1, inputs * outputs)
    return (both_axes(KERNEL) @ taps).view(TILE * TILE, inputs, outputs)


@cache
def both_axes(matrix: tuple[tuple[float, ...], ...]) -> Tensor:
    """The transform of both axes as one matrix: the Kronecker product of ``matrix`` with itself."""
    single = torch.tensor(matrix, dtype=torch.float32)
    return torch.kron(single, single)


def windows(x: Tensor) -> Tensor:
    """The overlapping 6x6 tiles of ``x`` (B, C, h, w), padded with zeros, as a view (6, 6, B, rows, columns, C)."""
    height, width = x.shape[2:]
    rows, columns = -(-height // OUT), -(-width // OUT)
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, columns * OUT - width + 1, 1, rows * OUT - height + 1))
    return padded.unfold(1, TILE, OUT).unfold(2, TILE, OUT).permute(4, 5, 0, 1, 2, 3)


def _convolve(weight: Tensor, bias: Tensor | None, x: Tensor) -> Tensor:
    """Convolve ``x`` (B, C, h, w), padded with zeros, with a kernel of `spread_kernel`; the result is channels last."""
    count, channels, height, width = x.shape
    rows, columns, outputs = -(-height // OUT), -(-width // OUT), weight.shape[2]
    tiled = windows(x)
    result = x.new_empty(count, rows, OUT, columns, OUT, outputs)
    strip = max(1, STRIP_VALUES // (TILE * TILE * count * columns * max(channels, outputs)))
    for top in range(0, rows, strip):
        tiles = tiled[:, :, :, top : top + strip].reshape(TILE * TILE, -1)
        spread = (both_axes(INPUT) @ tiles).view(TILE * TILE, -1, channels)
        products = torch.bmm(spread, weight).view(TILE * TILE, -1)
        values = (both_axes(OUTPUT) @ products).view(OUT, OUT, count, -1, columns, outputs).permute(2, 3, 0, 4, 1, 5)
        if bias is None:
            result[:, top : top + strip] = values
        else:
            torch.add(values, bias, out=result[:, top : top + strip])
    return result.view(count, rows * OUT, columns * OUT, outputs)[:, :height, :width].permute(0, 3, 1, 2)
