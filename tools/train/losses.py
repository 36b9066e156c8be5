"""The training loss: fidelity (L1, MS-SSIM) plus perception (LPIPS-Alex, and LPIPS-VGG and DISTS in turns)."""

from __future__ import annotations

from pathlib import Path

import torch
from pytorch_msssim import ms_ssim
from torch import Tensor, nn

from perceptual import DISTS, LPIPS

MSSSIM_WINDOW = 7
MSSSIM_WEIGHTS = (0.0517, 0.3295, 0.3462, 0.2726)  # four of Wang et al. 2003's five scales, scaled to sum 1


class PictureLoss(nn.Module):
    """Weighted sum of distances between a picture and its reconstruction.

    Args:
        weights: weight by name: ``l1``, ``msssim``, ``lpips_alex``, ``lpips_vgg``, ``dists``. Zero or absent
            switches a term off, and then its network is not loaded.
        perceptual: folder with the perceptual weights; needed only for the last three.
        vgg_crop: the VGG networks cost several times the autoencoder, so they look at a square of this many pixels
            a side out of each crop, LPIPS at even steps and DISTS at odd ones.
    """

    def __init__(self, weights: dict[str, float], perceptual: Path | None, vgg_crop: int = 128) -> None:
        super().__init__()
        self.weights, self.vgg_crop = weights, vgg_crop
        self.networks = nn.ModuleDict()
        for name, build in (("lpips_alex", lambda f: LPIPS("alex", f)), ("lpips_vgg", lambda f: LPIPS("vgg", f)), ("dists", DISTS)):
            if weights.get(name):
                if perceptual is None:
                    raise SystemExit(f"the loss {name} needs its network: name the folder with --perceptual, or set its weight to 0")
                self.networks[name] = build(perceptual)
        self.requires_grad_(False)
        self.to(memory_format=torch.channels_last)

    def forward(self, original: Tensor, decoded: Tensor, step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """Return the loss and each term's unweighted value. Both pictures are (B, 3, h, w) in [0, 1]."""
        terms = {"l1": (original - decoded).abs().mean()}
        if self.weights.get("msssim"):
            similarity = ms_ssim(original, decoded.float(), data_range=1, win_size=MSSSIM_WINDOW, weights=list(MSSSIM_WEIGHTS))
            terms["msssim"] = 1 - similarity
        if "lpips_alex" in self.networks:
            terms["lpips_alex"] = self.networks["lpips_alex"](original, decoded).mean()
        turn = [name for name in ("lpips_vgg", "dists") if name in self.networks]
        if turn:
            name = turn[step % len(turn)]
            size = min(self.vgg_crop, *original.shape[2:])
            y, x = (int(torch.randint(side - size + 1, (), generator=generator)) // 8 * 8 for side in original.shape[2:])
            window = (..., slice(y, y + size), slice(x, x + size))
            terms[name] = self.networks[name](original[window], decoded[window]).mean()
        total = sum((self.weights.get(name, 0.0) * value for name, value in terms.items()), torch.zeros(()))
        return total, {name: float(value.detach()) for name, value in terms.items()}
