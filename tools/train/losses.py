"""The training loss: fidelity, perception and texture.

Fidelity is L1 at two scales and SSIM at three, perception LPIPS-Alex, LPIPS-VGG and DISTS, texture the local power
spectrum.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from pytorch_msssim import ssim
from torch import Tensor, nn

from draws import PHASES
from perceptual import DISTS, LPIPS

if TYPE_CHECKING:
    from pathlib import Path

TINT_SCALE = 8
"""Pixels a side over which the colour is averaged."""

SSIM_WINDOW = 7
SSIM_SIGMA = 1.5
SSIM_SCALES = 3
SPECTRUM_WINDOWS = {16: 5, 32: 3}
"""Side of a window in pixels: how many windows a region is high and wide. They overlap by half: 48 and 64 pixels."""
SPECTRUM_FLOOR = 1e-4
"""Power that makes no difference: that of noise of 2.5 grey levels."""
YCBCR = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
"""JFIF's luma and colour differences of R, G and B."""


@lru_cache(maxsize=8)
def _constant(values: tuple[Any, ...], device: torch.device) -> Tensor:
    """On a GPU once: to bring it there anew would make the GPU wait in every step, and cannot be part of a graph."""
    return torch.tensor(values, device=device)


@lru_cache(maxsize=8)
def _gaussian(device: torch.device) -> Tensor:
    """SSIM's window along one side, for three channels: (3, 1, 1, `SSIM_WINDOW`)."""
    distance = torch.arange(SSIM_WINDOW, device=device) - SSIM_WINDOW // 2
    return (-(distance**2) / (2 * SSIM_SIGMA**2)).softmax(0).repeat(3, 1, 1, 1)


def ssim_distance(original: Tensor, decoded: Tensor) -> Tensor:
    """1 - SSIM (Wang et al. 2004), averaged over the picture at full, half and quarter size.

    The mean, not the product of powers that MS-SSIM takes: a power below 1 has no bounded slope near zero, and one flat
    noisy crop was enough to derail a run.
    """
    total = torch.zeros((), device=decoded.device)
    for scale in range(SSIM_SCALES):
        a, b = (F.avg_pool2d(t, 2**scale) if scale else t for t in (original, decoded))
        total = total + 1 - ssim(a, b, data_range=1, win=_gaussian(decoded.device))
    return total / SSIM_SCALES


def spectra(pictures: Tensor, size: int) -> Tensor:
    """Log power spectra of luma and colour differences of (B, 3, h, w) in [0, 1], region by region.

    Returns (B, 3, size * (size / 2 + 1), y, x): periodograms of windows of ``size`` pixels, averaged over the windows of
    a region (Welch 1967). Power is that of white noise of the same strength at every frequency.
    """
    planes = torch.einsum("pc,bcyx->bpyx", _constant(YCBCR, pictures.device), pictures).flatten(0, 1)
    stride = size // 2
    windows = F.unfold(planes[:, None], size, stride=stride)
    windows = (windows - windows.mean(1, keepdim=True)).transpose(1, 2).unflatten(2, (size, size))
    taper = torch.hann_window(size, device=pictures.device)
    taper = taper[:, None] * taper
    transformed = torch.view_as_real(torch.fft.rfft2(windows * taper))
    power = transformed.square().sum(-1).flatten(2).transpose(1, 2) / taper.square().sum()
    rows, columns = ((side - size) // stride + 1 for side in pictures.shape[2:])
    region = min(SPECTRUM_WINDOWS[size], rows, columns)
    averaged = F.avg_pool2d(power.unflatten(2, (rows, columns)), region, region // 2 or 1)
    return (averaged + SPECTRUM_FLOOR).log().unflatten(0, (-1, 3))


def spectrum_distance(original: Tensor, decoded: Tensor) -> Tensor:
    """How far the local log power spectra are apart: blind to where a texture's strokes are, but not to how many of
    them there are, how strong they are, which way they run and what colour they have.

    LPIPS and DISTS look at texture through convolutions with strides, and can be pleased by a weave of a few
    frequencies in the place of a texture's many; to blue they are all but blind. Power that the original has not is
    such a pattern, and an eye sees its peaks: it counts by its square as well. Long straight lines stand out of the
    spectrum of a large window, grain that changes from place to place needs small ones.
    """
    total = torch.zeros((), device=decoded.device)
    for size in SPECTRUM_WINDOWS:
        difference = spectra(decoded, size) - spectra(original, size)
        total = total + (difference.abs() + difference.clamp(min=0).square()).mean()
    return total / len(SPECTRUM_WINDOWS)


def shifted(pictures: Tensor, phase: Tensor) -> Tensor:
    """The window of (B, 3, h, w) that starts at the row and column of ``phase`` (2,), each 0 to 7: (B, 3, h - 7, w - 7)."""
    rows, columns = (
        torch.arange(side - PHASES + 1, device=pictures.device) + start
        for side, start in zip(pictures.shape[2:], phase, strict=True)
    )
    return pictures.index_select(2, rows).index_select(3, columns)


class PictureLoss(nn.Module):
    """Weighted sum of distances between a picture and its reconstruction.

    Args:
        weights: weight by name: ``l1``, ``tint`` (L1 at an eighth of the size, for colours that are off by little but
            everywhere), ``ssim``, ``spectrum``, ``lpips_alex``, ``lpips_vgg``, ``dists``. Zero or absent switches a
            term off, and then its network is not loaded.
        perceptual: folder with the perceptual weights; needed only for the last three.
        vgg_crop: the VGG networks cost several times the autoencoder, so they look at a square of this many pixels
            a side out of each crop.
        vgg_pictures: how many pictures of a batch they look at, the first ones.
        turns: whether LPIPS-VGG and DISTS look in turns, where there are both, or both in every step; or the names of
            those that look, step after step, over and over.
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
        self.to(memory_format=torch.channels_last)

    def use_winograd(self) -> None:
        """See `perceptual.Features.use_winograd`."""
        for network in self.networks.values():
            network.use_winograd()

    def forward(
        self,
        original: Tensor,
        decoded: Tensor,
        step: int,
        generator: torch.Generator,
        phase: Tensor | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss and each term's unweighted value. Both pictures are (B, 3, h, w) in [0, 1].

        With a ``phase`` (2,) LPIPS-Alex looks at the window that starts at that row and column, 7 pixels smaller than
        the picture. Its first convolution looks at every fourth pixel, and a decoder that always meets it at the same
        phase of its own 8-pixel grid learns to look good there alone.
        """
        terms = {"l1": (original - decoded).abs().mean()}
        if self.weights.get("tint"):
            terms["tint"] = F.avg_pool2d(original - decoded, TINT_SCALE).abs().mean()
        for name, distance in (("ssim", ssim_distance), ("spectrum", spectrum_distance)):
            if self.weights.get(name):
                with torch.autocast(decoded.device.type, enabled=False):
                    # Variances as differences of filtered squares do not survive bfloat16, nor do spectra.
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
