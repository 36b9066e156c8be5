"""Decode the same files on the CPU and on an accelerator: pixels, and seconds.

    python tools/bench/bench_device.py [--device cuda] [--sides 512,2000,4900] [--stable-diffusion] [PHOTO]

Each file is decoded on the CPU in float32, then on the accelerator in float32, bfloat16 and float16: the largest
difference of a pixel value from the first, and the median time of three. Codes are decoded in whole numbers on the CPU
and do not depend on the device; that is checked. With --stable-diffusion it does the same with networks of Stable
Diffusion 1.5's sizes and random weights, which need pip install '.[sd]' and 4 GB of disk. Without an accelerator it
says so and stops.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2]))  # where a script finds the packages pillow_sdz and tools

import pillow_sdz
from pillow_sdz.codec import file as sdz_file
from pillow_sdz.evaluation.codecs import saved
from pillow_sdz.options import DTYPES
from tools.bench.bench_stable_diffusion import NAME, TEXT, UNET, VAE, write_checkpoint
from tools.bench.photos import sample, square
from tools.bench.resources import matmul_rate, seconds

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDES: Final = "512,2000,4900"
"""Sides of the squares: 0.26, 4 and 24 megapixels."""


def accelerator() -> str | None:
    """Torch's name of the accelerator, or None where there is none."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else None


def decoded_on(data: bytes, device: str, dtype: str) -> NDArray[np.int16]:
    """The pixels of a file, decoded on a device in a number type."""
    with Image.open(io.BytesIO(data)) as image:
        assert isinstance(image, pillow_sdz.SdzImageFile)
        image.device, image.dtype = device, dtype
        return np.array(image.convert("RGB")).astype(np.int16)


def rows(data: bytes, device: str, repeat: int) -> list[tuple[str, int, float]]:
    """Decode a file in every way: (device and number type, largest difference of a pixel value, seconds)."""
    expected = decoded_on(data, "cpu", "float32")
    result = [("cpu float32", 0, seconds(lambda: decoded_on(data, "cpu", "float32"), repeat))]
    for dtype in DTYPES:
        found = decoded_on(data, device, dtype)  # loads the model, too, before the time is taken
        time = seconds(lambda dtype=dtype: decoded_on(data, device, dtype), repeat)  # type: ignore[misc]
        result.append((f"{device} {dtype}", int(np.abs(found - expected).max()), time))
    return result


def codes_agree(data: bytes, device: str) -> bool:
    """Whether the codes of a file are the same before and after the device was used."""
    before = sdz_file.read(data).codes()
    decoded_on(data, device, "float32")
    return bool(np.array_equal(before, sdz_file.read(data).codes()))


def report(model: str, picture: Image.Image, device: str, repeat: int) -> None:
    """Print the rows of one picture."""
    data = saved(picture, "SDZ", model=model)
    click.echo(f"{model}, {picture.width}x{picture.height} pixels, {len(data):,} bytes")
    click.echo(f"  codes {'identical' if codes_agree(data, device) else 'DIFFER'}")
    for name, difference, time in rows(data, device, repeat):
        click.echo(f"  {name:16} largest difference {difference:3}   {time:8.3f} s")


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, help=__doc__)
@click.argument("photo", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--device", help="torch's name of the accelerator  [default: cuda or mps, where there is one]")
@click.option("--sides", default=SIDES, show_default=True, help="sides of the pictures in pixels, with commas")
@click.option("--repeat", default=3, show_default=True, type=click.IntRange(1), help="times that each is decoded")
@click.option("--stable-diffusion", is_flag=True, help="networks of Stable Diffusion's sizes as well")
def main(photo: Path | None, device: str | None, sides: str, repeat: int, stable_diffusion: bool) -> None:
    """The command; its help is the module's docstring."""
    device = device or accelerator()
    if device is None:
        click.echo("no accelerator: torch finds neither CUDA nor MPS; nothing was compared")
        return
    pictures = [square(photo or sample(), int(side)) for side in sides.split(",")]
    if device != "cpu":
        click.echo(
            f"float32 matrix products at {matmul_rate():.0f} GFLOP/s on the CPU, {matmul_rate(device):.0f} on {device}"
        )
    for picture in pictures:
        report("tiny", picture, device, repeat)
    if stable_diffusion:
        from pillow_sdz.models.checkpoints.add import add_model

        with tempfile.TemporaryDirectory() as folder:
            os.environ["PILLOW_SDZ_MODELS"] = str(Path(folder) / "models")
            write_checkpoint(Path(folder) / "checkpoint", UNET, VAE, TEXT)
            add_model(NAME, Path(folder) / "checkpoint")
            report(NAME, pictures[0], device, repeat)


if __name__ == "__main__":
    main()
