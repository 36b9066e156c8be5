"""How much the U-Net improves: a decoder trained with it beside a decoder trained without it, on the same codes.

    python tools/train/unet_gain.py RUN/with_unet.safetensors RUN/without_unet.safetensors --photos PHOTOS \\
        --perceptual WEIGHTS

The stages ``with_unet`` and ``without_unet`` of the configuration train both for equally long, from the same start and
with the encoder fixed, so that both decode the same bytes. The centres of the held-out photos are decoded at several
steps of the quantiser; with --all those of all photos, for a folder that was never trained on.
"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Final

import click
import torch
from torch import Tensor
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parents[2]))  # where a script finds the packages pillow_sdz and tools

from tools.train.checkpoint import load_average
from tools.train.data import evaluation_crops, split_photos
from tools.train.perceptual import DISTS, LPIPS
from tools.train.stages import stage_settings

if TYPE_CHECKING:
    from tools.train.model import TrainableModel

METRICS: Final = ("LPIPS-VGG", "LPIPS-Alex", "DISTS")


@torch.no_grad()
def decode(model: TrainableModel, latents: Tensor, step: Tensor, *, unet: bool) -> Tensor:
    """Decode quantised latents to pictures in [0, 1].

    Args:
        model: decoder and U-Net.
        latents: (B, C, h, w).
        step: (B,), the quantiser's step in codes.
        unet: whether the U-Net denoises the latents first.
    """
    clean = model.denoise(latents, model.rounding_error(step)) if unet else latents
    return model.decode(clean).clamp(0, 1)


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, help=__doc__)
@click.argument("checkpoints", nargs=2, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--photos", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--perceptual", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--steps", default="12,21,32,48,72", show_default=True, help="quantiser steps in codes")
@click.option("--all", "every", is_flag=True, help="take all photos, not only those held out")
@click.option("--crop", default=256, show_default=True, type=click.IntRange(16), help="side of the centres in pixels")
def main(checkpoints: tuple[Path, Path], photos: Path, perceptual: Path, steps: str, every: bool, crop: int) -> None:
    """The command; its help is the module's docstring."""
    models, metas = zip(*(load_average(path) for path in checkpoints), strict=True)
    encoder, prior = models[0], models[0].prior
    if prior is None:
        raise click.UsageError(f"{checkpoints[0]} has no prior")
    ours, theirs = (model.vae.encoder.state_dict() for model in models)
    if any(not torch.equal(tensor, theirs[name]) for name, tensor in ours.items()):
        raise click.UsageError("the two have different encoders, so they do not decode the same bytes")
    networks = dict(zip(METRICS, (LPIPS("vgg", perceptual), LPIPS("alex", perceptual), DISTS(perceptual)), strict=True))
    data = metas[0]["config"]["data"]
    with_unet = [stage_settings(meta["config"]["stages"], meta["stage"]).get("denoise", True) for meta in metas]
    split = split_photos(photos, 0 if every else data["held_out"], tuple(data["exclude"]))
    pictures = list(evaluation_crops(split.train if every else split.held_out, crop))
    click.echo("step    bpp   " + "".join(f"{name}: with, without, gain      " for name in METRICS))
    for value in (float(text) for text in steps.split(",")):
        step, rows, bits = torch.tensor([value]), [], []
        for picture in tqdm(pictures, desc=f"step {value:g}", disable=None, leave=False):
            with torch.no_grad():
                latents = encoder.quantise(encoder.encode(picture), step)
                spent = prior(encoder.to_codes(latents).round(), step)
                bits.append(float(spent) / (picture.shape[2] * picture.shape[3]))
                pair = [decode(model, latents, step, unet=unet) for model, unet in zip(models, with_unet, strict=True)]
                rows.append([[float(network(picture, each)) for each in pair] for network in networks.values()])
        text = f"{value:4g} {fmean(bits):8.4f}  "
        for column in zip(*rows, strict=True):
            with_, without = (fmean(numbers) for numbers in zip(*column, strict=True))
            text += f" {with_:.4f} {without:.4f} {100 * (1 - with_ / without):+5.1f} %        "
        click.echo(text)


if __name__ == "__main__":
    main()
