"""Encode and decode times and peak memory of the default model, beside what this machine can do.

    python tools/bench/bench_speed.py [--large] [PHOTO ...]

Prints, in one run: the machine's float32 matrix rate, the time of a bare ``import torch``, a cold first decode in a
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

import click
import numpy as np
from PIL import Image, ImageOps

from pillow_sdz.evaluation.codecs import decoded, saved
from timing import matmul_rate, peak_memory, seconds

SIDE = 512
LARGE = (6000, 4000)


def pictures(paths: tuple[Path, ...]) -> list[Image.Image]:
    """Five pictures of 512x512."""
    if not paths:
        import skimage.data

        found = [
            Image.fromarray(getattr(skimage.data, n)()) for n in ("astronaut", "coffee", "rocket", "chelsea", "retina")
        ]
    else:
        found = [Image.open(path) for path in paths]
    return [ImageOps.fit(image.convert("RGB"), (SIDE, SIDE)) for image in found][:5]


def large_round_trip() -> None:
    """Encode and decode 24 megapixels; prints one JSON object. Runs in a process of its own, for its peak memory."""
    import skimage.data

    import pillow_sdz  # noqa: F401

    image = Image.fromarray(skimage.data.astronaut()).resize(LARGE, Image.Resampling.BICUBIC)
    start = time.perf_counter()
    data = saved(image, "SDZ")
    middle = time.perf_counter()
    del image
    decoded(data)
    end = time.perf_counter()
    click.echo(
        json.dumps({"bytes": len(data), "encode": middle - start, "decode": end - middle, "peak MiB": peak_memory()})
    )


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, help=__doc__)
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--large", is_flag=True, help="also 24 megapixels (about a minute)")
@click.option("--large-only", is_flag=True, hidden=True)
def main(paths: tuple[Path, ...], large: bool, large_only: bool) -> None:
    if large_only:
        large_round_trip()
        return
    import pillow_sdz  # noqa: F401

    images = pictures(paths)
    files = [saved(image, "SDZ") for image in images]
    for data in files:
        decoded(data)
    rate = matmul_rate()
    encode = [seconds(lambda image=image: saved(image, "SDZ")) for image in images]
    decode = [seconds(lambda data=data: decoded(data)) for data in files]
    avif = [saved(image, "AVIF", quality=20) for image in images]
    avif_encode = statistics.median(seconds(lambda image=image: saved(image, "AVIF", quality=20)) for image in images)
    avif_decode = statistics.median(seconds(lambda data=data: decoded(data)) for data in avif)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.sdz"
        path.write_bytes(files[0])
        cold = f"import pillow_sdz; from PIL import Image; Image.open({str(path)!r}).load()"
        first = seconds(lambda: subprocess.run([sys.executable, "-c", cold], check=True))
    bare = seconds(lambda: subprocess.run([sys.executable, "-c", "import torch"], check=True))

    click.echo(f"matrix rate, float32         {rate:8.0f} GFLOP/s")
    click.echo(
        f"bytes of {len(files)} pictures          {np.mean([len(f) for f in files]):8.0f} mean, {np.mean([len(f) for f in files]) * 8 / SIDE**2:.4f} bpp"
    )
    for name, times, other in (("encode", encode, avif_encode), ("decode", decode, avif_decode)):
        worst, middle = max(times), statistics.median(times)
        click.echo(
            f"{name} 512x512, warm          {middle:8.3f} s median, {worst:.3f} s worst, {middle / other:.1f} x AVIF's"
        )
    click.echo(f"first decode, fresh process  {first:8.2f} s = {first / bare:.2f} x a bare import torch ({bare:.2f} s)")
    if large:
        output = subprocess.run(
            [sys.executable, __file__, "--large-only"], check=True, capture_output=True, text=True
        ).stdout
        row = json.loads(output)
        click.echo(
            f"24 megapixels                {row['encode']:8.1f} s encode, {row['decode']:.1f} s decode, peak {row['peak MiB'] or float('nan'):.0f} MiB, {row['bytes']:,} bytes"
        )


if __name__ == "__main__":
    main()
