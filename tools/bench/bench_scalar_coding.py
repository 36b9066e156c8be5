"""Palettes and scalar payloads beside libimagequant and zlib, at the same latent error, on photos.

    python tools/bench/bench_scalar_coding.py [--model tiny] [--colors 64,128,256] PHOTO_OR_FOLDER ...

For each palette size it prints, as means over the pictures:

- libimagequant: bytes of its palette and of its deflated indices, and their latent error (mean squared error of the
  codes over their variance); also the error if each position takes the nearest entry of that palette;
- palette and scalar payload of this package: the fewest bytes, found per picture, whose error is not larger than
  libimagequant's.

libimagequant takes four channels; a latent with more gets one palette for every four. Every stream is decoded again and
compared.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import imagequant
import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2]))  # where a script finds the packages pillow_sdz and tools

from pillow_sdz.coding.deflate import deflate
from pillow_sdz.limits import MAX_STEP, MIN_STEP
from pillow_sdz.models import model_data, registry
from pillow_sdz.payloads.codes import to_codes, to_targets
from pillow_sdz.payloads.palette import context_index_coder, palette_coder
from pillow_sdz.payloads.palette.kmeans import nearest
from pillow_sdz.payloads.palette.libimagequant import CHANNELS
from pillow_sdz.payloads.palette.quantise import make_layers
from pillow_sdz.payloads.scalar import decoder as scalar_decoder
from pillow_sdz.payloads.scalar import encoder as scalar_coder
from tools.bench.photos import files

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from pillow_sdz.payloads.palette.layers import Layer
    from pillow_sdz.payloads.scalar.prior import Prior

EFFORT: Final = 9
"""The highest: smallest files."""

PER_OCTAVE: Final = 32
"""Palette sizes that the search tries are 2 ** (n / 32) for whole n."""

LARGEST_POWER: Final = 12
"""The largest palette has 2 ** 12 entries."""

POSITIONS: Final = 4096
"""Positions that times are given for: those of a 512x512 picture at factor 8."""


def with_libimagequant(codes: NDArray[np.uint8], colors: int) -> tuple[int, NDArray[np.int16], NDArray[np.int16]]:
    """Palettise codes (h, w, C) with libimagequant, four channels at a time.

    Returns:
        Bytes of palettes and deflated indices; the codes (h, w, C) that libimagequant's indices stand for; and the
        codes if each position takes the nearest entry of the same palette.
    """
    size, own, near = 0, np.empty(codes.shape, np.int16), np.empty(codes.shape, np.int16)
    height, width = codes.shape[:2]
    for first in range(0, codes.shape[2], CHANNELS):
        part = slice(first, first + CHANNELS)
        points = np.ascontiguousarray(codes[..., part])
        data, flat = imagequant.quantize_raw_rgba_bytes(points.tobytes(), width, height, 0.0, colors)
        palette = np.array(flat, np.int16).reshape(-1, CHANNELS)
        size += palette.size + len(deflate(data, EFFORT))
        own[..., part] = palette[np.frombuffer(data, np.uint8)].reshape(points.shape)
        near[..., part] = palette[nearest(points.reshape(-1, CHANNELS), palette)].reshape(points.shape)
    return size, own, near


def squared_error(targets: NDArray[np.float32], codes: NDArray[Any]) -> float:
    """Mean squared error of codes (h, w, C); ``targets`` are the exact values, codes less 128 before rounding."""
    return float(np.square(codes - 128.0 - targets).mean())


def with_palette(codes: NDArray[np.uint8], targets: NDArray[np.float32], error: float) -> tuple[int, float]:
    """Find the smallest palette whose squared error is not above ``error``, by binary search.

    Returns:
        Bytes of palette and indices, and the squared error.
    """
    tried: dict[int, tuple[int, float]] = {}

    def with_size(power: int) -> tuple[int, float]:
        """Bytes and squared error with ``2 ** (power / PER_OCTAVE)`` entries."""
        if power not in tried:
            (layer,) = make_layers(codes, [round(2 ** (power / PER_OCTAVE))], EFFORT)
            tried[power] = _byte_count(layer), squared_error(targets, layer.palette[layer.indices])
        return tried[power]

    low, high = PER_OCTAVE, PER_OCTAVE * LARGEST_POWER
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if with_size(middle)[1] <= error else (middle, high)
    return with_size(high)


def _byte_count(layer: Layer) -> int:
    """Bytes of a layer's palette and indices, both decoded again and compared."""
    entries, channels = layer.palette.shape
    height, width = layer.indices.shape
    coding, compact = palette_coder.encode(layer.palette)
    palette = palette_coder.decode(coding, compact, entries, channels)
    data = context_index_coder.encode(layer.indices, palette)
    back = context_index_coder.decode(data, (height, width), palette)
    if not ((palette == layer.palette).all() and (back == layer.indices).all()):
        raise AssertionError("the coders of palette and indices are not lossless")
    return len(compact) + len(data)


