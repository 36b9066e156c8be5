"""How close previews are to true thumbnails, and how long they take.

    python tools/bench/bench_preview.py [--effort 3] PHOTO ...

For each photo, saved with the default options, the PSNR of its previews at 1/8, 1/16, 1/32 and 1/64 against the means
of the original's pixels (`Image.reduce`). Small pictures have them from all codes; in brackets is what the grid of each
size alone gives, which is what pictures of more than 8 megapixels get. Then the time of ``Image.open`` and
``thumbnail`` for 512x512 and for 24 megapixels, in this process, with everything loaded. torch is used for saving only.
"""

from __future__ import annotations

import io
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final
from unittest import mock

import click
import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2]))  # where a script finds the packages pillow_sdz and tools

import pillow_sdz  # noqa: F401  registers the format
from pillow_sdz.codec import preview
from pillow_sdz.codec.file import read
from pillow_sdz.codec.preview import decode_preview
from pillow_sdz.evaluation.codecs import saved
from pillow_sdz.payloads.preview_networks import STRIDES
from tools.bench.photos import files, plain, square
from tools.bench.resources import seconds

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

SMALL: Final = (512, 64)
"""Side of the small picture, and of its thumbnail, in pixels."""

LARGE: Final = ((6000, 4000), 256)
"""Size of the large picture, and the longer side of its thumbnail, in pixels."""

REPEATS: Final = 9
"""Thumbnails of which the median time is given."""


def psnr(picture: ArrayLike | Image.Image, original: ArrayLike | Image.Image) -> float:
    """Peak signal-to-noise ratio in dB."""
    error = np.asarray(picture, float) - np.asarray(original, float)
    return float(10 * np.log10(255**2 / max(np.mean(error**2), 1e-9)))


def scores(photo: Image.Image, data: bytes) -> list[tuple[float, float]]:
    """For each of `STRIDES`: PSNR of the preview, and of the one that its own grid gives."""
    file = read(data)
    found = []
    for stride in STRIDES:
        true = photo.reduce(stride * file.header.factor)
        with mock.patch.object(preview, "FAST_VALUES", 0):
            alone = decode_preview(file, stride).rgb
        found.append((psnr(decode_preview(file, stride).rgb, true), psnr(alone, true)))
    return found


def thumbnail_seconds(data: bytes, side: int) -> float:
    """Median time of opening and shrinking a file, in seconds."""

    def shrink() -> None:
        with Image.open(io.BytesIO(data)) as image:
            image.thumbnail((side, side))
            image.load()

    shrink()
    return seconds(shrink, REPEATS)


def large(photos: list[Image.Image]) -> Image.Image:
    """A mosaic of the photos and of a photo enlarged, of the size `LARGE`: detail as in a sharp and in a soft photo."""
    (width, height), _ = LARGE
    mosaic = photos[0].resize((width, height), Image.Resampling.BICUBIC)
    side = 500
    places = [(x, y) for y in range(0, height, side) for x in range(width // 2, width, side)]
    for number, place in enumerate(places):
        mosaic.paste(square(photos[number % len(photos)], side), place)
    return mosaic


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, help=__doc__)
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--effort", default=4, show_default=True, type=click.IntRange(0, 9), help="of saving")
@click.option("--quality", default=50, show_default=True, type=click.IntRange(0, 100), help="of saving")
@click.option("--no-large", is_flag=True, help="leave out the 24 megapixels, which take a minute to save")
def main(paths: tuple[Path, ...], effort: int, quality: int, no_large: bool) -> None:
    """The command; its help is the module's docstring."""
    photos = []
    rows = []
    for path in files(paths):
        with Image.open(path) as image:
            photos.append(plain(image))
        rows.append(scores(photos[-1], saved(photos[-1], "SDZ", effort=effort, quality=quality)))
        click.echo(f"{path.name:28}" + "".join(f"{made:8.2f} ({alone:5.2f})" for made, alone in rows[-1]))
    for name, choose in (("mean", statistics.fmean), ("lowest", min)):
        columns = (
            (choose(made), choose(alone))
            for made, alone in (zip(*each, strict=True) for each in zip(*rows, strict=True))
        )
        click.echo(f"{name:28}" + "".join(f"{made:8.2f} ({alone:5.2f})" for made, alone in columns))
    side, box = SMALL
    data = saved(square(photos[0], side), "SDZ", effort=3)
    click.echo(f"512x512 to {box} pixels          {1e3 * thumbnail_seconds(data, box):8.1f} ms")
    if not no_large:
        data = saved(large(photos), "SDZ", effort=3)
        click.echo(f"24 megapixels to {LARGE[1]} pixels   {1e3 * thumbnail_seconds(data, LARGE[1]):8.1f} ms")


if __name__ == "__main__":
    main()
