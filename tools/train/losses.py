"""The training loss: fidelity, perception and texture.

Fidelity is L1 at two scales and SSIM at three, perception LPIPS-Alex, LPIPS-VGG and DISTS, texture the local power
spectrum.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import torch
import torch.nn.functional as F
from pytorch_msssim import ssim
from torch import Tensor, nn

from pillow_sdz.refinement.structure import statistics, structure_distance
from tools.train.draws import PHASES
from tools.train.perceptual import DISTS, LPIPS, Features

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TINT_SCALE: Final = 8
"""Side in pixels of the squares over which the term ``tint`` averages colours."""

SSIM_WINDOW: Final = 7
"""Side of SSIM's window in pixels."""

SSIM_SIGMA: Final = 1.5
"""Standard deviation of SSIM's Gaussian window in pixels (Wang et al. 2004)."""

SSIM_SCALES: Final = 3
"""Scales that SSIM is averaged over: full, half and quarter size."""

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


@lru_cache(maxsize=8)
def _gaussian(device: torch.device) -> Tensor:
    """SSIM's window along one side, for three channels: (3, 1, 1, `SSIM_WINDOW`)."""
    distance = torch.arange(SSIM_WINDOW, device=device) - SSIM_WINDOW // 2
    return (-(distance**2) / (2 * SSIM_SIGMA**2)).softmax(0).repeat(3, 1, 1, 1)


def ssim_distance(original: Tensor, decoded: Tensor) -> Tensor:
    """1 - SSIM (Wang et al. 2004) of pictures (B, 3, h, w) in [0, 1], averaged over full, half and quarter size.

    The scales are averaged, not multiplied as powers as in MS-SSIM: the slope of a power below 1 is not bounded near
    zero, and one flat noisy crop was enough to make training diverge.
    """
    total = torch.zeros((), device=decoded.device)
    for scale in range(SSIM_SCALES):
        a, b = (F.avg_pool2d(t, 2**scale) if scale else t for t in (original, decoded))
        total = total + 1 - ssim(a, b, data_range=1, win=_gaussian(decoded.device))
    return total / SSIM_SCALES


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


def shifted(pictures: Tensor, phase: Tensor) -> Tensor:
    """Crop (B, 3, h, w) to (B, 3, h - 7, w - 7), starting at the row and column of ``phase`` (2,), each 0 to 7."""
    rows, columns = (
        torch.arange(side - PHASES + 1, device=pictures.device) + start
        for side, start in zip(pictures.shape[2:], phase, strict=True)
    )
    return pictures.index_select(2, rows).index_select(3, columns)


def _structure(original: Tensor, decoded: Tensor) -> Tensor:
    with torch.no_grad():
        wanted = statistics(original)
    return structure_distance(wanted, statistics(decoded)).mean()


class PictureLoss(nn.Module):
    """Weighted sum of distances between a picture and its reconstruction.

    Args:
        weights: weight by name: ``l1``, ``tint`` (L1 at an eighth of the size, for small errors of colour over large
            areas), ``ssim``, ``spectrum``, ``structure`` (`pillow_sdz.refinement.structure`), ``lpips_alex``,
            ``lpips_vgg``, ``dists``. Zero or absent switches a term off, and then its network is not loaded.
        perceptual: folder with the weights of the last three; see `pillow_sdz.evaluation.perceptual`.
        vgg_crop: side in pixels of the square that LPIPS-VGG and DISTS see of each crop: they cost several times as
            much as the autoencoder.
        vgg_pictures: how many pictures of a batch they see, the first ones.
        turns: True: LPIPS-VGG and DISTS alternate from step to step, where there are both; False: both in every step;
            a list of names: one of them in each step, in this order, repeated.
    """

    def __init__(
        self,
        weights: dict[str, float],
        perceptual: Path | None,
        vgg_crop: int = 128,
        vgg_pictures: int = 1000,
        turns: bool | list[str] = True,
    ) -> None:
        super().__init__()
        self.weights, self.vgg_crop, self.vgg_pictures = weights, vgg_crop, vgg_pictures
        self.turns = turns
        self.networks = nn.ModuleDict()
        build: Callable[[Path], nn.Module]
        for name, build in (
            ("lpips_alex", lambda f: LPIPS("alex", f)),
            ("lpips_vgg", lambda f: LPIPS("vgg", f)),
            ("dists", DISTS),
        ):
            if weights.get(name):
                if perceptual is None:
                    raise SystemExit(
                        f"the loss {name} needs its network: name the folder with --perceptual, or set its weight to 0"
                    )
                self.networks[name] = build(perceptual)
        if isinstance(turns, list) and not set(turns) <= set(self.networks):
            raise SystemExit(f"vgg_turns names {', '.join(turns)}; weights above 0 have {', '.join(self.networks)}")
        self.requires_grad_(False)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it

    def use_winograd(self) -> None:
        """See `perceptual.Features.use_winograd`."""
        for network in self.networks.values():
            if isinstance(network, Features):
                network.use_winograd()

    def forward(
        self,
        original: Tensor,
        decoded: Tensor,
        step: int,
        generator: torch.Generator,
        phase: Tensor | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute the loss.

        Args:
            original, decoded: (B, 3, h, w) in [0, 1].
            step: number of the training step.
            generator: draws the position of the crop that LPIPS-VGG and DISTS see.
            phase: (2,), the row and column, 0 to 7, where the crop that LPIPS-Alex sees starts; it is 7 pixels smaller
                than the picture. None shows it the whole picture. The network's first convolution has a stride of 4:
                a decoder with a grid of 8 pixels that it always meets at the same phase learns to look good at that
                phase alone.

        Returns:
            The loss, and each term's unweighted value.
        """
        terms = {"l1": (original - decoded).abs().mean()}
        if self.weights.get("tint"):
            terms["tint"] = F.avg_pool2d(original - decoded, TINT_SCALE).abs().mean()
        distances = {"ssim": ssim_distance, "spectrum": spectrum_distance, "structure": _structure}
        for name, distance in distances.items():
            if self.weights.get(name):
                with torch.autocast(decoded.device.type, enabled=False):
                    # bfloat16 is too coarse for spectra, and for variances as differences of filtered squares
                    terms[name] = distance(original, decoded.float())
        if "lpips_alex" in self.networks:
            pair = (original, decoded) if phase is None else (shifted(original, phase), shifted(decoded, phase))
            terms["lpips_alex"] = self.networks["lpips_alex"](*pair).mean()
        turn = [name for name in ("lpips_vgg", "dists") if name in self.networks]
        if isinstance(self.turns, list):
            turn = [self.turns[step % len(self.turns)]]
        elif turn and self.turns:
            turn = [turn[step % len(turn)]]
        for name in turn:
            size = min(self.vgg_crop, *original.shape[2:])
            y, x = (int(torch.randint(side - size + 1, (), generator=generator)) for side in original.shape[2:])
            window = (slice(self.vgg_pictures), slice(None), slice(y, y + size), slice(x, x + size))
            terms[name] = self.networks[name](original[window], decoded[window]).mean()
        weighted = [self.weights.get(name, 0.0) * value for name, value in terms.items()]
        return torch.stack(weighted).sum(), {name: value.detach() for name, value in terms.items()}
