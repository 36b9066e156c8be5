"""What the U-Net is worth: checkpoints of a decoder that had one and of a decoder that had none, on the same codes.

    python tools/train/unet_gain.py RUN/with_unet.safetensors RUN/without_unet.safetensors --photos PHOTOS \\
        --perceptual WEIGHTS

The stages ``with_unet`` and ``without_unet`` of the configuration train both for as long, from the same start and with
the encoder fixed, so that both decode the same bytes. The centres of the held-out photos (or, with --all, of all in the
folder: for one that was never trained on) are decoded at several steps.
"""

from __future__ import annotations

from pathlib import Path
from statistics import fmean

import click
import torch
from tqdm import tqdm

from codec import Codec, load_average
from data import evaluation_crops, split_photos
from perceptual import DISTS, LPIPS
from stages import stage_settings

METRICS = ("LPIPS-VGG", "LPIPS-Alex", "DISTS")


@torch.no_grad()
def decode(codec: Codec, latents: torch.Tensor, step: torch.Tensor, *, unet: bool) -> torch.Tensor:
    """Pictures from rounded latents, within [0, 1]."""
    clean = codec.denoise(latents, codec.rounding_error(step)) if unet else latents
    return codec.decode(clean).clamp(0, 1)


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, help=__doc__)
@click.argument("checkpoints", nargs=2, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--photos", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--perceptual", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--steps", default="12,21,32,48,72", show_default=True, help="quantiser steps in codes")
@click.option("--all", "every", is_flag=True, help="take all photos, not the held-out ones")
@click.option("--crop", default=256, show_default=True, type=click.IntRange(16), help="side of the centres")
def main(
    checkpoints: tuple[Path, Path], photos: Path, perceptual: Path, steps: str, every: bool, crop: int
) -> None:  # fmt: skip
    codecs, metas = zip(*(load_average(path) for path in checkpoints), strict=True)
    ours, theirs = (codec.vae.encoder.state_dict() for codec in codecs)
    if any(not torch.equal(tensor, theirs[name]) for name, tensor in ours.items()):
        raise click.UsageError("the two have different encoders, so they do not decode the same bytes")
    networks = dict(zip(METRICS, (LPIPS("vgg", perceptual), LPIPS("alex", perceptual), DISTS(perceptual)), strict=True))
    data = metas[0]["config"]["data"]
    with_unet = ["unet" in stage_settings(meta["config"]["stages"], meta["stage"])["train"] for meta in metas]
    split = split_photos(photos, 0 if every else data["held_out"], tuple(data["exclude"]))
    pictures = list(evaluation_crops(split.train if every else split.held_out, crop))
    click.echo("step    bpp   " + "".join(f"{name}: with, without, gain      " for name in METRICS))
    for value in (float(text) for text in steps.split(",")):
        step, rows, bits = torch.tensor([value]), [], []
        for picture in tqdm(pictures, desc=f"step {value:g}", disable=None, leave=False):
            with torch.no_grad():
                latents = codecs[0].quantise(codecs[0].encode(picture), step)
                spent = codecs[0].prior(codecs[0].to_codes(latents).round(), step)
                bits.append(float(spent) / (picture.shape[2] * picture.shape[3]))
                pair = [decode(codec, latents, step, unet=unet) for codec, unet in zip(codecs, with_unet, strict=True)]
                rows.append([[float(network(picture, each)) for each in pair] for network in networks.values()])
        text = f"{value:4g} {fmean(bits):8.4f}  "
        for column in zip(*rows, strict=True):
            with_, without = (fmean(numbers) for numbers in zip(*column, strict=True))
            text += f" {with_:.4f} {without:.4f} {100 * (1 - with_ / without):+5.1f} %        "
        click.echo(text)


if __name__ == "__main__":
    main()
