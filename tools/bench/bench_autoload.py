"""What the hook of ``sdz-convert autoload enable`` adds to the start of Python, and to a program that uses Pillow.

    python tools/bench/bench_autoload.py [--runs 20]

Makes two small virtual environments, which find the packages of the running one: one with the hook, one without. Two
programs are timed in both, from start to exit, in turn: ``pass``, which pays for the hook alone, and ``import
PIL.Image``, which registers the format, too. What ``sdz-convert`` writes is compiled when it is written, and everything
is read once before: these are warm starts.

Printed are medians of the wall-clock times and of processor times, and differences, in milliseconds. The difference of
each pair of runs is taken, and the median of those: this way, changes of the machine's speed cancel. For comparison,
the last line is what Python itself says about the hook (``-X importtime``, the median of as many runs).

The hook must cost less than 2 ms where PIL.Image is not imported; the exit code is 1 if it costs more.
"""

from __future__ import annotations

import os
import re
import resource
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from pathlib import Path
from typing import Final

import click

PROGRAMS: Final = {"pass": "pass", "import PIL.Image": "import PIL.Image"}

LIMIT: Final = 2.0
"""Milliseconds that the hook may cost."""

ROOT: Final = Path(__file__).parents[2]


class Environment:
    """A virtual environment without packages of its own.

    Args:
        folder: where to make it.
        packages: the folder of packages that it finds besides, without start-up files of theirs.
    """

    def __init__(self, folder: Path, packages: Path) -> None:
        venv.EnvBuilder(symlinks=os.name != "nt").create(folder)
        self.python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        variables = {"base": str(folder), "platbase": str(folder)}
        self.site_packages = Path(sysconfig.get_path("purelib", "venv", variables))
        (self.site_packages / "packages.pth").write_text(f"{ROOT}\n{packages}\n", "utf-8")
        self.variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run its Python."""
        command = [str(self.python), *arguments]
        return subprocess.run(command, check=True, env=self.variables, capture_output=True, text=True)

    def milliseconds(self, code: str) -> tuple[float, float]:
        """Wall-clock and processor time of a process."""
        start, used = time.perf_counter(), _processor_time()
        subprocess.run([str(self.python), "-c", code], check=True, env=self.variables)
        return 1e3 * (time.perf_counter() - start), 1e3 * (_processor_time() - used)


def _processor_time() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measure(without: Environment, hooked: Environment, code: str, runs: int) -> dict[str, tuple[float, float, float]]:
    """Medians without and with the hook, and of the differences of pairs, for both clocks."""
    pairs = []
    for number in range(runs):
        order = (without, hooked) if number % 2 == 0 else (hooked, without)
        times = {environment: environment.milliseconds(code) for environment in order}
        pairs.append((times[without], times[hooked]))
    return {
        clock: (
            statistics.median(pair[0][index] for pair in pairs),
            statistics.median(pair[1][index] for pair in pairs),
            statistics.median(pair[1][index] - pair[0][index] for pair in pairs),
        )
        for index, clock in enumerate(("wall clock", "processor"))
    }


def import_time(hooked: Environment) -> float:
    """Milliseconds of the hook's module by ``-X importtime``."""
    said = hooked.run("-X", "importtime", "-c", "pass").stderr
    (microseconds,) = re.findall(r"\| +(\d+) \| +_pillow_sdz_autoload", said)
    return int(microseconds) / 1e3


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, help=__doc__)
@click.option("--runs", type=click.IntRange(1), default=20, show_default=True, help="starts of each kind")
def main(runs: int) -> None:
    """The command; its help is the module's docstring."""
    with tempfile.TemporaryDirectory() as folder:
        packages = Path(sysconfig.get_path("purelib"))
        without, hooked = (Environment(Path(folder, name), packages) for name in ("without", "hooked"))
        hooked.run("-m", "pillow_sdz.cli", "autoload", "enable")
        for environment in (without, hooked):
            for code in PROGRAMS.values():
                environment.run("-c", code)
        check = "import PIL.Image, sys; print('pillow_sdz' in sys.modules)"
        assert (without.run("-c", check).stdout, hooked.run("-c", check).stdout) == ("False\n", "True\n")
        click.echo(f"{'medians of ' + str(runs) + ' starts, ms':34}{'without':>10}{'with':>10}{'difference':>12}")
        cost = 0.0
        for name, code in PROGRAMS.items():
            for clock, (before, after, difference) in measure(without, hooked, code, runs).items():
                click.echo(f"{name:20}{clock:14}{before:10.2f}{after:10.2f}{difference:12.2f}")
                if (name, clock) == ("pass", "wall clock"):
                    cost = difference
        own = statistics.median(import_time(hooked) for _ in range(runs))
        click.echo(f"the hook's own import, as Python reports it: {own:.2f} ms")
    click.echo(f"the hook costs {cost:.2f} ms where PIL.Image is not imported; the limit is {LIMIT:.0f} ms")
    sys.exit(cost >= LIMIT)


if __name__ == "__main__":
    main()
