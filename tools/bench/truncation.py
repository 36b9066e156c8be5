"""What a file shows whose end is missing: PSNR by the share of its bytes that is there, and a strip of pictures.

    python tools/bench/truncation.py [--effort N] [-o strip.webp] [PHOTO ...]

For each photo (its middle 512x512 pixels; scikit-image's astronaut where none is given) prints the PSNR against the
original at every 5 % of the file, and whether it ever falls with more bytes. The strip shows the first photo at 20, 40,
60, 80 and 100 %.
"""

from __future__ import annotations

import contextlib
import io
import sys
import warnings
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from PIL import Image, ImageFile

sys.path.insert(0, str(Path(__file__).parents[2]))  # where a script finds the packages pillow_sdz and tools

from pillow_sdz.errors import SdzTruncatedError
from pillow_sdz.evaluation.codecs import saved
from pillow_sdz.evaluation.metrics import psnr
from pillow_sdz.evaluation.sheet import sheet
from tools.bench.compare_sheet import photo, write
from tools.bench.photos import square

if TYPE_CHECKING:
    from collections.abc import Iterator

SIDE: Final = 512
"""Side of the pictures in pixels."""

SHARES: Final = tuple(range(5, 101, 5))
"""Shares of a file in per cent."""

SHOWN: Final = (20, 40, 60, 80, 100)
"""Shares that the strip shows."""

STRIP_SIDE: Final = 256
"""Side of the pictures of the strip in pixels."""


@contextlib.contextmanager
def truncated_files() -> Iterator[None]:
    """Within the block, Pillow opens files whose end is missing, without warnings."""
    before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def shown(data: bytes, share: int) -> Image.Image | None:
    """What the first ``share`` per cent of a file show, RGB; None if not even a first value is there."""
    try:
        with truncated_files(), Image.open(io.BytesIO(data[: round(len(data) * share / 100)])) as image:
            return image.convert("RGB")
    except SdzTruncatedError:
        return None


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, help=__doc__)
@click.argument("photos", nargs=-1)
@click.option("--effort", default=4, show_default=True, help="of encoding, 0 to 9")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="where to write the strip")
def main(photos: tuple[str, ...], effort: int, output: Path | None) -> None:
    """The command; its help is the module's docstring."""
    names = photos or ("astronaut",)
    files = []
    for name in names:
        image = square(photo(name), SIDE)
        data = saved(image, "SDZ", effort=effort)
        files.append(data)
        values = [None if part is None else psnr(image, part) for share in SHARES for part in [shown(data, share)]]
        known = [value for value in values if value is not None]
        falls = sum(later < earlier for earlier, later in pairwise(known))
        texts = " ".join("  -  " if value is None else f"{value:5.2f}" for value in values)
        click.echo(f"{Path(name).stem:20} {len(data):6,} bytes  {texts}  falls {falls} times")
    if output is not None:
        pieces = {
            f"{share} %, {round(len(files[0]) * share / 100):,} bytes": part.resize((STRIP_SIDE, STRIP_SIDE))
            for share in SHOWN
            if (part := shown(files[0], share)) is not None
        }
        write(sheet([pieces]), output)


if __name__ == "__main__":
    main()
