"""What ``sdz-convert --engine ray`` does on this machine, in one run: speed, a killed process, memory, the manifest.

    python tools/bench/bench_ray.py --photos FOLDER [--count N] [--killed N] [--small N]

Prints the throughput of ``--engine ray`` with a local Ray and of ``-j 2`` on the same photos, and their ratio; what is
there after one of Ray's processes was killed (kill -9) when a third of the files was done; the memory of all processes
while many small pictures are converted; and the manifest's first rows. Ends with 1 if a bound is missed: both ways make
files of the same names, Ray at least 0.9 as many a second; nothing is lost after the kill; all small pictures are
converted, and the peak of memory in the last third of them is at most 1.1 times that in the second.
Needs ``pip install '.[ray]' psutil``.
"""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

sys.path.insert(0, str(Path(__file__).parents[2]))  # where a script finds the packages pillow_sdz and tools

from PIL import Image, ImageOps

import pillow_sdz  # noqa: F401  registers the format

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".webp")
SMALL: Final = (64, 64)
SAMPLE_SECONDS: Final = 1.0
LEAST_RATIO: Final = 0.9
"""Files per second of Ray, by those of ``-j 2``."""

MOST_GROWTH: Final = 1.1
"""Peak of memory in the last third of the small pictures, by that in the second."""

PROCESS_NAME: Final = "MapWorker"
"""In the names of the processes that convert, which Ray sets."""


@dataclass
class Run:
    """One run of ``sdz-convert``; times in seconds since it was started.

    Attributes:
        results: when each file was done or had failed.
        started: when Ray said that it was ready; 0 without Ray.
        end: when the program had ended.
        code: its exit code.
        memory: times, and MiB of the program and all its descendants then.
        other: lines on standard error that are about no file.
    """

    results: list[float] = field(default_factory=list)
    started: float = 0.0
    end: float = 0.0
    code: int | None = None
    memory: list[tuple[float, float]] = field(default_factory=list)
    other: list[str] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Files per second from the start, or from Ray's, to the last result; the models' loading is part of it."""
        return len(self.results) / (self.results[-1] - self.started)

    @property
    def steady_rate(self) -> float:
        """Files per second between the first result and the last."""
        return (len(self.results) - 1) / max(self.results[-1] - self.results[0], 1e-9)


def convert(*arguments: str, watch: Callable[[Run, Any], None] | None = None, sample: bool = False) -> Run:
    """Run ``sdz-convert``.

    Args:
        arguments: of the program.
        watch: called after each result, with the run and psutil's process.
        sample: whether to measure memory.
    """
    import psutil

    run, start = Run(), time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "pillow_sdz.cli", *arguments], stderr=subprocess.PIPE, text=True, errors="replace"
    )
    tree = psutil.Process(process.pid)
    if sample:
        threading.Thread(target=_sample, args=(run, tree, start), daemon=True).start()
    assert process.stderr is not None
    for line in process.stderr:
        now = time.perf_counter() - start
        if line.startswith("Ray: "):
            run.started = now
        if (" -> " in line and " bytes in " not in line) or line.startswith("sdz-convert: "):
            run.results.append(now)
            if watch is not None:
                watch(run, tree)
        else:
            run.other.append(line.rstrip())
    run.code = process.wait()
    run.end = time.perf_counter() - start
    return run


def _sample(run: Run, tree: Any, start: float) -> None:
    """Measure memory until the program ends. Shared memory counts once: in proportion for each process (PSS)."""
    import psutil

    while tree.is_running() and run.code is None:
        total = 0
        for process in [tree, *_descendants(tree)]:
            try:
                found = process.memory_full_info()
            except psutil.Error:  # it has ended meanwhile
                continue
            total += getattr(found, "pss", found.uss)
        run.memory.append((time.perf_counter() - start, total / (1 << 20)))
        time.sleep(SAMPLE_SECONDS)


def _descendants(tree: Any) -> list[Any]:
    import psutil

    try:
        found: list[Any] = tree.children(recursive=True)
    except psutil.Error:
        return []
    return found


def photos_in(folder: Path, count: int) -> list[Path]:
    """The first pictures in a folder, by name."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if len(found) < count:
        raise click.UsageError(f"{folder} has {len(found)} photos, fewer than {count}")
    return found[:count]


def throughput(source: Path, work: Path) -> dict[str, bool]:
    """Convert a folder both ways; prints both rates and returns what has to hold, and whether it does."""
    threads = convert("-r", "-j", "2", str(source), "-o", str(work / "threads"))
    ray = convert("--engine", "ray", "-j", "2", str(source), "-o", str(work / "ray"))
    for run in (threads, ray):
        if run.code != 0:
            raise click.ClickException("\n".join(["a run has failed:", *run.other]))
    click.echo(f"-j 2           {threads.rate:.3f} files/s ({len(threads.results)} in {threads.results[-1]:.1f} s)")
    seconds = ray.results[-1] - ray.started
    click.echo(f"--engine ray   {ray.rate:.3f} files/s ({len(ray.results)} in {seconds:.1f} s)")
    click.echo(
        f"               besides: {ray.started:.1f} s until Ray has started, {ray.end - ray.results[-1]:.1f} s to end;"
        f" first result {ray.results[0] - ray.started:.1f} s after the start (-j 2: {threads.results[0]:.1f} s)"
    )
    click.echo(f"ratio          {ray.rate / threads.rate:.3f}; files between first and last result alone:")
    click.echo(f"               {ray.steady_rate / threads.steady_rate:.3f}")
    return {
        "the same names of outputs both ways": outputs(work / "threads") == outputs(work / "ray"),
        f"at least {LEAST_RATIO} of the throughput": ray.rate / threads.rate >= LEAST_RATIO,
    }


