"""A run by Ray: what need not be converted is answered here, the rest goes to processes, and each result to the
manifest.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pillow_sdz.cli import batch
from pillow_sdz.cli.convert import Result
from pillow_sdz.cli.many_machines import cluster, manifest, tables
from pillow_sdz.cli.many_machines.worker import MARK, Share
from pillow_sdz.cli.outputs import Outputs, WriteError
from pillow_sdz.errors import SdzDependencyError, require_installed

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from pillow_sdz.cli.jobs import Job
    from pillow_sdz.cli.many_machines.manifest import Manifest
    from pillow_sdz.cli.settings import Settings

PACKAGES: Final = {"ray": "ray[data]", "pyarrow": "pyarrow", "pandas": "pandas", "filelock": "filelock"}
INSTALL: Final = "pip install 'pillow-sdz[ray]'"


Note = Callable[[str], None]


def results(jobs: Sequence[Job], settings: Settings, note: Note) -> Generator[Result]:
    """The results of all jobs, as they come, which the manifest gets, too.

    Args:
        jobs: of the run.
        settings: those of the run; ``output`` is a directory.
        note: is told what the user may want to know of the run.

    Raises:
        pillow_sdz.cli.batch.EngineError: Ray is missing, cannot be started, or has failed.
        click.UsageError: another run writes to the directory, or it cannot be written.
    """
    try:
        require_installed("--engine ray", PACKAGES, INSTALL)
    except SdzDependencyError as error:
        raise batch.EngineError(str(error)) from error
    assert settings.output is not None
    folder = Path(os.path.abspath(settings.output))  # noqa: PTH100 - links stay links
    folders = {job.target.parent for job in jobs if job.target is not None}
    try:
        with manifest.opened(folder) as book:
            manifest.sweep(folders, MARK)
            try:
                yield from _all(jobs, settings, folder, book, note)
            finally:
                manifest.sweep(folders, MARK)
    except WriteError as error:
        raise batch.EngineError(str(error)) from error


def _all(jobs: Sequence[Job], settings: Settings, folder: Path, book: Manifest, note: Note) -> Generator[Result]:
    outputs = Outputs()
    waiting: dict[int, Job] = {}
    with batch.conditions(settings):
        for index, job in enumerate(jobs):
            if job.problem is None and job.skip is None and job.source.path is not None and job.target is not None:
                waiting[index] = job
                continue
            if job.problem is None and job.skip is None:
                result = Result(job, "failed", error="a pipe cannot be read by other processes")
            else:
                result = batch.attempt(job, settings, outputs)
            if result.status == "failed":
                book.add(tables.row_of(result, folder))
            elif tables.path_of(job) not in book.done:
                book.add(tables.row_of_existing(job, folder))
            yield result
    if waiting:
        yield from _by_ray(waiting, settings, folder, book, note)


def _by_ray(waiting: dict[int, Job], settings: Settings, folder: Path, book: Manifest, note: Note) -> Generator[Result]:
    start = time.monotonic()
    with cluster.joined(settings):
        wanted = cluster.pool(settings)
        gpus = f", {wanted.gpus:g} GPU" if wanted.gpus else ""
        seconds = time.monotonic() - start
        note(f"Ray: {wanted.size} process(es) of {wanted.cpus} core(s){gpus}; started in {seconds:.1f} s")
        share = Share(folder, book.token, book.ticket, wanted.cpus)
        there = replace(settings, jobs=1, progress="never", device="cuda" if wanted.gpus else settings.device)
        size = sum(_size(job) for job in waiting.values())
        in_batch = cluster.batch_size(len(waiting), size, wanted.size)
        for table in cluster.converted(tables.of_jobs(waiting), there, share, wanted, in_batch):
            for row in table.to_pylist():
                job = waiting.pop(row["index"], None)
                if job is None:
                    continue  # a batch that was done twice
                book.add({name: row[name] for name in tables.manifest_schema().names})
                result = tables.result_of(row, job)
                yield result
                if result.hopeless:
                    return
    if waiting:
        raise batch.EngineError(f"Ray has given no result for {len(waiting)} files; run the same command again")


def _size(job: Job) -> int:
    assert job.source.path is not None
    try:
        return job.source.path.stat().st_size
    except OSError:  # the process that converts it will say so
        return 0
