"""The training loss: fidelity, perception and texture.

Fidelity is L1 at two scales and SSIM at three, perception LPIPS-Alex, LPIPS-VGG and DISTS, texture the local power
spectrum.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import torch
import torch.nn.functional as F
from pytorch_msssim import ssim
from torch import Tensor, nn

from pillow_sdz.refinement.structure import statistics, structure_distance
from pillow_sdz.refinement.texture import spectrum_distance
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
