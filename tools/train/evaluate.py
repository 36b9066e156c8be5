"""Scores of a model on held-out photos, in the number type that it is trained in."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import torch

from tools.train.bottleneck import palettise, to_code_grid
from tools.train.data import evaluation_crops

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from tools.train.losses import PictureLoss
    from tools.train.model import TrainableModel

EVALUATION_CROP: Final = 256
"""Side in pixels of the centres of held-out photos that are evaluated."""


def autocast(device: str) -> torch.autocast:
    """Autocast to bfloat16 where the hardware multiplies it fast; elsewhere disabled, for float32."""
    fast = device != "cpu" or torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.autocast(device, torch.bfloat16, enabled=fast)


@torch.no_grad()
def evaluate(
    model: TrainableModel, held_out: list[Path], loss: PictureLoss, stage: dict[str, Any], device: str
) -> dict[str, float]:
    """Mean scores over the centres of held-out photos.

    Returns:
        ``psnr`` in dB, ``latent_error`` (mean squared error over variance), ``bpp`` unless the bottleneck is
        ``palette``, and LPIPS and DISTS if their networks are loaded.
    """
    rows = [
        _scores(model, picture.to(device), loss, stage, device)
        for picture in evaluation_crops(held_out, EVALUATION_CROP)
    ]
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}


def _scores(
    model: TrainableModel, picture: Tensor, loss: PictureLoss, stage: dict[str, Any], device: str
) -> dict[str, float]:
    """The scores of one picture, (1, 3, h, w)."""
    generator = torch.Generator().manual_seed(0)
    row: dict[str, float] = {}
    with autocast(device):
        latents = model.encode(picture)
        if stage["bottleneck"] == "palette":
            quantised = to_code_grid(palettise(latents, 1, stage["evaluate_at"], generator), model.code_step)
            error = (quantised - latents).square().mean().sqrt()[None]
        else:
            assert model.prior is not None
            step = torch.tensor([float(stage["evaluate_at"])], device=device)
            quantised, error = model.quantise(latents, step), model.rounding_error(step)
            with torch.autocast(device, enabled=False):
                bits = model.prior(model.to_codes(quantised).round(), step)
            row["bpp"] = float(bits) / (picture.shape[2] * picture.shape[3])
        final = model.denoise(quantised, error) if stage.get("denoise", True) else quantised
        decoded = model.decode(final).clamp(0, 1)
        row["psnr"] = -10 * math.log10(float((decoded - picture).square().mean()))
        row["latent_error"] = float((final - latents).square().mean() / latents.var())
        for name in ("lpips_alex", "lpips_vgg", "dists"):
            if name in loss.networks:
                row[name] = float(loss.networks[name](picture, decoded))
    return row
