"""From the inputs on the command line to a list of jobs: encode or decode, to which output, or why not.

Everything that can be known before pixels are read is decided here. So two inputs with the same output, or an output
that exists, are reported before anything is written.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pillow_sdz.cli import file_types
from pillow_sdz.cli.outputs import kind
from pillow_sdz.cli.printable import printable
from pillow_sdz.cli.sources import Source, collect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pillow_sdz.cli.settings import Settings

_STREAMS = ("-", "/dev/stdout")


@dataclass(frozen=True)
class Job:
    """One file to convert, to inspect, to skip, or to report as failed.

    Attributes:
        source: the input.
        target: the file to write; None for standard output, or if the action only reads.
        format: Pillow's name of the format to write; empty if the action only reads.
        problem: why the job cannot be tried and has failed, or None.
        skip: why the job is skipped, which is no failure, or None.
    """

    source: Source
    target: Path | None = None
    format: str = ""
    problem: str | None = None
    skip: str | None = None

    @property
    def output_name(self) -> str:
        """The output's name for messages."""
        return "-" if self.target is None else printable(str(self.target))


def plan(inputs: Sequence[str], settings: Settings) -> tuple[list[Job], list[str]]:
    """Plan a run.

    Args:
        inputs: as they stand on the command line.
        settings: those of the run.

    Returns:
        The jobs, and notes about files that were ignored.

    Raises:
        click.UsageError: the inputs and -o contradict each other.
    """
    _check_streams(inputs, settings)
    sources, notes = collect(inputs, settings)
    if settings.reads_only:
        if settings.against is not None and len(sources) > 1 and kind(Path(settings.against)) == "file":
            raise click.UsageError("--against: several files need a directory of originals, and this is a file.")
        return [Job(source, problem=source.problem or _must_be_sdz(source)) for source in sources], notes
    many = settings.engine == "ray" or len(inputs) > 1 or any(source.root is not None for source in sources)
    planner = _Planner(settings, sources, many=many)
    return [planner.job(source) for source in sources], notes


def _check_streams(inputs: Sequence[str], settings: Settings) -> None:
    """Check the uses of standard input and output.

    Raises:
        click.UsageError: one of them would be used twice, or a picture would be written to a terminal.
    """
    if inputs.count("-") > 1:
        raise click.UsageError("standard input (-) can be read only once.")
    to_stream = settings.output in _STREAMS or (settings.output is None and "-" in inputs)
    if settings.reads_only:
        if settings.output is not None:
            raise click.UsageError(f"--{settings.action} writes no file, so -o cannot be given.")
        return
    if not to_stream:
        return
    if len(inputs) > 1:
        raise click.UsageError("several inputs cannot share standard output; name a directory with -o.")
    if settings.json and not settings.dry_run:
        raise click.UsageError("--json and the picture cannot share standard output; name a file with -o.")
    if sys.stdout.isatty() and not settings.dry_run:
        raise click.UsageError("a picture is not written to a terminal; redirect standard output or give -o.")


def _must_be_sdz(source: Source) -> str | None:
    """The error message for a source that is not an SDZ file, or None."""
    return None if source.is_sdz else file_types.why_not_sdz(source.prefix, source.name)


