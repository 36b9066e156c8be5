"""Load the server on the loopback, check every answer, and compare its throughput with that of ``sdz-convert -j``.

    python tools/web_server/load_test.py --photos FOLDER [--requests 500] [--clients 16]

First a mix of requests, whose answers are all checked, and the server's memory after a fifth of them and at the end.
Then the same work for both: other photos are uploaded, and asked for as WebP, and ``sdz-convert`` encodes the same
photos and decodes the same files with as many threads and the same options. Exits with 1 if a figure misses its bound.
It needs ``pip install '.[server,test]'``.
"""

from __future__ import annotations

import contextlib
import io
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import httpx2
from PIL import Image, ImageOps

sys.path.insert(0, str(Path(__file__).parents[2]))  # where a script finds the packages pillow_sdz and tools

from tools.web_server.load_checks import DIFFERENT, Checks, difference, small
from tools.web_server.load_clients import KINDS, VARIANTS, Clients, Photo
from tools.web_server.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT: Final = Path(__file__).parents[2]

SIDE: Final = 512
"""Width and height of the photos in pixels."""

LEAST_RATIO: Final = 0.8
"""Least throughput, in that of ``sdz-convert -j``."""

MOST_GROWTH: Final = 1.1
"""Most memory at the end, in that after a fifth of the requests."""

START_SECONDS: Final = 120
"""Time in which the server must have started."""


def choose_photos(folder: Path, count: int) -> list[Photo]:
    """Photos from the files in a folder: squares from their middle as JPEG, no two of them alike.

    Raises:
        click.ClickException: there are too few.
    """
    photos: list[Photo] = []
    known: list[Any] = []
    for path in sorted(folder.rglob("*")):
        if len(photos) == count:
            break
        try:
            with Image.open(path) as image:
                square = ImageOps.fit(image.convert("RGB"), (SIDE, SIDE))
        except (OSError, ValueError, SyntaxError):
            continue
        found = small(square)
        if any(difference(found, each) < DIFFERENT for each in known):
            continue
        known.append(found)
        stream = io.BytesIO()
        square.save(stream, "JPEG", quality=92)
        photos.append(Photo(len(photos), stream.getvalue(), f"{len(photos):04}.jpg"))
    if len(photos) < count:
        raise click.ClickException(f"{folder}: only {len(photos)} different photos, and {count} are needed")
    return photos


@contextlib.contextmanager
def running_server(data: Path, threads: int) -> Iterator[tuple[str, int]]:
    """A server for the time of a block.

    Yields:
        Its URL and its process id.

    Raises:
        click.ClickException: it does not start.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tools.web_server", "--data", str(data), "--port", str(port)]
    log = data.with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--threads", str(threads)], cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, env=environment()
        )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(10 * START_SECONDS):
            with contextlib.suppress(httpx2.HTTPError):
                if httpx2.get(f"{url}/health").status_code == 200:
                    break
            if process.poll() is not None:
                raise click.ClickException(f"the server has ended:\n{log.read_text()}")
            time.sleep(0.1)
        else:
            raise click.ClickException(f"the server does not answer:\n{log.read_text()}")
        yield url, process.pid
    finally:
        process.terminate()
        process.wait()
        errors = [line for line in log.read_text().splitlines() if "Traceback" in line or "ERROR" in line]
        click.echo(f"errors in the server's log: {len(errors)}")


def environment() -> dict[str, str]:
    """The environment of programs that find the packages beside this file."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))}


def memory_of(process: int) -> float:
    """Memory of a process, in MiB (RSS); not a number where the system does not say it in /proc."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return float("nan")


def convert_seconds(files: Sequence[Path], output: Path, jobs: int, *options: str) -> float:
    """The time that ``sdz-convert -j`` takes for some files, in seconds, its start included.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    command = [sys.executable, "-m", "pillow_sdz.cli", "-j", str(jobs), "--quiet", *options, "-o", f"{output}/"]
    start = time.perf_counter()
    subprocess.run([*command, *map(str, files)], check=True, env=environment())
    return time.perf_counter() - start


def print_times(clients: Clients) -> None:
    """Print how long clients waited, by kind of request."""
    times = defaultdict(list)
    for answer in clients.answers:
        times[answer.kind].append(answer.seconds)
    click.echo(f"\n{'kind':<12}{'requests':>10}{'median, s':>12}{'longest, s':>12}")
    for kind, seconds in times.items():
        click.echo(f"{kind:<12}{len(seconds):>10}{statistics.median(seconds):>12.3f}{max(seconds):>12.3f}")


