"""Turn a trained checkpoint into a model folder that pillow_sdz can load.

    python tools/train/export.py RUNS/tiny/prior.safetensors --photos PHOTOS -o pillow_sdz/models/data/tiny-2

Writes the moving average of the weights as float16 safetensors in diffusers' layout, the scheduler, and model.json
with the fingerprint, the preview matrix (fitted on some of the photos) and the sources of the training data. Preview
networks are fitted afterwards, by preview.py; if the folder has those of the same encoder and decoder, they stay.
"""

from __future__ import annotations

import csv
import hashlib
import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import numpy as np
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[2]))  # where a script finds the packages pillow_sdz and tools

from pillow_sdz.models.code_mapping import CodeMapping, PriorFile
from pillow_sdz.models.configuration import digests, read_config
from pillow_sdz.models.fingerprint import Decoding, decoding_tensors, digest_of, encoder_tensors, fingerprint
from pillow_sdz.models.manifest import CONFIG_FILES, MANIFEST_NAME, PRIOR_NAME, read_manifest
from pillow_sdz.payloads.codes import to_codes
from pillow_sdz.payloads.preview_matrix import binomial, fit_matrix
from tools.train.checkpoint import load_average
from tools.train.data import evaluation_crops, split_photos
from tools.train.model import NOISE_SCHEDULER, SCHEDULER, TrainableModel
from tools.train.prior_file import prior_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

LICENCE: Final = "Apache-2.0"
"""Licence of the exported weights."""

PREVIEW_PHOTOS: Final = 100
"""About how many photos the preview matrix is fitted on."""

PREVIEW_CROP: Final = 512
"""Longest side, in pixels, of the centres of these photos that are used."""

PROBE_SIDE: Final = 64
"""Side of the latent that `receptive_radius` is measured on, in positions; more than twice any radius."""


def receptive_radius(network: nn.Module, probe: Tensor, positions: int) -> int:
    """Measure a network's receptive radius, in latent positions.

    The input at the middle position is changed; the radius is the distance to the furthest output that changes.

    Args:
        network: encoder or decoder.
        probe: an input, (1, C, n, n).
        positions: latent positions along each side: n, or for the encoder n / factor.
    """
    block, middle = probe.shape[2] // positions, positions // 2
    disturbed = probe.clone()
    disturbed[:, :, middle * block : (middle + 1) * block, middle * block : (middle + 1) * block] += 1
    with torch.no_grad():
        changed = (network(probe) != network(disturbed)).amax((0, 1)).any(1)
    rows = changed.nonzero().flatten() // (len(changed) // positions)
    return int((rows - middle).abs().max())


def sources(table: Path | None, used: list[Path]) -> list[dict[str, Any]]:
    """Count the training photos by source and licence.

    Args:
        table: CSV with the columns file, source and licence; None if there is none.
        used: the photos.
    """
    if table is None:
        return [{"source": "unnamed folder", "licence": "unknown", "photos": len(used)}]
    with table.open(newline="") as file:
        rows = {row["file"]: (row["source"], row["licence"]) for row in csv.DictReader(file)}
    counts = Counter(rows.get(path.name, ("unnamed", "unknown")) for path in used)
    return [{"source": s, "licence": licence, "photos": n} for (s, licence), n in sorted(counts.items())]


