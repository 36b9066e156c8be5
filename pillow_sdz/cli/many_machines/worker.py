"""What runs in each process that Ray starts: a loop over jobs, with one model in memory for all of them.

A process may be killed at any time, and Ray then gives its unfinished batch to another one. That is safe because an
output appears whole or not at all, and a second conversion writes the same bytes.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from pillow_sdz import __version__
from pillow_sdz.cli import batch
from pillow_sdz.cli.convert import Result
from pillow_sdz.cli.many_machines import tables
from pillow_sdz.cli.outputs import Outputs

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from pillow_sdz.cli.jobs import Job
    from pillow_sdz.cli.settings import Settings

MOST_DEATHS: Final = 3
"""A file during whose conversion so many processes died is not tried again: it would kill all others, too."""

MARK: Final = "ray-"
"""In the names of this engine's temporary files."""


@dataclass(frozen=True)
class Share:
    """What all processes of a run are told.

    Attributes:
        folder: the output directory, absolute.
        token: what the file ``ticket`` holds, which shows that a process sees the same file system as the program.
        ticket: a file below ``folder``.
        threads: of torch in each process.
        version: of pillow_sdz in the program.
    """

    folder: Path
    token: str
    ticket: Path
    threads: int
    version: str = __version__


class AttemptsLike(Protocol):
    """`Attempts`, or what reaches it from another process."""

    def begin(self, index: int) -> int:
        """See `Attempts.begin`."""

    def finish(self, index: int) -> None:
        """See `Attempts.finish`."""


class Attempts:
    """Counts how often each job was begun and not finished; one for a run, in a process of its own."""

    def __init__(self) -> None:
        self._begun: Counter[int] = Counter()

    def begin(self, index: int) -> int:
        """Count a job as begun; returns how often it was before without an end."""
        self._begun[index] += 1
        return self._begun[index] - 1

    def finish(self, index: int) -> None:
        """Forget a job that has a result."""
        self._begun.pop(index, None)


class Converter:
    """One process: converts the jobs of one table after the other.

    Args:
        settings: those of the run.
        share: see there.
        attempts: the run's `Attempts`.
    """

    def __init__(self, settings: Settings, share: Share, attempts: AttemptsLike) -> None:
        # read by OpenMP's library when torch is imported, which the first conversion does
        os.environ["OMP_NUM_THREADS"] = str(share.threads)
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
        self._settings, self._folder, self._attempts = settings, share.folder, attempts
        self._outputs = Outputs(MARK)
        self._problem = _unlike_the_program(share)

    def __call__(self, table: pa.Table) -> pa.Table:
        """Do the jobs of a table of `tables.of_jobs`; returns one of `tables.of_results`, a row for each job done."""
        rows = []
        with batch.conditions(self._settings):
            for index, job in tables.jobs_of(table).items():
                result = self._result(index, job)
                rows.append(tables.result_row(index, result, self._folder))
                if result.hopeless:
                    break
        return tables.of_results(rows)

    def _result(self, index: int, job: Job) -> Result:
        if self._problem is not None:
            return Result(job, "failed", error=self._problem, unavailable=True, hopeless=True)
        if self._attempts.begin(index) >= MOST_DEATHS:
            result = Result(
                job, "failed", error=f"the process that converts it died {MOST_DEATHS} times; out of memory?"
            )
        else:
            result = batch.attempt(job, self._settings, self._outputs)
        self._attempts.finish(index)
        return result


def _unlike_the_program(share: Share) -> str | None:
    """Why this process cannot work for the program that started the run, or None."""
    machine = f"the machine {os.uname().nodename if hasattr(os, 'uname') else ''}"
    if __version__ != share.version:
        return (
            f"{machine} has pillow_sdz {__version__}, and the program is {share.version}; install the same everywhere"
        )
    try:
        same = share.ticket.read_text() == share.token
    except OSError:
        same = False
    if not same:
        return f"{machine} does not see the directory {share.folder} of the program; use a shared file system"
    return None