def same_work(clients: Clients, photos: Sequence[Photo], folder: Path, jobs: int) -> dict[str, float]:
    """Measure both on the same photos, and print it.

    What ``sdz-convert`` takes to start is what it takes for the first photo alone; so the server gets the others.

    Args:
        clients: of the server.
        photos: those that the server has not seen; at least two.
        folder: for the files of ``sdz-convert``.
        jobs: threads of both.

    Returns:
        The time that ``sdz-convert`` takes for all photos but the first, without its start, in that of the server; by
        what was done.
    """
    originals = folder / "originals"
    originals.mkdir()
    for photo in photos:
        (originals / photo.name).write_bytes(photo.data)
    files, others = [originals / photo.name for photo in photos], photos[1:]
    encode, decode = ("--metadata", "essential"), ("-f", "webp")
    ratios = {}
    click.echo(f"\n{'pictures per second':<22}{'server':>8}{'-j ' + str(jobs):>8}{'ratio':>8}{'without its start':>20}")
    for work, options in (("encoded", encode), ("decoded to WebP", decode)):
        seconds = clients.upload_all(others) if options is encode else clients.get_all(others, VARIANTS[0])
        output = folder / work.split()[0]
        start = convert_seconds(files[:1], folder / "one", jobs, *options)
        whole = convert_seconds(files, output, jobs, *options)
        files = sorted(output.iterdir())  # what was encoded is decoded next
        served, converted = len(others) / seconds, len(photos) / whole
        ratios[work] = (whole - start) / seconds
        click.echo(f"{work:<22}{served:>8.2f}{converted:>8.2f}{served / converted:>8.2f}{ratios[work]:>20.2f}")
    return ratios


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--photos", "folder", required=True, type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--requests", default=500, show_default=True, type=click.IntRange(5), help="Requests of the mix.")
@click.option("--clients", "count", default=16, show_default=True, type=click.IntRange(1))
@click.option("--pictures", default=48, show_default=True, type=click.IntRange(1), help="Pictures of the comparison.")
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1), help="Threads of the server, and -j.")
def main(folder: Path, requests: int, count: int, pictures: int, jobs: int) -> None:
    """Load the server with a mix of requests, and compare its throughput with that of sdz-convert."""
    uploads = sum(KINDS[number % len(KINDS)] == "upload" for number in range(requests)) + 4 * count
    photos = choose_photos(folder, uploads + pictures + 1)
    memory: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as temporary:
        data = Path(temporary) / "data"
        with running_server(data, jobs) as (url, process), Clients(url, count) as clients:
            click.echo(f"{requests} requests from {count} clients to {url}, {jobs} threads")
            memory[0] = memory_of(process)

            def after_each(done: int) -> None:
                if done in (requests // 5, requests):
                    memory[done] = memory_of(process)

            start = time.perf_counter()
            clients.mix(photos[:uploads], requests, after_each)
            seconds = time.perf_counter() - start
            print_times(clients)
            click.echo(f"\n{seconds:.1f} s; answered with 429 and sent again: {clients.refused}")
            for done, size in memory.items():
                click.echo(f"memory after {done} requests: {size:.0f} MiB")
            mixed = len(clients.answers)
            ratios = same_work(clients, photos[uploads:], Path(temporary), jobs)
        checks = Checks(photos, Store(data).read)
        problems = [(answer, problem) for answer in clients.answers if (problem := checks.problem(answer))]
    for answer, problem in problems:
        click.echo(f"wrong: {answer.kind} {answer.picture[:8]} {answer.variant}: {problem}")
    failed = {
        f"requests of the mix that were not answered: {requests - mixed}": mixed != requests,
        f"wrong answers: {len(problems)} of {len(clients.answers)}": bool(problems),
        f"memory grew by a factor of {memory[requests] / memory[requests // 5]:.3f}, at most {MOST_GROWTH}": not memory[
            requests
        ]
        <= MOST_GROWTH * memory[requests // 5],
        f"throughput at least {LEAST_RATIO} of sdz-convert's": min(ratios.values()) < LEAST_RATIO,
    }
    click.echo()
    for what, failure in failed.items():
        click.echo(f"{'MISSED' if failure else 'kept'}: {what}")
    sys.exit(any(failed.values()))


if __name__ == "__main__":
    main()