def outputs(folder: Path) -> list[str]:
    """Names of the .sdz files below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.sdz"))


def kill_test(source: Path, work: Path, count: int) -> dict[str, bool]:
    """Convert a folder and kill a process on the way; prints what is there, and returns as `throughput` does."""
    import pandas as pd

    killed: list[int] = []

    def watch(run: Run, tree: Any) -> None:
        if len(run.results) >= max(1, count // 3) and not killed:
            victim = next(process for process in _descendants(tree) if PROCESS_NAME in " ".join(process.cmdline()))
            victim.kill()
            killed.append(victim.pid)

    folder = work / "killed"
    run = convert("--engine", "ray", str(source), "-o", str(folder), watch=watch)
    whole = [path for path in folder.rglob("*.sdz") if opens(path)]
    left = [path.name for path in folder.rglob("*.tmp")]
    table = pd.read_parquet(folder / "_sdz_manifest")
    rows = table[table["status"] == "done"]["output"]
    click.echo(f"kill -9        process {killed}; exit code {run.code}; {len(whole)} of {count} outputs open")
    click.echo(f"               {len(left)} temporary files; {len(rows)} rows of status done, {rows.nunique()} outputs")
    whole_run = run.code == 0 and not left and len(whole) == len(rows) == rows.nunique() == count
    return {"nothing was lost after the kill": bool(killed) and whole_run}


def opens(path: Path) -> bool:
    """Whether a file can be decoded."""
    try:
        with Image.open(path) as image:
            image.load()
    except OSError:
        return False
    return True


def small_pictures(photos: Sequence[Path], folder: Path, count: int) -> None:
    """Make small pictures of the photos, as PNG, in some folders."""
    for number in range(count):
        place = folder / f"{number % 10}"
        place.mkdir(parents=True, exist_ok=True)
        with Image.open(photos[number % len(photos)]) as photo:
            photo.draft("RGB", (4 * SMALL[0], 4 * SMALL[1]))
            ImageOps.fit(photo.convert("RGB"), SMALL).save(place / f"{number:06}.png")


def memory(source: Path, work: Path, count: int, options: Sequence[str]) -> dict[str, bool]:
    """Convert many small pictures; prints the peak memory in each third of the files, and returns as `throughput`."""
    run = convert("--engine", "ray", *options, str(source), "-o", str(work / "small"), sample=True)
    if not run.results:
        raise click.ClickException("\n".join(["a run has failed:", *run.other]))
    done = len(outputs(work / "small"))
    click.echo(
        f"{count} pictures of {SMALL[0]}x{SMALL[1]}   exit code {run.code}, {done} outputs, {run.rate:.1f} files/s"
    )
    whole = {"all small pictures were converted": run.code == 0 and done == count}
    peaks = {}
    third = max(1, len(run.results) // 3)
    bounds = [run.results[0], run.results[third], run.results[min(2 * third, len(run.results) - 1)], run.end]
    for name, start, end in zip(("start", "middle", "end"), bounds, bounds[1:], strict=False):
        peaks[name] = max((size for when, size in run.memory if start <= when <= end), default=math.nan)
        click.echo(f"               peak of all processes, {name}: {peaks[name]:.0f} MiB")
    grown = f"at most {MOST_GROWTH} of the memory at the end"
    return whole | {grown: peaks["end"] <= MOST_GROWTH * peaks["middle"]}  # False where nothing was measured


def head(folder: Path) -> None:
    """Print the first rows of a manifest."""
    import pandas as pd

    table = pd.read_parquet(folder / "_sdz_manifest").drop(columns=["path", "notes"])
    click.echo(f"manifest, {len(table)} rows:")
    click.echo(table.head(5).to_string(index=False, float_format="%.3f"))


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, help=__doc__)
@click.option("--photos", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--count", default=100, show_default=True, help="photos for the throughput")
@click.option("--killed", default=30, show_default=True, help="photos for the run in which a process is killed")
@click.option("--small", default=2000, show_default=True, help="small pictures for the memory; 0 leaves it out")
@click.option("--small-options", default="", help="options of sdz-convert for the small pictures, as '--effort 2'")
def main(photos: Path, count: int, killed: int, small: int, small_options: str) -> None:
    """The command; its help is the module's docstring."""
    found = photos_in(photos, max(count, killed))
    with tempfile.TemporaryDirectory(prefix="bench-ray-") as name:
        work = Path(name)
        for folder, number in (("photos", count), ("for_kill", killed)):
            (work / folder).mkdir()
            for path in found[:number]:
                (work / folder / path.name).symlink_to(path.resolve())
        bounds = throughput(work / "photos", work) | kill_test(work / "for_kill", work, killed)
        if small:
            small_pictures(found, work / "pictures", small)
            bounds |= memory(work / "pictures", work, small, small_options.split())
        head(work / "ray")
    sys.exit(judged(bounds))


def judged(bounds: Mapping[str, bool]) -> int:
    """Print what has to hold, and whether it does; returns the exit code."""
    for what, holds in bounds.items():
        click.echo(f"{'yes' if holds else 'NO':<5}{what}")
    return 0 if all(bounds.values()) else 1


if __name__ == "__main__":
    main()
