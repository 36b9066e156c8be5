"""What a process's first picture costs: imports, the first ``Image.open``, and the first decode with each runtime.

    python tools/bench/bench_cold_start.py [--runs 10] [PHOTO]

Two tables, both medians of fresh processes. The first is of ``import pillow_sdz`` and the first ``Image.open`` beyond
Pillow's and numpy's own imports: milliseconds on the clock, and the sum that ``-X importtime`` reports for the modules
that come in then, with the dearest of them. The second is of the first decode, as a multiple of a bare
``import torch``; these programs take turns, and times include start and exit of the interpreter. Its second column is
processor time, which other programs that run meanwhile disturb less. One more process for each runtime prints the
phases of a first decode. The picture is the given photo, or scikit-image's astronaut, at 512x512.

Bytecode is cached in a temporary folder, so that nothing is compiled, as in an installation by pip.
"""

from __future__ import annotations

import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

sys.path.insert(0, str(Path(__file__).parents[2]))  # where a script finds the packages pillow_sdz and tools

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

TORCH: Final = "import torch"
FIRST: Final = "import sys, pillow_sdz; from PIL import Image; Image.open(sys.argv[1]).load()"
"""The two programs that are timed."""

OPEN: Final = """
import sys, time
import numpy, PIL.Image, PIL.ImageFile
import this_marker
start = time.perf_counter()
import pillow_sdz
PIL.Image.open(sys.argv[1])
print(1e3 * (time.perf_counter() - start))
"""
"""The program whose imports are timed; what is imported after ``this_marker`` counts."""

IMPORT_LINE: Final = re.compile(r"import time: +(\d+) \| +\d+ \| +(\S+)")
"""A line of ``-X importtime``: microseconds of the module itself, cumulative ones, its name."""

RUNTIMES: Final = ("onnx", "torch")

DEAREST: Final = 8
"""How many modules are listed."""

SIDE: Final = 512
"""Side of the picture in pixels."""


def processor_time() -> float:
    """Processor seconds of all child processes that have ended, user and system."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Processes:
    """Fresh interpreters that find this package first and keep their bytecode in ``folder``."""

    def __init__(self, folder: Path) -> None:
        variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        root = str(Path(__file__).parents[2])
        self.environment = variables | {"PYTHONPYCACHEPREFIX": str(folder), "PYTHONPATH": root}

    def times(self, *arguments: str, runtime: str = "") -> tuple[float, float]:
        """Wall-clock and processor seconds of an interpreter with these arguments."""
        start, used = time.perf_counter(), processor_time()
        environment = self.environment | {"PILLOW_SDZ_RUNTIME": runtime}
        subprocess.run([sys.executable, *arguments], check=True, env=environment)
        return time.perf_counter() - start, processor_time() - used

    def imports(self, path: Path) -> tuple[float, dict[str, float]]:
        """Milliseconds that `OPEN` prints, and those of each module that it imports after the marker."""
        folder = Path(self.environment["PYTHONPYCACHEPREFIX"])
        (folder / "this_marker.py").touch()
        environment = self.environment | {"PYTHONPATH": f"{self.environment['PYTHONPATH']}{os.pathsep}{folder}"}
        command = [sys.executable, "-c", OPEN, str(path)]
        plain = subprocess.run(command, check=True, env=environment, capture_output=True, text=True)
        command.insert(1, "-Ximporttime")
        traced = subprocess.run(command, check=True, env=environment, capture_output=True, text=True)
        modules = {
            name: int(time) / 1e3 for time, name in IMPORT_LINE.findall(traced.stderr.partition("this_marker")[2])
        }
        return float(plain.stdout), modules


def write_picture(photo: Path | None, path: Path) -> None:
    """Save the photo as .sdz, or scikit-image's if ``photo`` is None."""
    import pillow_sdz  # noqa: F401  registers the format
    from tools.bench.photos import sample, square

    square(photo or sample(), SIDE).save(path)


