"""Bytes and times of every coding of palettes and index planes, on photos or on stored codes.

    python tools/bench/bench_index_coding.py [--model tiny] [--colors 16,64,128,256] PHOTO_OR_FOLDER ...
    python tools/bench/bench_index_coding.py CODES.npz      (one array of uint8 codes, (h, w, C), per picture)

Prints, per palette size, mean bytes per picture and processor milliseconds per 4,096 indices. Every coded plane and
palette is decoded again and compared. Effort 9 throughout.
"""

from __future__ import annotations

import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from PIL import Image

from photos import files
from pillow_sdz.coding.bitpack import bits_for, pack, unpack
from pillow_sdz.coding.deflate import deflate, inflate
from pillow_sdz.payloads.codes import to_codes
from pillow_sdz.payloads.palette import context_coder as context_coding
from pillow_sdz.payloads.palette import palette_coder as palette_coding
from pillow_sdz.payloads.palette.quantise import palettise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

EFFORT = 9


def codes_of(path: Path, model_name: str) -> Iterator[NDArray[np.uint8]]:
    """The codes of a photo under a model, or those that a .npz file holds."""
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            yield from arrays.values()
        return
    from pillow_sdz.models import registry
    from pillow_sdz.models.model import DEFAULT_TILE

    manifest = registry.find(model_name)
    model = registry.load(manifest)
    with Image.open(path) as picture:
        rgb = np.asarray(picture.convert("RGB"))
    yield to_codes(model.encode(rgb, DEFAULT_TILE), manifest.codes.step)


class Table:
    """Sums of bytes and seconds by column."""

    def __init__(self) -> None:
        self.pictures = 0
        self.positions = 0
        self.bytes: defaultdict[str, int] = defaultdict(int)
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def timed(self, name: str, action: Callable[[], Any]) -> Any:
        start = time.process_time()
        result = action()
        self.seconds[name] += time.process_time() - start
        return result

    def add(self, palette: NDArray[np.uint8], indices: NDArray[np.uint16]) -> None:
        self.pictures += 1
        self.positions += indices.size
        count, bits, narrow = indices.size, bits_for(len(palette)), len(palette) <= 256
        packed = self.timed("raw encode", lambda: pack(indices, bits))
        self.timed("raw decode", lambda: unpack(packed, count, bits))
        flat = indices.astype(np.uint8).tobytes() if narrow else packed
        deflated = self.timed("deflate encode", lambda: deflate(flat, EFFORT))
        self.timed("deflate decode", lambda: inflate(deflated, len(flat), field="indices", file="bench"))
        context = self.timed("context encode", lambda: context_coding.encode(indices, palette))
        back = self.timed("context decode", lambda: context_coding.decode(context, indices.shape, palette, "bench"))
        if not (back == indices).all():
            raise AssertionError("the context coder lost something")
        coding, compact = self.timed("palette encode", lambda: palette_coding.encode(palette))
        back = self.timed("palette decode", lambda: palette_coding.decode(coding, compact, *palette.shape, "bench"))
        if not (back == palette).all():
            raise AssertionError("the palette coder lost something")
        sizes = {"raw": packed, "deflate": deflated, "context": context, "compact palette": compact}
        for name, data in sizes.items():
            self.bytes[name] += len(data)
        self.bytes["raw palette"] += palette.size

    def print(self, colors: int) -> None:
        print(f"\n{colors} entries, {self.pictures} pictures, {self.positions} positions")
        for name, total in self.bytes.items():
            print(
                f"  {name:16} {total / self.pictures:10.1f} bytes  {8 * total / self.positions:7.4f} bits per position"
            )
        before, after = (
            self.bytes["deflate"] + self.bytes["raw palette"],
            self.bytes["context"] + self.bytes["compact palette"],
        )
        print(f"  context + compact palette against deflate + raw palette: {100 * (after / before - 1):+.1f} %")
        for name, total in self.seconds.items():
            print(f"  {name:16} {4096e3 * total / self.positions:10.2f} ms per 4096 indices")


@click.command(help=__doc__)
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--model", default="tiny", show_default=True)
@click.option("--colors", default="16,64,128,256", show_default=True)
def main(paths: tuple[Path, ...], model: str, colors: str) -> None:
    tables = {int(number): Table() for number in colors.split(",")}
    for path in files(paths):
        for codes in codes_of(path, model):
            for number, table in tables.items():
                table.add(*palette_coding.canonical_order(*palettise(codes, number, EFFORT)))
    for number, table in tables.items():
        table.print(number)


if __name__ == "__main__":
    main()
