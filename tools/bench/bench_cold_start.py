"""The time of the first decode in a fresh process, as a multiple of a bare ``import torch``, and its phases.

    python tools/bench/bench_cold_start.py [--runs 7] [PHOTO]

The two run alternately, each in a fresh process; times include start and exit of the interpreter, and the ratio is that
of the medians. The second column is processor time, which other programs that run meanwhile disturb less (with
OMP_NUM_THREADS=1 the two columns mean the same). One more process prints the time of each phase of a first decode.
The picture is the given photo, or scikit-image's astronaut, at 512x512.
"""

from __future__ import annotations

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
    from collections.abc import Callable

TORCH: Final = "import torch"
FIRST: Final = "import sys, pillow_sdz; from PIL import Image; Image.open(sys.argv[1]).load()"
"""The two programs that are timed."""

SIDE: Final = 512
"""Side of the picture in pixels."""


def processor_time() -> float:
    """Processor seconds of all child processes that have ended, user and system."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def fresh(*arguments: str) -> tuple[float, float]:
    """Wall-clock and processor seconds that a fresh interpreter with these arguments takes."""
    start, used = time.perf_counter(), processor_time()
    subprocess.run([sys.executable, *arguments], check=True)
    return time.perf_counter() - start, processor_time() - used


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


def import_modules() -> None:
    """Import all of this package that a first decode imports."""
    import pillow_sdz.codec.decode
    import pillow_sdz.models.loading
    import pillow_sdz.models.networks.winograd
    import pillow_sdz.payloads.scalar.payload  # noqa: F401


def first_decode(path: Path) -> None:
    """Decode a file and print the time of each phase.

    The process must be fresh: nothing that a first decode imports may have been imported before.
    """
    phases = Phases()
    phases.timed("import torch", __import__)("torch")
    phases.timed("import pillow_sdz's modules", import_modules)()

    from PIL import Image

    from pillow_sdz.models import loading, model, registry
    from pillow_sdz.payloads.scalar.payload import StoredScalar

    phases.watch(StoredScalar, "decode", "payload to codes")
    phases.watch(loading, "load_part", "one network from its folder")
    phases.watch(loading, "check_weights", "fingerprint")
    phases.watch(loading, "_prepare", "layout for inference")
    phases.watch(registry, "load", "the model into memory")
    phases.watch(model.Model, "denoise", "U-Net")
    phases.watch(model.Model, "decode", "autoencoder's decoder")
    image = phases.timed("Image.open", Image.open)(path)
    phases.timed("Image.load", image.load)()
    phases.timed("Image.load once more, warm", lambda: Image.open(path).load())()
    click.echo("\n".join(phases.lines))


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, help=__doc__)
@click.argument("photo", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--runs", type=click.IntRange(1), default=7, show_default=True, help="fresh processes of each kind")
@click.option("--phases-of", hidden=True, type=click.Path(exists=True, path_type=Path))
def main(photo: Path | None, runs: int, phases_of: Path | None) -> None:
    """The command; its help is the module's docstring."""
    if phases_of is not None:
        first_decode(phases_of)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.sdz"
        write_picture(photo, path)
        fresh("-c", FIRST, str(path))  # afterwards the files that both programs read are in the system's cache
        torch, first = [], []
        for _ in range(runs):
            torch.append(fresh("-c", TORCH))
            first.append(fresh("-c", FIRST, str(path)))
        medians = []
        for label, times in (("import torch", torch), ("first decode", first)):
            clock, used = (statistics.median(column) for column in zip(*times, strict=True))
            medians.append((clock, used))
            click.echo(f"{label:14} {clock:6.2f} s, {used:6.2f} s of processors")
        clock, used = (cold / bare for bare, cold in zip(*medians, strict=True))
        click.echo(f"{'ratio':14} {clock:6.2f}    {used:6.2f}")
        click.echo("phases, in one more process:")
        subprocess.run([sys.executable, __file__, "--phases-of", str(path)], check=True)


if __name__ == "__main__":
    main()