def preview_matrix(model: TrainableModel, paths: list[Path]) -> NDArray[np.int8]:
    """Fit a model's preview matrix (`pillow_sdz.payloads.preview_matrix`) on the centres of photos."""
    codes, colours = [], []
    for picture in evaluation_crops(paths, PREVIEW_CROP):
        with torch.no_grad():
            latent = model.encode(picture)
        smoothed = binomial(to_codes(latent[0].permute(1, 2, 0).numpy(), model.code_step)) / 16
        codes.append(smoothed.reshape(-1, latent.shape[1]))
        mean = torch.nn.functional.avg_pool2d(picture, picture.shape[2] // latent.shape[2])
        colours.append(mean[0].permute(1, 2, 0).reshape(-1, 3).numpy() * 255)
    return fit_matrix(np.concatenate(codes), np.concatenate(colours))


def write_prior(model: TrainableModel, output: Path) -> PriorFile | None:
    """Write the prior's file into a model folder; returns its entry of the manifest, or None if there is no prior."""
    if model.prior is None:
        return None
    file, shape = prior_bytes(model.prior), model.prior.shape
    output.mkdir(parents=True, exist_ok=True)
    (output / PRIOR_NAME).write_bytes(file)
    return PriorFile(shape.groups, shape.shared_width, shape.group_width, sha256=hashlib.sha256(file).hexdigest())


def kept_preview(output: Path, weights: dict[str, str]) -> dict[str, Any]:
    """The preview networks' entry of the manifest that is in the folder already, if its model has the same weights.

    Args:
        output: the model folder.
        weights: ``fingerprint`` and ``encoder`` of the new manifest.
    """
    path = output / MANIFEST_NAME
    old = json.loads(path.read_text()) if path.is_file() else {}
    same = all(old.get(name) == value for name, value in weights.items())
    return {"preview": old["preview"]} if same and old.get("preview") else {}


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
    """The command; its help is the module's docstring."""
    model, meta = load_average(checkpoint)
    settings, data = meta["config"]["model"], meta["config"]["data"]
    prior = write_prior(model, output)
    model = model.half().float()  # all that follows is computed with the weights that the float16 files hold
    channels, factor = model.channels, model.factor
    split = split_photos(photos, data["held_out"], tuple(data["exclude"]))
    mapping = CodeMapping(model.code_step, model.bound, channels, factor, prior=prior)

    torch.manual_seed(0)
    picture = torch.rand(1, 3, PROBE_SIDE * factor, PROBE_SIDE * factor)
    latent = torch.randn(1, channels, PROBE_SIDE, PROBE_SIDE)
    context = {
        "encoder": receptive_radius(model.vae.encoder, picture, PROBE_SIDE),
        "decoder": receptive_radius(model.vae.decoder, latent, PROBE_SIDE),
        "unet": model.unet.receptive_radius,
    }
    model.vae.half().save_pretrained(output / "vae", safe_serialization=True)
    model.unet.half().save_pretrained(output / "unet", safe_serialization=True)
    model.float()
    NOISE_SCHEDULER(**SCHEDULER).save_pretrained(output / "scheduler")
    vae, unet, scheduler = (read_config(output / name) for name in CONFIG_FILES)
    tensors = decoding_tensors(model.vae.state_dict(), model.unet.state_dict())
    weights = {
        "fingerprint": fingerprint(tensors, Decoding(mapping, vae, unet, scheduler)),
        "encoder": digest_of(encoder_tensors(model.vae.state_dict())),
    }
    preview = kept_preview(output, weights)
    manifest = {
        "format": "pillow_sdz model",
        "name": settings["name"],
        "version": version or settings["version"],
        "licence": LICENCE,
        **weights,
        "configs": digests(output),
        "codes": mapping.manifest_fields(),
        "latent_scaling": 1.0,
        "steps": 1,
        "context": context,
        "preview_matrix": preview_matrix(model, split.train[:: max(1, len(split.train) // PREVIEW_PHOTOS)]).tolist(),
        **preview,
        "training_data": sources(table, split.train),
    }
    (output / MANIFEST_NAME).write_text(json.dumps(manifest, indent=1) + "\n")
    read_manifest(output)  # checks it
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    click.echo(f"{output}: {size:,} bytes, fingerprint {weights['fingerprint'][:16]}, context {context}")
    if not preview:
        click.echo(f"no preview networks yet: python tools/train/preview.py {output} --photos {photos} --cache SCRATCH")


if __name__ == "__main__":
    main()
