"""Distance of texture: local power spectra of luma and colour differences, wherever their details are."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor

SPECTRUM_WINDOWS: Final = {16: 5, 32: 3}
"""Side of a window in pixels -> windows along each side of a region. Windows overlap by half: regions have 48 and 64
pixels a side."""

SPECTRUM_FLOOR: Final = 1e-4
"""Power that is added before the logarithm, so that less power makes hardly a difference: that of white noise with a
standard deviation of 2.5 grey levels."""

YCBCR: Final = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
"""JFIF's weights of R, G and B in luma and the two colour differences."""


@lru_cache(maxsize=8)
def _constant(values: tuple[Any, ...], device: torch.device) -> Tensor:
    """A tensor of these values, cached: a copy to a GPU makes it wait, and cannot be part of a CUDA graph."""
    return torch.tensor(values, device=device)


def spectra(pictures: Tensor, size: int) -> Tensor:
    """Log power spectra of luma and colour differences, region by region.

    Args:
        pictures: (B, 3, h, w) in [0, 1].
        size: side of a window in pixels, a key of `SPECTRUM_WINDOWS`.

    Returns:
        (B, 3, size * (size / 2 + 1), y, x): logarithms of periodograms, averaged over the windows of each region (Welch
        1967). They are scaled so that the power of white noise is its variance at every frequency.
    """
    planes = torch.einsum("pc,bcyx->bpyx", _constant(YCBCR, pictures.device), pictures).flatten(0, 1)
    stride = size // 2
    windows = F.unfold(planes[:, None], size, stride=stride)
    windows = (windows - windows.mean(1, keepdim=True)).transpose(1, 2)
    windows = windows.reshape(*windows.shape[:2], size, size)
    taper = torch.hann_window(size, device=pictures.device)
    taper = taper[:, None] * taper
    transformed = torch.view_as_real(torch.fft.rfft2(windows * taper))
    power = transformed.square().sum(-1).flatten(2).transpose(1, 2) / taper.square().sum()
    rows, columns = ((side - size) // stride + 1 for side in pictures.shape[2:])
    region = min(SPECTRUM_WINDOWS[size], rows, columns)
    averaged = F.avg_pool2d(power.reshape(*power.shape[:2], rows, columns), region, region // 2 or 1)
    result: Tensor = (averaged + SPECTRUM_FLOOR).log()
    return result.reshape(-1, 3, *result.shape[1:])


def spectrum_distance(original: Tensor, decoded: Tensor) -> Tensor:
    """Mean difference of the local log power spectra of pictures (B, 3, h, w) in [0, 1].

    It ignores where the details of a texture are, but compares their number, strength, direction and colour. LPIPS and
    DISTS sample texture with strides, and accept a pattern of few frequencies in place of many; they hardly see blue.
    Power that the original lacks is such a pattern, whose peaks are visible: it counts by its square as well. Large
    windows resolve long straight lines, small ones resolve texture that changes from place to place.
    """
    total = torch.zeros((), device=decoded.device)
    for size in SPECTRUM_WINDOWS:
        difference = spectra(decoded, size) - spectra(original, size)
        total = total + (difference.abs() + difference.clamp(min=0).square()).mean()
    return total / len(SPECTRUM_WINDOWS)