class _Planner:
    """Plans jobs one by one, and remembers which output belongs to which input.

    Args:
        settings: those of the run.
        sources: all inputs of the run.
        many: whether -o must be a directory, because there may be several outputs.
    """

    def __init__(self, settings: Settings, sources: Sequence[Source], *, many: bool) -> None:
        self._settings = settings
        self._needs = "--engine ray needs" if settings.engine == "ray" else "several inputs need"
        self._taken: dict[str, str] = {}
        self._inputs = {_key(source.path): source.name for source in sources if source.path is not None}
        output = settings.output
        self._stream = output in _STREAMS or (output is None and any(source.path is None for source in sources))
        self._folder = self._file = None
        if output is not None and not self._stream:
            if many or output.endswith(("/", os.sep)) or kind(Path(output)) == "folder":
                self._folder = Path(output)
                if kind(self._folder) in ("file", "special"):
                    raise click.UsageError(f"-o {printable(output)}: {self._needs} a directory, and this is a file.")
            else:
                self._file = Path(output)
        self._wanted = self._wanted_format()

    def _wanted_format(self) -> str | None:
        """The output format that -f or -o names, or None if it depends on the input.

        Raises:
            click.UsageError: Pillow does not write it, or -f and -o contradict each other.
        """
        wanted, suffix = self._settings.format, "" if self._file is None else self._file.suffix
        if not suffix:
            return wanted
        named = file_types.format_of_suffix(suffix)
        if named is None and wanted is None:
            raise click.UsageError(
                f"-o {printable(str(self._file))}: Pillow writes no format called {suffix}; give -f."
            )
        if wanted is not None and named is not None and named != wanted:
            raise click.UsageError(f"-o {printable(str(self._file))} names {named}, but -f asks for {wanted}.")
        return wanted or named

    def job(self, source: Source) -> Job:
        """The job for one source."""
        if source.problem:
            return Job(source, problem=source.problem)
        format_name, problem = self._direction(source)
        if problem:
            return Job(source, problem=problem)
        if self._stream:
            return Job(source, None, format_name)
        target = self._target(source, format_name)
        problem = self._claim(source, target)
        skip = None
        if problem is None and os.path.lexists(target):
            if kind(target) == "folder":
                problem = f"the output {printable(str(target))} is a directory"
            elif kind(target) != "special":
                if self._settings.existing == "skip":
                    skip = f"{printable(str(target))} exists"
                elif self._settings.existing == "refuse":
                    problem = f"{printable(str(target))} exists; give --force to replace it, --skip-existing to keep it"
        return Job(source, target, format_name, problem, skip)

    def _direction(self, source: Source) -> tuple[str, str | None]:
        """The output format for a source, and the error message if it cannot be converted to it."""
        wanted = self._wanted
        if source.is_sdz:
            return wanted or "PNG", None
        if self._settings.action == "preview":
            return "", file_types.why_not_sdz(source.prefix, source.name)
        if source.suffix == ".sdz" or not source.prefix:
            return "", file_types.why_not_sdz(source.prefix, source.name)
        if wanted not in (None, file_types.SDZ):
            return "", f"neither the input nor the output is SDZ (the output would be {wanted})"
        return file_types.SDZ, None

    def _target(self, source: Source, format_name: str) -> Path:
        if self._file is not None:
            return self._file
        named = self._settings.suffix if format_name == self._settings.format else None
        ending = (".preview" if self._settings.action == "preview" else "") + (
            named or file_types.suffix_of(format_name)
        )
        if source.path is None:  # standard input and pipes have no name to build on
            return (self._folder or Path()) / ("stdin" + ending)
        name = file_types.stem(source.path.name) + ending
        if self._folder is None:
            return source.path.parent / name
        below = source.path.parent.relative_to(source.root) if source.root is not None else Path()
        return self._folder / below / name

    def _claim(self, source: Source, target: Path) -> str | None:
        """Reserve an output for this source; returns the error message if it is another one's output, or an input."""
        key, name = _key(target), printable(str(target))
        if source.path is not None and (key == _key(source.path) or _same_file(source.path, target)):
            return f"the output {name} would be the input itself"
        if key in self._taken:
            return f"the output {name} is already that of {self._taken[key]}"
        if key in self._inputs:
            return f"the output {name} is also an input of this run"
        if kind(target) != "special":  # /dev/null serves any number of inputs
            self._taken[key] = source.name
        return None


def _key(path: Path) -> str:
    """A string that is the same for all paths of one directory entry: links are resolved, but not the last part."""
    return os.path.normcase(Path(os.path.realpath(path.parent)) / path.name)


def _same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
