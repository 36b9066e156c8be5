"""Fit the preview networks of a model folder, and write them into it: preview.i32, and its entry of model.json.

    python tools/train/preview.py pillow_sdz/models/data/tiny-8 --photos PHOTOS --cache SCRATCH

The networks see codes as files hold them, at several qualities, half of them refined as the default effort does. They
are fitted to the mean colours of the pixels that a pixel of the preview stands for, by the mean squared error, with
weights rounded as the file holds them. Photos of the configuration's list `held_out` are left out; the mean PSNR on
them is printed. Latents are kept in the folder SCRATCH, so that fitting again starts at once. On one core, 200
photos take some 15 minutes to encode, and the networks two minutes to fit.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import numpy as np
from PIL import Image
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parents[2]))  # where a script finds the packages pillow_sdz and tools

from pillow_sdz.models import model_data, registry
from pillow_sdz.models.manifest import MANIFEST_NAME, read_manifest
from pillow_sdz.models.preview_file import PREVIEW_NAME, PreviewFile
from pillow_sdz.options import SaveOptions
from pillow_sdz.payloads.codes import to_targets
from pillow_sdz.payloads.preview_networks import STRIDES, LayerShape, PreviewNetworks, PreviewShape
from pillow_sdz.payloads.scalar.encoder import quantise
from pillow_sdz.payloads.scalar.payload import ScalarLoop, ScalarPlan
from pillow_sdz.payloads.scalar.rate_control import plan_for_quality
from pillow_sdz.refinement.refine import refine
from pillow_sdz.refinement.schedule import SCHEDULES
from tools.train.data import read, split_photos
from tools.train.preview_network import train

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from pillow_sdz.models.manifest import Manifest
    from pillow_sdz.payloads.scalar.prior import Prior
    from tools.train.preview_network import Pair

FULL: Final = (LayerShape(3, 24), LayerShape(3, 32), LayerShape(3, 32), LayerShape(1, 3))
"""Layers of the network for stride 1."""

COARSE: Final = (LayerShape(3, 32), LayerShape(1, 32), LayerShape(1, 3))
"""Layers of the others: what is missing there is not in the codes, so that larger networks are hardly better."""

QUALITIES: Final = (30, 50, 70)
"""Qualities whose codes the networks are fitted on."""


def gather(manifest: Manifest, paths: list[Path], refined: int, cache: Path) -> Iterator[dict[str, NDArray[Any]]]:
    """Latents of photos, and their thumbnails.

    Args:
        manifest: the model.
        paths: the photos.
        refined: how many of them are also refined, at each of `QUALITIES`.
        cache: folder in which results are kept.

    Yields:
        For each photo ``targets`` (h, w, C), signed codes before rounding; the same refined, by `refined_name`; and by
        `thumbnail_name` the means of the pixels at each of `STRIDES`.
    """
    cache.mkdir(parents=True, exist_ok=True)
    model, prior = registry.load(manifest, "cpu", "float32"), model_data.prior(manifest)
    for number, path in enumerate(tqdm(paths, "encoding", disable=None)):
        kept = cache / f"{path.stem}.npz"
        if not kept.is_file():
            image = read(path)
            rgb = np.array(image)
            targets = to_targets(model.encode(rgb), manifest.codes.step)
            arrays: dict[str, Any] = {"targets": targets}
            for stride in STRIDES:
                arrays[thumbnail_name(stride)] = np.asarray(image.reduce(stride * manifest.codes.factor))
            for quality in QUALITIES if number < refined else ():
                loop = ScalarLoop(step_of(quality), prior)
                arrays[refined_name(quality)] = refine(model, rgb, targets, loop, SCHEDULES[SaveOptions().effort])
            np.savez(kept, **arrays)
        with np.load(kept) as arrays:
            yield dict(arrays)


def step_of(quality: int) -> int:
    """The quantiser's step of a quality below 100, in sixteenths of a code."""
    plan = plan_for_quality(quality)
    assert isinstance(plan, ScalarPlan)
    return plan.step


def thumbnail_name(stride: int) -> str:
    """Name of an array of `gather`."""
    return f"t{stride}"


def refined_name(quality: int) -> str:
    """Name of an array of `gather`."""
    return f"r{quality}"


