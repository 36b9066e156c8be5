"""Fit the preview networks of a model folder, and write them into it: preview.i32, and its entry of model.json.

    python tools/train/preview.py pillow_sdz/models/data/tiny-8 --photos PHOTOS --cache SCRATCH

The networks see codes as files hold them, at several qualities, half of them refined as the default effort does. They
are fitted to the mean colours of the pixels that a pixel of the preview stands for, by the mean squared error, with
weights rounded as the file holds them. Photos of the configuration's list `held_out` are left out; the mean PSNR on
them is printed. Latents are kept in the folder SCRATCH, so that fitting again starts at once. On one core, 200 photos
take some 15 minutes to encode, and the networks some 20 minutes to fit.
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
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from tqdm import tqdm, trange

sys.path.insert(0, str(Path(__file__).parents[2]))  # where a script finds the packages pillow_sdz and tools

from pillow_sdz.models import registry
from pillow_sdz.models.manifest import MANIFEST_NAME, read_manifest
from pillow_sdz.models.preview_file import PREVIEW_NAME, PreviewFile
from pillow_sdz.options import SaveOptions
from pillow_sdz.payloads.codes import SIGNED_OFFSET, to_targets
from pillow_sdz.payloads.preview_networks import (
    LARGEST_HIDDEN,
    STRIDES,
    SUM_BITS,
    LayerShape,
    PreviewNetworks,
    PreviewShape,
)
from pillow_sdz.payloads.products import EXACT_IN_FLOAT32
from pillow_sdz.payloads.scalar.coder import quantise
from pillow_sdz.payloads.scalar.payload import ScalarLoop, ScalarPlan
from pillow_sdz.payloads.scalar.rate_control import plan_for_quality
from pillow_sdz.refinement.refine import refine
from pillow_sdz.refinement.schedule import SCHEDULES
from tools.train.data import read, split_photos

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from pillow_sdz.models.manifest import Manifest
    from pillow_sdz.payloads.scalar.prior import Prior

    Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]  # codes (h, w, C) of a grid, colours (h, w, 3)

FULL: Final = (LayerShape(3, 24), LayerShape(3, 32), LayerShape(3, 32), LayerShape(1, 3))
"""Layers of the network for stride 1."""

COARSE: Final = (LayerShape(3, 24), LayerShape(3, 24), LayerShape(1, 3))
"""Layers of the others: what is missing there is not in the codes, so that larger networks are hardly better."""

QUALITIES: Final = (30, 50, 70)
"""Qualities whose codes the networks are fitted on."""

CODE_UNIT: Final = 32.0
HIDDEN_UNIT: Final = 128.0
COLOUR_UNIT: Final = 64.0
"""Codes, hidden values and levels of colour per unit of the networks in training."""

CROP: Final = 24
"""Side of the crops of grids in training, in positions."""

BATCH: Final = 16
RATE: Final = 4e-3
"""Crops of a training step, and the largest learning rate."""

SUM_LIMIT: Final = 0.9 * EXACT_IN_FLOAT32
SUM_PENALTY: Final = 1e-2
"""Largest possible sums above this limit are penalised in training, by their logarithm."""


class TrainableLayer(nn.Module):
    """A layer of a preview network, whose weights are rounded as the file holds them.

    Args:
        inputs: number of inputs.
        shape: of the layer.
        first, last: whether it is the first or last layer of its network.
    """

    def __init__(self, inputs: int, shape: LayerShape, *, first: bool, last: bool) -> None:
        super().__init__()
        self.last = last
        self.convolution = nn.Conv2d(inputs, shape.width, shape.side)
        self.in_unit, self.out_unit = CODE_UNIT if first else HIDDEN_UNIT, COLOUR_UNIT if last else HIDDEN_UNIT
        self.largest_input = SIGNED_OFFSET if first else LARGEST_HIDDEN

    def whole(self) -> tuple[Tensor, Tensor]:
        """Weights and biases in the units of the file, rounded; the gradient is that of the unrounded ones."""
        scale = self.out_unit * 2**SUM_BITS
        weight, bias = self.convolution.weight * (scale / self.in_unit), self.convolution.bias
        assert bias is not None
        centre = (SIGNED_OFFSET + 0.5) * 2**SUM_BITS if self.last else 0.0  # the last shift rounds to the nearest
        return _rounded(weight), _rounded(bias * scale + centre)

    def excess(self) -> Tensor:
        """By how much, as a natural logarithm, the largest possible sum is above `SUM_LIMIT`."""
        weight, bias = self.whole()
        sums = self.largest_input * weight.abs().sum((1, 2, 3)) + bias.abs()
        return F.relu((sums.max() / SUM_LIMIT).log())

    def forward(self, values: Tensor) -> Tensor:
        """Values of the file's units, (B, inputs, h, w), to such values; colours are not clamped."""
        weight, bias = self.whole()
        sums = F.conv2d(values, weight, bias) / 2**SUM_BITS
        return sums if self.last else (sums + (sums.floor() - sums).detach()).clamp(0, LARGEST_HIDDEN)


