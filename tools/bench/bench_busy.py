"""What other busy processes cost, and what several threads in one process gain, as ratios within one run.

    python tools/bench/bench_busy.py [--nice N] [PHOTO ...]

Prints, for pictures of 512x512 pixels: encoding and decoding on a quiet machine and beside one and two processes that
do nothing but compute; opening eight files by 1, 2, 4 and 8 threads of one process, with its peak memory; and
``sdz-convert -j 1`` and ``-j 2`` on twelve files. Pictures are the given photos, or scikit-image's.
"""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

sys.path.insert(0, str(Path(__file__).parents[2]))  # where a script finds the packages pillow_sdz and tools

import pillow_sdz  # noqa: F401  registers the format
from pillow_sdz.evaluation.codecs import decoded, saved
from tools.bench.bench_speed import pictures
from tools.bench.resources import peak_memory, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from PIL import Image

NEIGHBOURS: Final = (0, 1, 2)
"""Numbers of busy processes."""

ROUNDS: Final = 5
"""How often each number of neighbours is measured, in turn: so all see the same changes of the machine's speed."""

THREADS: Final = (1, 2, 4, 8)
LOADS: Final = 8
"""Files that the threads open in all."""

CONVERSIONS: Final = 12
"""Files that ``sdz-convert`` converts."""

_BUSY: Final = "import os, sys; os.nice(int(sys.argv[1]))\nwhile True: pass"


@contextlib.contextmanager
def neighbours(count: int, niceness: int) -> Iterator[None]:
    """Within the block, ``count`` other processes compute without a pause."""
    processes = [subprocess.Popen([sys.executable, "-c", _BUSY, str(niceness)]) for _ in range(count)]
    try:
        if count:
            time.sleep(0.3)  # until they have started
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def beside_neighbours(image: Image.Image, data: bytes, niceness: int) -> dict[str, list[float]]:
    """Median seconds of encoding and decoding for each number of neighbours."""
    actions = {"encode": lambda: saved(image, "SDZ"), "decode": lambda: decoded(data)}
    times: dict[str, list[list[float]]] = {name: [[] for _ in NEIGHBOURS] for name in actions}
    for _ in range(ROUNDS):
        for position, count in enumerate(NEIGHBOURS):
            with neighbours(count, niceness):
                for name, action in actions.items():
                    times[name][position].append(seconds(action, 1))
    return {name: [statistics.median(each) for each in rows] for name, rows in times.items()}


def in_threads(files: Sequence[bytes], threads: int) -> float:
    """Seconds of opening `LOADS` files by a number of threads."""
    work = [files[number % len(files)] for number in range(LOADS)]
    with ThreadPoolExecutor(threads) as pool:
        return seconds(lambda: list(pool.map(decoded, work)))


def conversions(images: Sequence[Image.Image], jobs: int) -> float:
    """Seconds that ``sdz-convert -j`` takes for `CONVERSIONS` files."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}.png" for number in range(CONVERSIONS)]
        for number, path in enumerate(paths):
            images[number % len(images)].save(path)
        command = [sys.executable, "-m", "pillow_sdz.cli", "--quiet", "-j", str(jobs), *map(str, paths)]
        return seconds(lambda: subprocess.run(command, check=True), 1)


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, help=__doc__)
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--nice", "niceness", default=0, show_default=True, help="niceness of the busy processes, 0 to 19")
def main(paths: tuple[Path, ...], niceness: int) -> None:
    """The command; its help is the module's docstring."""
    images = pictures(paths)
    files = [saved(image, "SDZ") for image in images]
    decoded(files[0])  # loads the model in the number type of decoding
    for name, times in beside_neighbours(images[0], files[0], niceness).items():
        ratios = ", ".join(
            f"{count} busy {each:.2f} s ({each / times[0]:.1f} x)"
            for count, each in zip(NEIGHBOURS[1:], times[1:], strict=True)
        )
        click.echo(f"{name} 512x512   quiet {times[0]:.2f} s, {ratios}")
    first = None
    for threads in THREADS:
        taken = in_threads(files, threads)
        first = first or taken
        memory = peak_memory()
        peak = "" if memory is None else f", peak {memory:.0f} MiB"
        click.echo(f"{LOADS} files, {threads} threads   {taken:.2f} s, {first / taken:.2f} of one thread's speed{peak}")
    one, two = (conversions(images, jobs) for jobs in (1, 2))
    click.echo(f"sdz-convert, {CONVERSIONS} files   -j 1 {one:.1f} s, -j 2 {two:.1f} s, ratio {one / two:.2f}")


if __name__ == "__main__":
    main()
