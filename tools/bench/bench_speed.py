"""Encode and decode times and peak memory of the default model, beside what this computer can do.

    python tools/bench/bench_speed.py [--large] [PHOTO ...]

Prints, in one run: the computer's float32 matrix rate, the time of a bare ``import torch``, a cold first decode in a
fresh process, warm encode and decode of five 512x512 pictures (and as ratios to AVIF's), and with --large a
24-megapixel round trip with its peak memory. Pictures are the given photos, or scikit-image's.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2]))  # where a script finds the packages pillow_sdz and tools

import pillow_sdz  # noqa: F401  registers the format
from pillow_sdz.evaluation.codecs import decoded, saved
from tools.bench.photos import sample, square
from tools.bench.resources import matmul_rate, peak_memory, seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

SIDE: Final = 512
"""Side of the small pictures in pixels."""

COUNT: Final = 5
"""How many small pictures are measured at most."""

SAMPLES: Final = ("astronaut", "coffee", "rocket", "chelsea", "retina")
"""Photos of scikit-image that are measured where none are given."""

LARGE: Final = (6000, 4000)
"""Width and height of the large picture in pixels."""

AVIF_QUALITY: Final = 20
"""Quality of the AVIF files that times are compared with."""


def pictures(paths: Sequence[Path]) -> list[Image.Image]:
    """At most `COUNT` pictures of 512x512 pixels, RGB."""
    if paths:
        return [square(path, SIDE) for path in paths[:COUNT]]
    return [square(sample(name), SIDE) for name in SAMPLES]


def large_round_trip() -> None:
    """Encode and decode 24 megapixels; prints one JSON object. Runs in a process of its own, for its peak memory."""
    image = sample().resize(LARGE, Image.Resampling.BICUBIC)
    start = time.perf_counter()
    data = saved(image, "SDZ")
    middle = time.perf_counter()
    del image
    decoded(data)
    end = time.perf_counter()
    row = {"bytes": len(data), "encode": middle - start, "decode": end - middle, "peak MiB": peak_memory()}
    click.echo(json.dumps(row))


def encode_seconds(image: Image.Image, pillow_name: str, **options: int) -> float:
    """Median time of encoding, in seconds."""
    return seconds(lambda: saved(image, pillow_name, **options))


def decode_seconds(data: bytes) -> float:
    """Median time of decoding, in seconds."""
    return seconds(lambda: decoded(data))


def first_decode_seconds(data: bytes) -> tuple[float, float]:
    """Median time of a first decode in a fresh process, and of a bare ``import torch`` there, in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.sdz"
        path.write_bytes(data)
        code = f"import pillow_sdz; from PIL import Image; Image.open({str(path)!r}).load()"
        first = seconds(lambda: subprocess.run([sys.executable, "-c", code], check=True))
    return first, seconds(lambda: subprocess.run([sys.executable, "-c", "import torch"], check=True))


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, help=__doc__)
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--large", is_flag=True, help="also 24 megapixels (about a minute)")
@click.option("--large-only", is_flag=True, hidden=True)
def main(paths: tuple[Path, ...], large: bool, large_only: bool) -> None:
    """The command; its help is the module's docstring."""
    if large_only:
        large_round_trip()
        return
    images = pictures(paths)
    files = [saved(image, "SDZ") for image in images]
    for data in files:
        decoded(data)  # loads the model
    rate = matmul_rate()
    encode = [encode_seconds(image, "SDZ") for image in images]
    decode = [decode_seconds(data) for data in files]
    avif = [saved(image, "AVIF", quality=AVIF_QUALITY) for image in images]
    avif_encode = statistics.median(encode_seconds(image, "AVIF", quality=AVIF_QUALITY) for image in images)
    avif_decode = statistics.median(decode_seconds(data) for data in avif)
    first, bare = first_decode_seconds(files[0])

    mean = statistics.fmean(len(data) for data in files)
    click.echo(f"matrix rate, float32         {rate:8.0f} GFLOP/s")
    click.echo(f"bytes of {len(files)} pictures          {mean:8.0f} mean, {mean * 8 / SIDE**2:.4f} bpp")
    for name, times, other in (("encode", encode, avif_encode), ("decode", decode, avif_decode)):
        worst, middle = max(times), statistics.median(times)
        ratio = f"{middle / other:.1f} x AVIF's"
        click.echo(f"{name} 512x512, warm          {middle:8.3f} s median, {worst:.3f} s worst, {ratio}")
    click.echo(f"first decode, fresh process  {first:8.2f} s = {first / bare:.2f} x a bare import torch ({bare:.2f} s)")
    if large:
        command = [sys.executable, __file__, "--large-only"]
        row = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        peak = f"peak {row['peak MiB'] or float('nan'):.0f} MiB"
        seconds_taken = f"{row['encode']:8.1f} s encode, {row['decode']:.1f} s decode"
        click.echo(f"24 megapixels                {seconds_taken}, {peak}, {row['bytes']:,} bytes")


if __name__ == "__main__":
    main()