def _rounded(values: Tensor) -> Tensor:
    return values + (values.round() - values).detach()


class TrainableNetwork(nn.Module):
    """A preview network in training; see `pillow_sdz.payloads.preview_networks`."""

    def __init__(self, channels: int, shapes: tuple[LayerShape, ...]) -> None:
        super().__init__()
        inputs = [channels, *(shape.width for shape in shapes[:-1])]
        self.margin = sum(shape.side // 2 for shape in shapes)
        self.layers = nn.Sequential(
            *(
                TrainableLayer(count, shape, first=number == 0, last=number == len(shapes) - 1)
                for number, (count, shape) in enumerate(zip(inputs, shapes, strict=True))
            )
        )

    def all_layers(self) -> list[TrainableLayer]:
        """The layers, typed."""
        return [layer for layer in self.layers if isinstance(layer, TrainableLayer)]

    def forward(self, signed_codes: Tensor) -> Tensor:
        """(B, C, h, w) to colours (B, 3, h - 2 * margin, w - 2 * margin), 0 to 255."""
        colours: Tensor = self.layers(signed_codes)
        return colours

    def arrays(self) -> Iterator[NDArray[np.int32]]:
        """The arrays of the file, in order."""
        for layer in self.all_layers():
            weight, bias = (tensor.detach().numpy() for tensor in layer.whole())
            yield weight.transpose(2, 3, 1, 0).reshape(-1, len(weight)).astype("<i4")
            yield bias[None].astype("<i4")


def train(pairs: list[Pair], shapes: tuple[LayerShape, ...], steps: int, name: str) -> TrainableNetwork:
    """Fit a network.

    Args:
        pairs: codes of grids, and the colours that their previews should have.
        shapes: its layers.
        steps: number of training steps.
        name: for the progress bar.
    """
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    network = TrainableNetwork(pairs[0][0].shape[2], shapes)
    margin = network.margin
    padded = [np.pad(codes, ((margin, margin), (margin, margin), (0, 0)), mode="edge") for codes, _ in pairs]
    area = np.array([colours.shape[0] * colours.shape[1] for _, colours in pairs], float)
    optimiser = torch.optim.Adam(network.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    for _ in trange(steps, desc=name, disable=None):
        chosen = rng.choice(len(pairs), BATCH, p=area / area.sum())
        height, width = (min(CROP, *(pairs[i][1].shape[axis] for i in chosen)) for axis in (0, 1))
        codes, colours = [], []
        for index in chosen:
            target = pairs[index][1]
            y, x = (int(rng.integers(target.shape[a] - side + 1)) for a, side in ((0, height), (1, width)))
            codes.append(padded[index][y : y + height + 2 * margin, x : x + width + 2 * margin])
            colours.append(target[y : y + height, x : x + width])
        seen = torch.from_numpy(np.stack(codes)).permute(0, 3, 1, 2).float() - SIGNED_OFFSET
        wanted = torch.from_numpy(np.stack(colours)).permute(0, 3, 1, 2).float()
        loss = ((network(seen) - wanted) / COLOUR_UNIT).square().mean()
        for layer in network.all_layers():
            loss = loss + SUM_PENALTY * layer.excess()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return network


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
    model, prior = registry.load(manifest, "cpu", "float32"), registry.model_prior(manifest)
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
@click.option("--steps", default=12000, show_default=True, type=click.IntRange(1), help="training steps of a network")
def main(folder: Path, photos: Path, config: Path, cache: Path, count: int, refined: int, steps: int) -> None:
    """The command; its help is the module's docstring."""
    data: dict[str, Any] = tomllib.loads(config.read_text())["data"]
    split = split_photos(photos, data["held_out"])
    manifest = read_manifest(folder)
    prior = registry.model_prior(manifest)
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
