"""Turn a trained checkpoint into a model folder that pillow_sdz can load.

    python tools/train/export.py RUNS/tiny/prior.safetensors --photos PHOTOS -o pillow_sdz/models/data/tiny-2

Writes the moving average of the weights as float16 safetensors in diffusers' layout, the scheduler, and model.json
with the fingerprint, the preview matrix (fitted on some of the photos) and the sources of the training data.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from diffusers import DDIMScheduler
from torch import Tensor

from codec import SCHEDULER, Codec, load_average
from data import evaluation_crops, split_photos
from integers import prior_bytes
from pillow_sdz.models.configuration import digests
from pillow_sdz.models.fingerprint import fingerprint
from pillow_sdz.models.manifest import PRIOR_NAME, CodeMapping, PriorFile, read_manifest
from pillow_sdz.payloads.codes import to_codes
from pillow_sdz.payloads.preview import binomial, fit_matrix
from pillow_sdz.payloads.scalar.prior import PriorShape

LICENCE = "Apache-2.0"


def reach(network: Any, probe: Tensor, positions: int) -> int:
    """How many latent positions away an input can change an output, measured by disturbing the middle position.

    Args:
        network: encoder or decoder.
        probe: its input, (1, C, n, n).
        positions: latent positions along each side, whether the input or the output has them.
    """
    block, middle = probe.shape[2] // positions, positions // 2
    disturbed = probe.clone()
    disturbed[:, :, middle * block : (middle + 1) * block, middle * block : (middle + 1) * block] += 1
    with torch.no_grad():
        changed = (network(probe) != network(disturbed)).amax((0, 1)).any(1)
    rows = changed.nonzero().flatten() // (len(changed) // positions)
    return int((rows - middle).abs().max())


def sources(table: Path | None, used: list[Path]) -> list[dict[str, Any]]:
    """Count the training photos by source and licence, as a CSV with file, source and licence columns names them."""
    if table is None:
        return [{"source": "unnamed folder", "licence": "unknown", "photos": len(used)}]
    with table.open(newline="") as file:
        rows = {row["file"]: (row["source"], row["licence"]) for row in csv.DictReader(file)}
    counts = Counter(rows.get(path.name, ("unnamed", "unknown")) for path in used)
    return [{"source": s, "licence": licence, "photos": n} for (s, licence), n in sorted(counts.items())]


def preview_matrix(codec: Codec, paths: list[Path]) -> np.ndarray[Any, np.dtype[np.int8]]:
    """Least squares from codes to the colours of each latent position's block of pixels."""
    codes, colours = [], []
    for picture in evaluation_crops(paths, 512):
        with torch.no_grad():
            latent = codec.encode(picture)
        smoothed = binomial(to_codes(latent[0].permute(1, 2, 0).numpy(), codec.step)) / 16
        codes.append(smoothed.reshape(-1, latent.shape[1]))
        mean = torch.nn.functional.avg_pool2d(picture, picture.shape[2] // latent.shape[2])
        colours.append(mean[0].permute(1, 2, 0).reshape(-1, 3).numpy() * 255)
    return fit_matrix(np.concatenate(codes), np.concatenate(colours))


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, help=__doc__)
@click.argument("checkpoint", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--photos", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path), help="the training photos"
)
@click.option(
    "--sources",
    "table",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV with columns file, source, licence",
)
@click.option(
    "--version", type=click.IntRange(1), help="the model's version; otherwise that of the checkpoint's configuration"
)
@click.option(
    "-o", "--output", required=True, type=click.Path(file_okay=False, path_type=Path), help="the model folder to write"
)
def main(checkpoint: Path, photos: Path, table: Path | None, version: int | None, output: Path) -> None:
    codec, meta = load_average(checkpoint)
    model, data = meta["config"]["model"], meta["config"]["data"]
    if codec.prior is not None:
        sizes = model["prior"]
        file = prior_bytes(codec.prior, PriorShape(model["vae"]["latent_channels"], **sizes))
        prior = PriorFile(**sizes, sha256=hashlib.sha256(file).hexdigest())
        output.mkdir(parents=True, exist_ok=True)
        (output / PRIOR_NAME).write_bytes(file)
    else:
        prior = None
    codec = codec.half().float()  # what is measured below is what the float16 files hold
    channels = model["vae"]["latent_channels"]
    factor = codec.vae.spatial_compression_ratio
    split = split_photos(photos, data["held_out"], tuple(data["exclude"]))
    mapping = CodeMapping(codec.step, codec.bound, channels, factor, prior=prior)
    tensors = {f"vae.{k}": v for k, v in codec.vae.state_dict().items()} | {
        f"unet.{k}": v for k, v in codec.unet.state_dict().items()
    }

    torch.manual_seed(0)
    grid = 64
    context = {
        "encoder": reach(codec.vae.encoder, torch.rand(1, 3, grid * factor, grid * factor), grid),
        "decoder": reach(codec.vae.decoder, torch.randn(1, channels, grid, grid), grid),
        "unet": codec.unet.receptive_radius,
    }
    codec.vae.half().save_pretrained(output / "vae", safe_serialization=True)
    codec.unet.half().save_pretrained(output / "unet", safe_serialization=True)
    codec.float()
    DDIMScheduler(**SCHEDULER).save_pretrained(output / "scheduler")
    manifest = {
        "format": "pillow_sdz model",
        "name": model["name"],
        "version": version or model["version"],
        "licence": LICENCE,
        "fingerprint": fingerprint(tensors, mapping),
        "configs": digests(output),
        "codes": json.loads(mapping.canonical_json()),
        "latent_scaling": 1.0,
        "steps": 1,
        "context": context,
        "preview_matrix": preview_matrix(codec, split.train[:: max(1, len(split.train) // 100)]).tolist(),
        "training_data": sources(table, split.train),
    }
    (output / "model.json").write_text(json.dumps(manifest, indent=1) + "\n")
    read_manifest(output)
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    click.echo(f"{output}: {size:,} bytes, fingerprint {manifest['fingerprint'][:16]}, context {context}")


if __name__ == "__main__":
    main()
