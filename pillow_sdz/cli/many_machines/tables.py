"""What travels between the program and the processes that convert: tables of jobs, and tables of their results.

Files travel by name, and the process that converts one reads it itself. Reading them by `ray.data.read_binary_files`
instead was tried: one file that vanishes before it is read, or one name that is not UTF-8, ends the whole dataset,
where it must cost one row; and its reading tasks wait for ever for the cores that the processes hold.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from pillow_sdz.cli import batch
from pillow_sdz.cli.convert import Result
from pillow_sdz.cli.jobs import Job
from pillow_sdz.cli.printable import printable
from pillow_sdz.cli.sources import Source
from pillow_sdz.plugin.info import ERROR_KEYS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

Row = dict[str, Any]


def manifest_schema() -> pa.Schema:
    """The columns of the manifest; a value that does not apply is null.

    ``path`` is absolute, ``output`` relative to the output directory; ``status`` is ``done`` or ``failed``; ``seconds``
    is the time of one conversion, null where an output is of an earlier run whose table was lost; ``psnr`` to ``whole``
    are what an .sdz says of its own error; ``failure`` is the message of a failed file.
    """
    import pyarrow as pa

    integers = ("bytes_in", "bytes_out", "width", "height")
    return pa.schema(
        [
            *((name, pa.string()) for name in ("path", "output", "status")),
            *((name, pa.int64()) for name in integers),
            *((name, pa.float64()) for name in ("bpp", "seconds", *ERROR_KEYS)),
            ("failure", pa.string()),
            ("notes", pa.list_(pa.string())),
        ]
    )


def result_schema() -> pa.Schema:
    """The columns of a table of results: those of the manifest, and what only the program needs."""
    import pyarrow as pa

    more = [("index", pa.int64()), ("traceback", pa.string()), ("unavailable", pa.bool_()), ("hopeless", pa.bool_())]
    return pa.schema([*manifest_schema(), *(pa.field(name, kind) for name, kind in more)])


def of_jobs(jobs: Mapping[int, Job]) -> pa.Table:
    """The jobs as a table. Paths are absolute and bytes, as names of files need not be UTF-8.

    Args:
        jobs: number -> job with a source that has a path, and a target.
    """
    import pyarrow as pa

    return pa.table(
        {
            "index": pa.array(jobs, pa.int64()),
            "name": pa.array([job.source.name for job in jobs.values()], pa.string()),
            "path": pa.array([_bytes(job.source.path) for job in jobs.values()], pa.binary()),
            "target": pa.array([_bytes(job.target) for job in jobs.values()], pa.binary()),
            "prefix": pa.array([job.source.prefix for job in jobs.values()], pa.binary()),
            "format": pa.array([job.format for job in jobs.values()], pa.string()),
        }
    )


def jobs_of(table: pa.Table) -> dict[int, Job]:
    """The inverse of `of_jobs`."""
    return {
        row["index"]: Job(
            Source(row["name"], Path(os.fsdecode(row["path"])), prefix=row["prefix"]),
            Path(os.fsdecode(row["target"])),
            row["format"],
        )
        for row in table.to_pylist()
    }


def path_of(job: Job) -> str:
    """The input's path in the manifest."""
    return job.source.name if job.source.path is None else printable(str(_absolute(job.source.path)))


def row_of(result: Result, folder: Path) -> Row:
    """The row of the manifest for a result: of a finished output, or of a failure.

    Args:
        result: ``done`` or ``failed``.
        folder: the output directory.
    """
    job, done = result.job, result.status == "done"
    return {
        "path": path_of(job),
        "output": printable(os.path.relpath(_absolute(job.target), _absolute(folder))) if done and job.target else None,
        "status": result.status,
        **{name: getattr(result, name) for name in ("bytes_in", "bytes_out", "width", "height", "bpp", "seconds")},
        **(stored_error(job.target) if done and job.target else {}),
        "failure": _text(result.error),
        "notes": [_text(note) for note in result.notes],
    }


def row_of_existing(job: Job, folder: Path) -> Row:
    """The row for an output that exists already, from the heads of input and output."""
    assert job.source.path is not None
    assert job.target is not None
    path = job.source.path
    try:
        with Image.open(path) as picture:
            width, height = picture.size
        path = job.target
        with Image.open(path):
            pass
        bytes_in, bytes_out = job.source.path.stat().st_size, job.target.stat().st_size
    except Exception as error:  # Pillow's plugins may raise anything, and the other files must still be done
        name = printable(str(path))
        reason = f"the output is kept, but {name} cannot be opened: {batch.message_for(error, name)}"
        return row_of(Result(job, "failed", error=reason), folder)
    return row_of(Result(job, "done", bytes_in, bytes_out, width, height), folder)


def stored_error(path: Path) -> Row:
    """What an .sdz file says about its own error, by `ERROR_KEYS`; nothing for other files."""
    try:
        with Image.open(path) as picture:
            info = picture.info if picture.format == "SDZ" else {}
            return {name: float(info[name]) for name in ERROR_KEYS if name in info}
    except Exception:  # removed by another program since it was written, or replaced by whatever Pillow fails at
        return {}


def result_row(index: int, result: Result, folder: Path) -> Row:
    """A row of a table of results."""
    more = {"index": index, "unavailable": result.unavailable, "hopeless": result.hopeless}
    return row_of(result, folder) | more | {"traceback": _text(result.traceback)}


def of_results(rows: Sequence[Row]) -> pa.Table:
    """Rows of `result_row` as a table."""
    import pyarrow as pa

    return pa.Table.from_pylist(list(rows), result_schema())


def result_of(row: Row, job: Job) -> Result:
    """The result of a job that a row describes."""
    names = ("status", "bytes_in", "bytes_out", "width", "height", "seconds", "traceback", "unavailable", "hopeless")
    return Result(job, **{name: row[name] for name in names}, notes=row["notes"] or [], error=row["failure"])


def _text(text: str | None) -> str | None:
    """A text as UTF-8 can hold it: a name of a file in it may have undecodable bytes."""
    return None if text is None else text.encode("utf-8", "backslashreplace").decode()


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - links stay links


def _bytes(path: Path | None) -> bytes:
    assert path is not None
    return os.fsencode(_absolute(path))