class Phases:
    """Times of nested calls, as indented lines in the order in which the calls start."""

    def __init__(self) -> None:
        self.depth = 0
        self.lines: list[str] = []

    def timed(self, label: str, action: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap an action so that each call adds a line with its time."""

        @wraps(action)
        def run(*args: Any, **kwargs: Any) -> Any:
            place, indent = len(self.lines), 2 + 2 * self.depth
            self.lines.append("")
            self.depth += 1
            start = time.perf_counter()
            result = action(*args, **kwargs)
            seconds = time.perf_counter() - start
            self.depth -= 1
            self.lines[place] = f"{' ' * indent}{label:{40 - indent}}{seconds:7.3f} s"
            return result

        return run

    def watch(self, owner: Any, name: str, label: str) -> None:
        """Replace a function of a module, or a method of a class, by its wrapped form."""
        setattr(owner, name, self.timed(label, getattr(owner, name)))


def first_decode(path: Path, runtime: str) -> None:
    """Decode a file and print the time of each phase.

    The process must be fresh: nothing that a first decode imports may have been imported before.
    """
    phases = Phases()
    phases.timed("import pillow_sdz", __import__)("pillow_sdz")
    from PIL import Image

    image = phases.timed("Image.open", Image.open)(path)
    image.runtime = runtime
    if runtime == "torch":
        phases.timed("import torch", __import__)("torch")
    phases.timed("import what decodes", __import__)("pillow_sdz.codec.decode")
    watch_phases(phases, runtime)
    phases.timed("Image.load", image.load)()
    again: Any = Image.open(path)
    again.runtime = runtime
    phases.timed("Image.load once more, warm", again.load)()
    click.echo("\n".join(phases.lines))


def watch_phases(phases: Phases, runtime: str) -> None:
    """Time the functions that a decode consists of."""
    from pillow_sdz.models import loading, model, registry
    from pillow_sdz.payloads.scalar.payload import StoredScalar

    phases.watch(StoredScalar, "decode", "payload to codes")
    if runtime == "torch":
        phases.watch(loading, "load_part", "one network from its folder")
        phases.watch(loading, "check_weights", "fingerprint")
        phases.watch(loading, "_prepare", "layout for inference")
        phases.watch(registry, "load", "the model into memory")
    else:
        from pillow_sdz.models import onnx_model, onnx_sessions

        phases.watch(onnx_model, "check_weights", "fingerprint")
        phases.watch(registry, "load_onnx", "the weights checked")
        phases.watch(onnx_sessions, "runtime", "import onnxruntime")
        phases.watch(onnx_sessions.Graph, "_new_session", "a session")
    phases.watch(model.Model, "denoise", "U-Net")
    phases.watch(model.Model, "decode", "autoencoder's decoder")


def report_imports(processes: Processes, path: Path, runs: int) -> None:
    """Print what importing the package and opening a first file cost beyond Pillow and numpy."""
    measured = [processes.imports(path) for _ in range(runs)]
    totals = statistics.median(sum(modules.values()) for _, modules in measured)
    click.echo("beyond Pillow's and numpy's own imports:")
    click.echo(f"  import and first Image.open {statistics.median(clock for clock, _ in measured):6.1f} ms")
    click.echo(f"  sum of -X importtime        {totals:6.1f} ms, of which")
    own = {name: statistics.median(m.get(name, 0.0) for _, m in measured) for name in measured[0][1]}
    for name in sorted(own, key=lambda name: -own[name])[:DEAREST]:
        click.echo(f"    {name:40}{own[name]:5.1f} ms")


def report_first_pictures(processes: Processes, path: Path, runs: int) -> None:
    """Print the time of a first decode with each runtime, next to that of a bare ``import torch``."""
    programs: dict[str, Callable[[], tuple[float, float]]] = {
        "import torch": lambda: processes.times("-c", TORCH),
        "first picture": lambda: processes.times("-c", FIRST, str(path)),
        "onnx asked for": lambda: processes.times("-c", FIRST, str(path), runtime="onnx"),
        "torch asked for": lambda: processes.times("-c", FIRST, str(path), runtime="torch"),
    }
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in programs}
    for _ in range(runs):
        for name, program in programs.items():
            measured[name].append(program())
    medians = {name: _medians(times) for name, times in measured.items()}
    bare = medians["import torch"]
    for name, (clock, used) in medians.items():
        ratios = f"{clock / bare[0]:5.2f} x, {used / bare[1]:5.2f} x"
        click.echo(f"{name:18}{clock:6.2f} s, {used:6.2f} s of processors; {ratios}")


def _medians(rows: Iterable[tuple[float, float]]) -> tuple[float, float]:
    first, second = zip(*rows, strict=True)
    return statistics.median(first), statistics.median(second)


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, help=__doc__)
@click.argument("photo", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--runs", type=click.IntRange(1), default=10, show_default=True, help="fresh processes of each kind")
@click.option("--phases-of", hidden=True, type=(click.Path(exists=True, path_type=Path), click.Choice(RUNTIMES)))
def main(photo: Path | None, runs: int, phases_of: tuple[Path, str] | None) -> None:
    """The command; its help is the module's docstring."""
    if phases_of is not None:
        first_decode(*phases_of)
        return
    with tempfile.TemporaryDirectory() as folder:
        path, processes = Path(folder) / "picture.sdz", Processes(Path(folder))
        write_picture(photo, path)
        for runtime in RUNTIMES:  # afterwards the files that all programs read are in the system's cache
            processes.times("-c", FIRST, str(path), runtime=runtime)
        report_imports(processes, path, runs)
        report_first_pictures(processes, path, runs)
        for runtime in RUNTIMES:
            click.echo(f"phases with {runtime}, in one more process:")
            arguments = [sys.executable, __file__, "--phases-of", str(path), runtime]
            subprocess.run(arguments, check=True, env=processes.environment)


if __name__ == "__main__":
    main()
