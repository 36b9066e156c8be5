"""Scalar payloads against libimagequant and zlib, at the same latent error, on photos.

    python tools/bench/bench_scalar_coding.py [--model tiny] [--colors 64,128,256] PHOTO_OR_FOLDER ...

For each palette size: bytes of the palette and of the deflated indices, the latent error they leave (mean squared error
of the codes over their variance), and the bytes of a scalar payload whose step leaves the same error, picture by
picture. Libimagequant takes four channels; a latent with more gets a palette of its own for each four. Every stream
is decoded again and compared.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
from PIL import Image

from photos import files
from pillow_sdz import scalar_coding
from pillow_sdz.codes import to_codes, to_targets
from pillow_sdz.deflate import deflate
from pillow_sdz.limits import MAX_STEP
from pillow_sdz.lloyd import assign
from pillow_sdz.models import registry
from pillow_sdz.models.model import DEFAULT_TILE
from pillow_sdz.palette_start import LIBIMAGEQUANT_CHANNELS, by_libimagequant

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pillow_sdz.prior import Prior


def with_palette(codes: NDArray[np.uint8], colors: int) -> tuple[int, NDArray[np.int16]]:
    """Bytes of palettes and deflated indices, and the codes that they give back."""
    size, back = 0, np.empty(codes.shape, np.int16)
    for first in range(0, codes.shape[2], LIBIMAGEQUANT_CHANNELS):
        points = np.ascontiguousarray(codes[..., first : first + LIBIMAGEQUANT_CHANNELS].reshape(-1, 4))
        palette = by_libimagequant(points, colors)
        indices = assign(points, palette).indices
        size += palette.size + len(deflate(indices.astype(np.uint8).tobytes(), 9))
        back[..., first : first + LIBIMAGEQUANT_CHANNELS] = palette[indices].reshape(*codes.shape[:2], -1)
    return size, back


def with_step(targets: NDArray[np.float32], error: float) -> tuple[int, float]:
    """The largest step whose squared error is not above ``error``, and its squared error."""

    def squared(step: int) -> float:
        back = scalar_coding.to_codes(scalar_coding.quantise(targets, step), step)
        return float(np.square(back - 128.0 - targets).mean())

    low, high = 1, MAX_STEP
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if squared(middle) <= error else (low, middle)
    return low, squared(low)


def coded(targets: NDArray[np.float32], step: int, prior: Prior, seconds: list[float]) -> int:
    values = scalar_coding.quantise(targets, step)
    start = time.process_time()
    data = scalar_coding.encode(values, step, prior)
    middle = time.process_time()
    back = scalar_coding.decode(data, targets.shape, step, prior, file="bench", field="values")
    seconds[0] += middle - start
    seconds[1] += time.process_time() - middle
    if not (back == values).all():
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
        palette_bytes = scalar_bytes = 0
        errors, seconds = np.zeros(2), [0.0, 0.0]
        for latent in latents:
            codes, targets = to_codes(latent, manifest.codes.step), to_targets(latent, manifest.codes.step)
            size, back = with_palette(codes, count)
            error = float(np.square(back - 128.0 - targets).mean())
            step, same = with_step(targets, error)
            palette_bytes += size
            scalar_bytes += coded(targets, step, prior, seconds)
            errors += np.array([error, same]) / targets.var() / len(latents)
        per = 4096e3 / positions
        click.echo(
            f"{count:4} entries: libimagequant and zlib {palette_bytes / len(latents):7.0f} bytes, error {errors[0]:.4f}; "
            f"scalar {scalar_bytes / len(latents):7.0f} bytes, error {errors[1]:.4f}: "
            f"{100 * (scalar_bytes / palette_bytes - 1):+.1f} %, "
            f"{seconds[0] * per:.1f} ms to encode and {seconds[1] * per:.1f} ms to decode 64x64 positions"
        )


if __name__ == "__main__":
    main()
