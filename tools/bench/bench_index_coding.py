"""Bytes and times of every coding of palettes and index planes, on photos or on stored codes.

    python tools/bench/bench_index_coding.py [--model tiny] [--colors 16,64,128,256] PHOTO_OR_FOLDER ...
    python tools/bench/bench_index_coding.py CODES.npz      (one array of uint8 codes, (h, w, C), per picture)

Prints, per palette size, mean bytes per picture and processor milliseconds per 4,096 indices. Every coded plane and
palette is decoded again and compared. Effort 9 throughout.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import click
import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2]))  # where a script finds the packages pillow_sdz and tools

from pillow_sdz.coding.bitpack import bits_for, pack, unpack
from pillow_sdz.coding.deflate import deflate, inflate
from pillow_sdz.models import registry
from pillow_sdz.payloads.codes import to_codes
from pillow_sdz.payloads.palette import context_index_coder, palette_coder
from pillow_sdz.payloads.palette.quantise import palettise
from tools.bench.photos import files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

T = TypeVar("T")

EFFORT: Final = 9
"""The highest: smallest files."""

INDICES: Final = 4096
"""Indices that times are given for: those of a 512x512 picture at factor 8."""


def codes_of(path: Path, model_name: str) -> Iterator[NDArray[np.uint8]]:
    """The codes (h, w, C) of a photo under a model, or those that a .npz file holds."""
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            yield from arrays.values()
        return
    manifest = registry.find(model_name)
    model = registry.load(manifest)
    with Image.open(path) as picture:
        rgb = np.array(picture.convert("RGB"))
    yield to_codes(model.encode(rgb), manifest.codes.step)


class Totals:
    """Sums of bytes and processor seconds over pictures, by coding."""

    def __init__(self) -> None:
        self.pictures = 0
        self.positions = 0
        self.bytes: defaultdict[str, int] = defaultdict(int)
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def timed(self, name: str, action: Callable[[], T]) -> T:
        """Run an action and add its processor time."""
        start = time.process_time()
        result = action()
        self.seconds[name] += time.process_time() - start
        return result

    def add(self, palette: NDArray[np.uint8], indices: NDArray[np.uint16]) -> None:
        """Code a palette (N, C) in canonical order and an index plane (h, w) in every way.

        Raises:
            AssertionError: what was decoded differs from what was encoded.
        """
        self.pictures += 1
        self.positions += indices.size
        height, width = indices.shape
        entries, channels = palette.shape
        count, bits = indices.size, bits_for(entries)
        packed = self.timed("raw encode", lambda: pack(indices, bits))
        self.timed("raw decode", lambda: unpack(packed, count, bits))
        flat = indices.astype(np.uint8).tobytes() if entries <= 256 else packed
        deflated = self.timed("deflate encode", lambda: deflate(flat, EFFORT))
        self.timed("deflate decode", lambda: inflate(deflated, len(flat), field="indices"))
        context = self.timed("context encode", lambda: context_index_coder.encode(indices, palette))
        decoded = self.timed("context decode", lambda: context_index_coder.decode(context, (height, width), palette))
        if not (decoded == indices).all():
            raise AssertionError("the context coder is not lossless")
        coding, compact = self.timed("palette encode", lambda: palette_coder.encode(palette))
        back = self.timed("palette decode", lambda: palette_coder.decode(coding, compact, entries, channels))
        if not (back == palette).all():
            raise AssertionError("the palette coder is not lossless")
        sizes = {"raw": packed, "deflate": deflated, "context": context, "compact palette": compact}
        for name, data in sizes.items():
            self.bytes[name] += len(data)
        self.bytes["raw palette"] += palette.size

    def print(self, colors: int) -> None:
        """Print the means for a palette size."""
        click.echo(f"\n{colors} entries, {self.pictures} pictures, {self.positions} positions")
        for name, size in self.bytes.items():
            mean, bits = size / self.pictures, 8 * size / self.positions
            click.echo(f"  {name:16} {mean:10.1f} bytes  {bits:7.4f} bits per position")
        before = self.bytes["deflate"] + self.bytes["raw palette"]
        after = self.bytes["context"] + self.bytes["compact palette"]
        click.echo(f"  context + compact palette against deflate + raw palette: {100 * (after / before - 1):+.1f} %")
        for name, seconds in self.seconds.items():
            milliseconds = 1e3 * seconds * INDICES / self.positions
            click.echo(f"  {name:16} {milliseconds:10.2f} ms per {INDICES} indices")


@click.command(help=__doc__)
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--model", default="tiny", show_default=True)
@click.option("--colors", default="16,64,128,256", show_default=True, help="palette sizes, separated by commas")
def main(paths: tuple[Path, ...], model: str, colors: str) -> None:
    """The command; its help is the module's docstring."""
    totals = {int(number): Totals() for number in colors.split(",")}
    for path in files(paths):
        for codes in codes_of(path, model):
            for number, each in totals.items():
                each.add(*palette_coder.canonical_order(*palettise(codes, number, EFFORT)))
    for number, each in totals.items():
        each.print(number)


if __name__ == "__main__":
    main()