def largest_step(targets: NDArray[np.float32], error: float, prior: Prior) -> tuple[int, float]:
    """Find the largest step whose squared error is not above ``error``, by binary search.

    Returns:
        The step in sixteenths of a code, and its squared error.
    """

    def error_of(step: int) -> float:
        return squared_error(targets, scalar_coder.quantise(targets, step, prior))

    low, high = MIN_STEP, MAX_STEP
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if error_of(middle) <= error else (low, middle)
    return low, error_of(low)


def scalar_bytes(targets: NDArray[np.float32], step: int, prior: Prior, times: list[float]) -> int:
    """Bytes of a scalar payload, decoded again and compared.

    The processor seconds of encoding and of decoding are added to ``times``.
    """
    height, width, channels = targets.shape
    start = time.process_time()
    pieces = scalar_coder.encode(targets, step, prior)
    middle = time.process_time()
    stream = scalar_decoder.Stream(pieces, len(pieces))
    back = scalar_decoder.decode(stream, (height, width, channels), step, prior)
    times[0] += middle - start
    times[1] += time.process_time() - middle
    if not (back == scalar_coder.quantise(targets, step, prior)).all():
        raise AssertionError("the scalar coder is not lossless")
    return sum(map(len, pieces))


@dataclass
class Means:
    """Means over the pictures for one palette size; errors are relative to the variance of the codes.

    Attributes:
        libimagequant, palette, scalar: bytes and latent error.
        nearest: error of libimagequant's palettes with nearest entries.
        times: processor seconds of encoding and decoding all scalar payloads.
    """

    libimagequant: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    palette: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    scalar: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    nearest: float = 0.0
    times: list[float] = field(default_factory=lambda: [0.0, 0.0])

    def add(self, latent: NDArray[np.float32], code_step: float, colors: int, prior: Prior, pictures: int) -> None:
        """Add one of ``pictures`` latents (h, w, C); ``code_step`` is the latent value of one code."""
        codes, targets = to_codes(latent, code_step), to_targets(latent, code_step)
        size, own, near = with_libimagequant(codes, colors)
        error = squared_error(targets, own)
        palette_size, palette_error = with_palette(codes, targets, error)
        step, scalar_error = largest_step(targets, error, prior)
        scalar_size = scalar_bytes(targets, step, prior, self.times)
        scale = np.array([1, 1 / targets.var()]) / pictures
        self.libimagequant += scale * [size, error]
        self.palette += scale * [palette_size, palette_error]
        self.scalar += scale * [scalar_size, scalar_error]
        self.nearest += squared_error(targets, near) * float(scale[1])

    def __str__(self) -> str:
        def change(size: float) -> str:
            return f"{100 * (size / self.libimagequant[0] - 1):+.1f} %"

        (size, error), palette, scalar = self.libimagequant, self.palette, self.scalar
        return (
            f"  libimagequant and zlib {size:7.0f} bytes, error {error:.4f} (nearest entries {self.nearest:.4f})\n"
            f"  our palette            {palette[0]:7.0f} bytes, error {palette[1]:.4f}: {change(palette[0])}\n"
            f"  scalar                 {scalar[0]:7.0f} bytes, error {scalar[1]:.4f}: {change(scalar[0])}"
        )


@click.command(help=__doc__)
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--model", default="tiny", show_default=True)
@click.option("--colors", default="64,128,256", show_default=True, help="palette sizes, separated by commas")
def main(paths: tuple[Path, ...], model: str, colors: str) -> None:
    """The command; its help is the module's docstring."""
    manifest = registry.find(model)
    networks, prior = registry.load(manifest), model_data.prior(manifest)
    latents = []
    for path in files(paths):
        with Image.open(path) as picture:
            latents.append(networks.encode(np.array(picture.convert("RGB"))))
    positions = sum(z.shape[0] * z.shape[1] for z in latents)
    channels = latents[0].shape[2]
    click.echo(f"{manifest.full_name}: {len(latents)} pictures, {positions} positions of {channels} channels")
    for count in (int(number) for number in colors.split(",")):
        means = Means()
        for latent in latents:
            means.add(latent, manifest.codes.step, count, prior, len(latents))
        encode, decode = (1e3 * seconds * POSITIONS / positions for seconds in means.times)
        click.echo(
            f"{count:4} entries\n{means}, {encode:.1f} ms to encode and {decode:.1f} ms to decode 64x64 positions"
        )


if __name__ == "__main__":
    main()
