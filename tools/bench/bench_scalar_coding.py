"""Palettes and scalar payloads against libimagequant and zlib, at the same latent error, on photos.

    python tools/bench/bench_scalar_coding.py [--model tiny] [--colors 64,128,256] PHOTO_OR_FOLDER ...

For each palette size: bytes of libimagequant's palette and of its indices, deflated, and the latent error that they
leave (mean squared error of the codes over their variance); what is left if each position takes the palette's nearest
entry instead; and the bytes of this package's two kinds of payload, each at the least size whose error is not above
libimagequant's, picture by picture: a palette with context coding, and a scalar payload. Libimagequant takes four
channels; a latent with more gets a palette of its own for each four. Every stream is decoded again and compared.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
import imagequant
import numpy as np
from PIL import Image

from photos import files
from pillow_sdz.coding.deflate import deflate
from pillow_sdz.limits import MAX_STEP, MIN_STEP
from pillow_sdz.models import registry
from pillow_sdz.models.model import DEFAULT_TILE
from pillow_sdz.payloads.codes import to_codes, to_targets
from pillow_sdz.payloads.palette import context_coder as context_coding
from pillow_sdz.payloads.palette import palette_coder as palette_coding
from pillow_sdz.payloads.palette.initial_palette import LIBIMAGEQUANT_CHANNELS
from pillow_sdz.payloads.palette.kmeans import assign
from pillow_sdz.payloads.palette.quantise import make_layers
from pillow_sdz.payloads.scalar import coder as scalar_coding

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pillow_sdz.payloads.palette.layers import Layer
    from pillow_sdz.payloads.scalar.prior import Prior


def with_libimagequant(codes: NDArray[np.uint8], colors: int) -> tuple[int, NDArray[np.int16], NDArray[np.int16]]:
    """Bytes of palettes and deflated indices, the codes that they give back, and those of nearest entries."""
    size, own, near = 0, np.empty(codes.shape, np.int16), np.empty(codes.shape, np.int16)
    height, width = codes.shape[:2]
    for first in range(0, codes.shape[2], LIBIMAGEQUANT_CHANNELS):
        part = slice(first, first + LIBIMAGEQUANT_CHANNELS)
        points = np.ascontiguousarray(codes[..., part])
        data, flat = imagequant.quantize_raw_rgba_bytes(points.tobytes(), width, height, 0.0, colors)
        palette = np.array(flat, np.int16).reshape(-1, LIBIMAGEQUANT_CHANNELS)
        size += palette.size + len(deflate(data, 9))
        own[..., part] = palette[np.frombuffer(data, np.uint8)].reshape(points.shape)
        near[..., part] = palette[assign(points.reshape(-1, 4), palette).indices].reshape(points.shape)
    return size, own, near


def squared(targets: NDArray[np.float32], codes: NDArray[np.generic]) -> float:
    """Mean squared error of codes."""
    return float(np.square(codes - 128.0 - targets).mean())


def with_palette(codes: NDArray[np.uint8], targets: NDArray[np.float32], error: float) -> tuple[int, float]:
    """Bytes of the palette of fewest entries, found to a 32nd, whose squared error is not above ``error``; the error."""
    tried = dict[int, tuple[int, float]]()

    def at(place: int) -> tuple[int, float]:
        """With ``2 ** (place / 32)`` entries."""
        if place not in tried:
            (layer,) = make_layers(codes, [round(2 ** (place / 32))], 9)
            tried[place] = _stored(layer), squared(targets, layer.palette[layer.indices])
        return tried[place]

    low, high = 32, 32 * 12  # 2 to 4096 entries
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if at(middle)[1] <= error else (middle, high)
    return at(high)


def _stored(layer: Layer) -> int:
    """Bytes of a layer's palette and indices, which must come back as they were."""
    coding, compact = palette_coding.encode(layer.palette)
    palette = palette_coding.decode(coding, compact, *layer.palette.shape, "bench")
    data = context_coding.encode(layer.indices, palette)
    back = context_coding.decode(data, layer.indices.shape, palette, "bench")
    if not ((palette == layer.palette).all() and (back == layer.indices).all()):
        raise AssertionError("the coders of palette and indices lost something")
    return len(compact) + len(data)


def with_step(targets: NDArray[np.float32], error: float, prior: Prior) -> tuple[int, float]:
    """The largest step, found by halving, whose squared error is not above ``error``, and its squared error."""

    def left(step: int) -> float:
        return squared(targets, scalar_coding.quantise(targets, step, prior))

    low, high = MIN_STEP, MAX_STEP
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if left(middle) <= error else (low, middle)
    return low, left(low)


def coded(targets: NDArray[np.float32], step: int, prior: Prior, seconds: list[float]) -> int:
    start = time.process_time()
    data = scalar_coding.encode(targets, step, prior)
    middle = time.process_time()
    back = scalar_coding.decode(data, targets.shape, step, prior, file="bench", field="values")
    seconds[0] += middle - start
    seconds[1] += time.process_time() - middle
    if not (back == scalar_coding.quantise(targets, step, prior)).all():
        raise AssertionError("the scalar coder lost something")
    return len(data)


@click.command(help=__doc__)
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--model", default="tiny", show_default=True)
@click.option("--colors", default="64,128,256", show_default=True)
def main(paths: tuple[Path, ...], model: str, colors: str) -> None:
    manifest = registry.find(model)
    networks, prior = registry.load(manifest), registry.model_prior(manifest)
    latents = []
    for path in files(paths):
        with Image.open(path) as picture:
            latents.append(networks.encode(np.array(picture.convert("RGB")), DEFAULT_TILE))
    positions = sum(z.shape[0] * z.shape[1] for z in latents)
    click.echo(
        f"{manifest.full_name}: {len(latents)} pictures, {positions} positions of {latents[0].shape[2]} channels"
    )
    for count in (int(number) for number in colors.split(",")):
        sizes, errors, seconds = np.zeros(3), np.zeros(4), [0.0, 0.0]
        for latent in latents:
            codes, targets = to_codes(latent, manifest.codes.step), to_targets(latent, manifest.codes.step)
            size, own, near = with_libimagequant(codes, count)
            error = squared(targets, own)
            palette, second = with_palette(codes, targets, error)
            step, third = with_step(targets, error, prior)
            sizes += np.array([size, palette, coded(targets, step, prior, seconds)]) / len(latents)
            errors += np.array([error, second, third, squared(targets, near)]) / targets.var() / len(latents)
        per = 4096e3 / positions
        click.echo(
            f"{count:4} entries\n"
            f"  libimagequant and zlib {sizes[0]:7.0f} bytes, error {errors[0]:.4f} (nearest entries {errors[3]:.4f})\n"
            f"  our palette            {sizes[1]:7.0f} bytes, error {errors[1]:.4f}: {_change(sizes[1], sizes[0])}\n"
            f"  scalar                 {sizes[2]:7.0f} bytes, error {errors[2]:.4f}: {_change(sizes[2], sizes[0])}, "
            f"{seconds[0] * per:.1f} ms to encode and {seconds[1] * per:.1f} ms to decode 64x64 positions"
        )


def _change(ours: float, theirs: float) -> str:
    return f"{100 * (ours / theirs - 1):+.1f} %"


if __name__ == "__main__":
    main()
