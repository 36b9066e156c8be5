"""The manifest: a Parquet table in the output directory with a row for each file that was done or failed.

It is a folder, ``_sdz_manifest``, of files ``part-*.parquet``; whatever reads Parquet reads the folder as one table. A
run writes its rows in parts, while it goes on. At its end, rows are dropped that newer ones replace, so that each path
has one. A program that was killed may leave two; the next run drops the older one.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import click

from pillow_sdz.cli.many_machines import tables
from pillow_sdz.cli.outputs import Outputs
from pillow_sdz.cli.printable import printable
from pillow_sdz.plugin.atomic_file import leftovers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import pyarrow as pa

    from pillow_sdz.cli.many_machines.tables import Row

FOLDER: Final = "_sdz_manifest"
TIME: Final = "%Y%m%dT%H%M%S"
"""The time of a run in the names of its parts, in UTC."""

ROWS_IN_PART: Final = 10_000
SECONDS_OF_PART: Final = 60.0
"""A part is written when it has so many rows, or is so old: what a killed program loses. The next run makes these rows
again from the outputs, without their seconds."""


class Manifest:
    """The manifest of an output directory; use `opened`.

    Args:
        folder: that of the parts.

    Attributes:
        ticket, token: a file in it, and what it holds while the run goes on.
        done: paths with a row of status ``done`` in the parts of earlier runs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._outputs = Outputs()
        self._run = f"{self._moment():{TIME}}-{secrets.token_hex(3)}"
        self._number = 0
        self._rows: list[Row] = []
        self._written = time.monotonic()
        self.done = self._paths_done()
        self.ticket, self.token = folder / ".run", self._run
        self._outputs.write(self.ticket, self.token.encode())

    def _moment(self) -> datetime:
        """The time that this run is named by: now, but after that of all parts, as other machines' clocks may be ahead.

        Raises:
            click.UsageError: a part has another name than this program gives.
        """
        moment = datetime.now(UTC)
        for part in self._parts()[-1:]:
            try:
                newest = datetime.strptime(part.name.split("-")[1], TIME).replace(tzinfo=UTC)
                moment = max(moment, newest + timedelta(seconds=1))
            except (ValueError, OverflowError) as error:
                raise _not_a_part(part, error) from error
        return moment

    def _paths_done(self) -> set[str]:
        last: dict[str, str] = {}
        for part in self._parts():
            table = _read(part, ["path", "status"])
            last.update(zip(table["path"].to_pylist(), table["status"].to_pylist(), strict=True))
        return {path for path, status in last.items() if status == "done"}

    def _parts(self) -> list[Path]:
        """The parts, oldest first: their names begin with the time of the run."""
        return sorted(self._folder.glob("part-*.parquet"))

    def add(self, row: Row) -> None:
        """Take a row; it is written with others, later.

        Raises:
            WriteError: they cannot be written.
        """
        self._rows.append(row)
        if len(self._rows) >= ROWS_IN_PART or time.monotonic() - self._written >= SECONDS_OF_PART:
            self.flush()

    def flush(self) -> None:
        """Write the rows that are not written yet, as a part.

        Raises:
            WriteError: they cannot be written.
        """
        import pyarrow as pa

        if self._rows:
            name = f"part-{self._run}-{self._number:06}.parquet"
            self._write(self._folder / name, pa.Table.from_pylist(self._rows, tables.manifest_schema()))
            self._number += 1
            self._rows = []
        self._written = time.monotonic()

    def _write(self, part: Path, table: pa.Table) -> None:
        import pyarrow as pa
        import pyarrow.parquet

        stream = pa.BufferOutputStream()
        pyarrow.parquet.write_table(table, stream, compression="zstd")
        self._outputs.write(part, stream.getvalue().to_pybytes())

    def close(self) -> None:
        """Write what is left, and drop rows that newer ones replace.

        Raises:
            WriteError: they cannot be written.
        """
        self.flush()
        seen: set[str] = set()
        for part in reversed(self._parts()):
            paths = _read(part, ["path"])["path"].to_pylist()
            last = {path: number for number, path in enumerate(paths)}
            kept = [number for path, number in last.items() if path not in seen]
            seen.update(last)
            if not kept:
                part.unlink()
            elif len(kept) < len(paths):
                self._write(part, _read(part, None).take(sorted(kept)))


def _read(part: Path, columns: list[str] | None) -> pa.Table:
    """A part.

    Raises:
        click.UsageError: it is damaged, or not of this program.
    """
    import pyarrow as pa
    import pyarrow.parquet

    try:
        with part.open("rb") as file:
            table = pyarrow.parquet.ParquetFile(file).read(columns)
        return table.select(columns) if columns else table.cast(tables.manifest_schema())
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise _not_a_part(part, error) from error


def _not_a_part(part: Path, error: Exception) -> click.UsageError:
    return click.UsageError(f"{printable(str(part))} is not a part of a manifest: {error}; move it away")


@contextmanager
def opened(output: Path) -> Iterator[Manifest]:
    """Within the block, the manifest of an output directory, which no other run can open meanwhile.

    Raises:
        click.UsageError: another run has it, it is damaged, or the directory cannot be written.
    """
    from filelock import FileLock, Timeout

    folder = output / FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock", blocking=False)
        lock.acquire()
    except Timeout as error:
        raise click.UsageError(f"-o {printable(str(output))}: another run writes there.") from error
    except OSError as error:
        raise click.UsageError(f"-o {printable(str(output))}: {error.strerror or error}") from error
    try:
        manifest = Manifest(folder)
        try:
            yield manifest
        finally:
            try:
                manifest.close()
            finally:  # also where the disk is full
                with contextlib.suppress(OSError):
                    manifest.ticket.unlink()
    finally:
        lock.release()


def sweep(folders: Iterable[Path], mark: str) -> None:
    """Remove temporary files that killed processes have left. Only while no process of the run works."""
    for folder in folders:
        for path in leftovers(folder, mark):
            with contextlib.suppress(OSError):
                path.unlink()
