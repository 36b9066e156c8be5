"""What the guard costs: time of encoding with it and without, beside that of decoding once.

    python tools/bench/bench_guard.py PHOTO ...

For each photo, with default options: medians of the time in seconds of saving without and with the guard and of
loading, what the guard adds, less one decoding, as a share of the time without it, and the bytes of both files. Other
processes distort these figures: quit them first.
"""

from __future__ import annotations

import io
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2]))  # where a script finds the packages pillow_sdz and tools

import pillow_sdz  # noqa: F401  registers the format
from pillow_sdz.evaluation.codecs import saved
from tools.bench.photos import files, plain
from tools.bench.resources import seconds

if TYPE_CHECKING:
    from collections.abc import Sequence


def costs(photo: Image.Image, repeats: int) -> tuple[float, float, float]:
    """Median times in seconds of saving without and with the guard, and of loading the latter's file."""
    data = saved(photo, "SDZ")

    def load() -> None:
        with Image.open(io.BytesIO(data)) as image:
            image.load()

    load()
    return (
        seconds(lambda: saved(photo, "SDZ", guard=False), repeats),
        seconds(lambda: saved(photo, "SDZ"), repeats),
        seconds(load, repeats),
    )


@click.command(help=__doc__)
@click.argument("photos", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--repeats", default=5, show_default=True, help="How often each is timed.")
def main(photos: Sequence[Path], repeats: int) -> None:
    """See the module's docstring."""
    click.echo("photo                      without  guarded  loading    added    bytes without, with")
    shares = []
    for path in files(photos):
        with Image.open(path) as image:
            photo = plain(image)
        without, guarded, load = costs(photo, repeats)
        shares.append((guarded - without - load) / without)
        sizes = f"{len(saved(photo, 'SDZ', guard=False))}, {len(saved(photo, 'SDZ'))}"
        click.echo(f"{path.name:26} {without:7.2f}  {guarded:7.2f}  {load:7.2f}  {shares[-1]:7.0%}    {sizes}")
    click.echo(f"added besides one decoding, median: {statistics.median(shares):.0%} of the time without the guard")


if __name__ == "__main__":
    main()
