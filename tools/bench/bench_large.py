"""Seconds and peak memory by the size of the picture: encoding, decoding and a thumbnail, each in a fresh process.

    python tools/bench/bench_large.py [--effort N] [--megapixels N ...] [PHOTO]

Prints a table for 1, 4, 12, 24 and 100 megapixels. The picture is the given photo, or scikit-image's, scaled to the
size. Memory is the peak of the process less the picture itself as 8-bit RGB, so Python, Pillow, torch and the model are
in it. With --profile, also how the time of decoding one tile is divided among torch's operations, and how fast its
convolutions are beside a product of large matrices.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import click
import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2]))  # where a script finds the packages pillow_sdz and tools

import pillow_sdz  # noqa: F401  registers the format
from tools.bench.photos import sample
from tools.bench.resources import peak_memory, seconds

MEGAPIXELS: Final = (1, 4, 12, 24, 100)
ASPECT: Final = 3 / 2
"""Width divided by height, as cameras have it."""

THUMBNAIL: Final = 256
"""Longest side of the thumbnail in pixels."""

ACTIONS: Final = ("encode", "decode", "thumbnail")

PROFILED_SIDE: Final = 1024
"""Side in pixels of the picture that is profiled: that of a tile."""


def size_of(megapixels: float) -> tuple[int, int]:
    """Width and height in pixels, multiples of 8.

    >>> size_of(24)
    (6000, 4000)
    """
    height = round((megapixels * 1e6 / ASPECT) ** 0.5 / 8) * 8
    return round(height * ASPECT / 8) * 8, height


def run(action: str, path: Path, effort: int) -> None:
    """Do one action with a picture in this process, and print its seconds and its peak memory, as JSON."""
    Image.MAX_IMAGE_PIXELS = None
    with Image.open(path) as image:
        if action == "encode":
            image.load()
        start = time.perf_counter()
        if action == "encode":
            image.save(path.with_suffix(".sdz"), effort=effort)
        elif action == "decode":
            image.load()
        else:
            image.thumbnail((THUMBNAIL, THUMBNAIL))
    click.echo(json.dumps([time.perf_counter() - start, peak_memory()]))


def profile() -> None:
    """Print how the time of decoding a tile is divided, and how fast convolutions and matrix products are."""
    import torch
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as profiled

    from pillow_sdz.models import registry
    from pillow_sdz.models.runtime import decoding_dtype

    manifest, number_type = registry.find("tiny"), decoding_dtype("cpu")
    model = registry.load(manifest, "cpu", number_type)
    side = PROFILED_SIDE // manifest.codes.factor
    latents = np.random.default_rng(0).normal(0, 1, (side, side, manifest.codes.channels)).astype(np.float32)

    def decode() -> None:
        model.decode(model.denoise(latents, manifest.codes.step, 1), PROFILED_SIDE, PROFILED_SIDE)

    decode()
    with profiled(activities=[ProfilerActivity.CPU], with_flops=True) as found:
        decode()
    rows = sorted(found.key_averages(), key=lambda row: -row.self_cpu_time_total)
    total = sum(row.self_cpu_time_total for row in rows)
    click.echo(f"\none tile of {PROFILED_SIDE} x {PROFILED_SIDE} pixels, {number_type}: {total / 1e6:.2f} s")
    for row in rows[:6]:
        click.echo(f"  {row.key:28} {row.self_cpu_time_total / total:6.1%}")
    convolutions = sum(row.flops for row in rows if row.flops)
    taken = sum(row.self_cpu_time_total for row in rows if "convolution" in row.key) / 1e6
    a = torch.ones(2048, 2048, dtype=getattr(torch, number_type))
    with torch.inference_mode():
        rate = 2 * 2048**3 / seconds(lambda: a @ a, 9) / 1e9
    click.echo(f"  convolutions: {convolutions / taken / 1e9:.0f} GFLOP/s; a product of large matrices: {rate:.0f}")


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, help=__doc__)
@click.argument("photo", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--effort", default=4, show_default=True, help="of encoding, 0 to 9")
@click.option("--megapixels", "sizes", multiple=True, type=float, default=MEGAPIXELS, show_default=True)
@click.option("--profile", "profiling", is_flag=True, help="also profile the decoding of one tile")
@click.option("--run", "action", type=click.Choice(ACTIONS), hidden=True)
def main(photo: Path | None, effort: int, sizes: tuple[float, ...], profiling: bool, action: str | None) -> None:
    """The command; its help is the module's docstring."""
    if action is not None and photo is not None:
        run(action, photo, effort)
        return
    source = sample() if photo is None else Image.open(photo).convert("RGB")
    click.echo("| megapixels | " + " | ".join(f"{name}, s | MiB" for name in ACTIONS) + " |")
    click.echo("|---" * (1 + 2 * len(ACTIONS)) + "|")
    with tempfile.TemporaryDirectory() as folder:
        for megapixels in sizes:
            width, height = size_of(megapixels)
            picture = Path(folder) / "picture.ppm"
            source.resize((width, height), Image.Resampling.BICUBIC).save(picture)
            row = [f"{megapixels:g}"]
            for name in ACTIONS:
                path = picture if name == "encode" else picture.with_suffix(".sdz")
                command = [sys.executable, __file__, str(path), "--run", name, "--effort", str(effort)]
                taken, peak = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
                pixels = 0 if name == "thumbnail" else width * height * 3 / (1 << 20)
                row += [f"{taken:.2f}", "" if peak is None else f"{peak - pixels:.0f}"]
            click.echo("| " + " | ".join(row) + " |")
    if profiling:
        profile()


if __name__ == "__main__":
    main()