def pairs_of(photos: Iterable[dict[str, NDArray[Any]]], prior: Prior) -> Iterator[dict[int, Pair]]:
    """Codes and colours for each of `STRIDES`, for each photo at each quality, refined and not."""
    for arrays in photos:
        for quality in QUALITIES:
            for name in ("targets", refined_name(quality)):
                if name in arrays:
                    codes = quantise(arrays[name], step_of(quality), prior)
                    yield {s: (np.ascontiguousarray(codes[::s, ::s]), arrays[thumbnail_name(s)]) for s in STRIDES}


def psnr(picture: NDArray[np.uint8], original: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio in dB."""
    return float(10 * np.log10(255**2 / np.mean((picture.astype(float) - original) ** 2)))


def report(networks: PreviewNetworks, pairs: list[dict[int, Pair]]) -> None:
    """Print the PSNR of the previews of every grid, and of those of stride 1 reduced to the other scales."""
    for stride in STRIDES:
        own = [psnr(networks.preview(each[stride][0], stride), each[stride][1]) for each in pairs]
        fine = [Image.fromarray(networks.preview(each[1][0], 1)).reduce(stride) for each in pairs]
        reduced = [psnr(np.asarray(image), each[stride][1]) for image, each in zip(fine, pairs, strict=True)]
        click.echo(
            f"stride {stride}: {np.mean(own):.2f} dB (lowest {min(own):.2f});"
            f" from all codes {np.mean(reduced):.2f} dB (lowest {min(reduced):.2f})"
        )


def write(folder: Path, data: bytes, shape: PreviewShape) -> None:
    """Write preview.i32 into a model folder, and its entry into the manifest, which is checked."""
    (folder / PREVIEW_NAME).write_bytes(data)
    path = folder / MANIFEST_NAME
    fields = json.loads(path.read_text())
    fields["preview"] = PreviewFile(shape.networks, hashlib.sha256(data).hexdigest()).fields()
    order = list(fields)
    order.insert(order.index("preview_matrix") + 1, order.pop(order.index("preview")))
    path.write_text(json.dumps({name: fields[name] for name in order}, indent=1) + "\n")
    read_manifest(folder).preview_networks()


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, help=__doc__)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--photos", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--config",
    default=Path(__file__).with_name("configs") / "tiny.toml",
    show_default="configs/tiny.toml",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="whose table [data] says which photos are held out",
)
@click.option("--cache", required=True, type=click.Path(file_okay=False, path_type=Path), help="folder for latents")
@click.option("--count", default=200, show_default=True, type=click.IntRange(1), help="number of photos")
@click.option("--refined", default=100, show_default=True, type=click.IntRange(0), help="how many of them are refined")
@click.option("--steps", default=3000, show_default=True, type=click.IntRange(1), help="training steps of a network")
def main(folder: Path, photos: Path, config: Path, cache: Path, count: int, refined: int, steps: int) -> None:
    """The command; its help is the module's docstring."""
    data: dict[str, Any] = tomllib.loads(config.read_text())["data"]
    split = split_photos(photos, data["held_out"])
    manifest = read_manifest(folder)
    prior = model_data.prior(manifest)
    order = [split.train[index] for index in np.random.default_rng(0).permutation(len(split.train))]
    chosen = [path for path in order if not path.name.startswith(tuple(data["exclude"]) or "\0")][:count]
    fitted = list(pairs_of(gather(manifest, chosen, refined, cache / "train"), prior))
    shape = PreviewShape(manifest.codes.channels, tuple(FULL if stride == 1 else COARSE for stride in STRIDES))
    arrays: list[NDArray[np.int32]] = []
    for stride, layers in zip(STRIDES, shape.networks, strict=True):
        network = train([each[stride] for each in fitted], layers, steps, f"stride {stride}")
        arrays += network.arrays()
    file = b"".join(array.tobytes() for array in arrays)
    networks = PreviewNetworks.from_bytes(file, shape)
    held_out = gather(manifest, split.held_out, len(split.held_out), cache / "held")
    report(networks, [pairs for number, pairs in enumerate(pairs_of(held_out, prior)) if number % 6 == 3])
    write(folder, file, shape)
    click.echo(f"{folder / PREVIEW_NAME}: {len(file):,} bytes")


if __name__ == "__main__":
    main()
