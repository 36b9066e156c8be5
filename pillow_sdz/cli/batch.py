"""All jobs of a run, in order, in threads, or in processes elsewhere (`many_machines`). A failed file does not stop the
others; Ctrl-C stops all of them.

Threads, not processes: the model takes most of the memory of a run, and threads share one model. What takes the time
(the networks, palettising, Pillow's codecs) releases Python's global interpreter lock. One job at a time is the default
because torch already uses all cores for a single picture. With several jobs, one picture is read, palettised or written
while the networks work on another; all of these pictures are in memory.
"""

from __future__ import annotations

import threading
import traceback
import warnings
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TYPE_CHECKING

from PIL import Image

from pillow_sdz.cli import inspection, verification
from pillow_sdz.cli.convert import ConversionError, Result, convert, limits_and_options
from pillow_sdz.cli.outputs import Outputs, WriteError
from pillow_sdz.errors import SdzDependencyError, SdzError, SdzModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from pillow_sdz.cli.console import Report
    from pillow_sdz.cli.jobs import Job
    from pillow_sdz.cli.settings import Settings

_THREADS = "sdz-convert"  # prefix of the names of this module's threads
_current = threading.local()  # .notes: the warnings of the job that this thread works on


class InterruptedRunError(Exception):
    """The run was interrupted by Ctrl-C. ``working`` says whether threads still work, which cannot be stopped."""

    def __init__(self, *, working: bool) -> None:
        super().__init__()
        self.working = working


class EngineError(Exception):
    """What works on the jobs cannot be started or has failed; the message says why, and is shown as it is."""


def run(jobs: Sequence[Job], settings: Settings, report: Report, outputs: Outputs) -> None:
    """Do all jobs and report each.

    Raises:
        InterruptedRunError: on KeyboardInterrupt; no temporary file is left, and no further output will appear. (Only
            processes on other machines of a Ray cluster may end a conversion after that: nothing waits for them.)
        EngineError: the rest of the jobs could not be done.
        click.UsageError: the engine cannot work with these settings; nothing was done.
    """
    found = _results(jobs, settings, outputs, report.note)
    try:
        for result in found:
            report.add(result)
    except KeyboardInterrupt as error:
        outputs.stop()
        found.close()
        raise InterruptedRunError(working=_still_working()) from error
    finally:
        found.close()


def _results(
    jobs: Sequence[Job], settings: Settings, outputs: Outputs, note: Callable[[str], None]
) -> Generator[Result]:
    """The results of all jobs as they come, by the engine that the settings name."""
    if settings.engine == "ray" and not settings.dry_run:
        from pillow_sdz.cli.many_machines import engine

        yield from engine.results(jobs, settings, note)
        return
    with conditions(settings):
        if min(settings.jobs, len(jobs)) > 1:
            yield from _in_threads(jobs, settings, outputs)
            return
        for job in jobs:
            result = attempt(job, settings, outputs)
            yield result
            if result.hopeless:
                break


def _in_threads(jobs: Sequence[Job], settings: Settings, outputs: Outputs) -> Generator[Result]:
    Image.init()  # loads Pillow's plugins, which is not safe in several threads at once
    executor = ThreadPoolExecutor(settings.jobs, thread_name_prefix=_THREADS)
    try:
        futures = {executor.submit(attempt, job, settings, outputs) for job in jobs}
        while futures:
            done, futures = wait(futures, return_when=FIRST_COMPLETED)
            for future in done:
                if future.cancelled():
                    continue
                result = future.result()
                yield result
                if result.hopeless:
                    for waiting in futures:
                        waiting.cancel()
        executor.shutdown()
    except BaseException:
        outputs.stop()
        executor.shutdown(wait=False, cancel_futures=True)
        raise


def _still_working() -> bool:
    """Whether a thread of this module does not end within 0.1 s. (Ctrl-C may come before all futures are known.)"""
    ours = [thread for thread in threading.enumerate() if thread.name.startswith(_THREADS)]
    for thread in ours:
        thread.join(0.1)
    return any(thread.is_alive() for thread in ours)


@contextmanager
def conditions(settings: Settings) -> Iterator[None]:
    """Within the block, this process has the limits, options and treatment of warnings that `attempt` needs."""
    with limits_and_options(settings), warnings_as_notes(settings):
        yield


def attempt(job: Job, settings: Settings, outputs: Outputs) -> Result:
    """Do one job, in `conditions`: what every engine calls, in threads of this process or in processes elsewhere.

    It raises no errors: the result says what went wrong.
    """
    if job.problem is not None:
        return Result(job, "failed", error=job.problem)
    if job.skip is not None:
        return Result(job, "skipped")
    if settings.dry_run and not settings.reads_only:
        return Result(job, "planned")
    notes: list[str] = []
    try:
        with notes_to(notes):
            if settings.action == "info":
                result = inspection.info(job)
            elif settings.action == "test":
                result = inspection.test(job) if settings.against is None else verification.verify(job, settings)
            else:
                result = convert(job, settings, outputs)
    except Exception as error:  # Pillow's plugins may raise anything, and the other files must still be done
        return Result(
            job,
            "failed",
            notes=notes,
            error=message_for(error, job.source.name),
            traceback="".join(traceback.format_exception(error)),
            unavailable=isinstance(error, SdzModelError | SdzDependencyError),
            hopeless=_hopeless(error, job),
        )
    result.notes[:0] = notes
    return result


def message_for(error: Exception, name: str) -> str:
    """The message for an error, with the name of the input instead of that of a stream in memory.

    Args:
        error: what a job raised.
        name: of the job's input.
    """
    if isinstance(error, SdzModelError) and error.file is not None and error.file != name:
        return str(error)  # it names a damaged file of the model
    if isinstance(error, SdzError):
        return str(error.with_file(name))
    if isinstance(error, ConversionError | WriteError):
        return str(error)
    if isinstance(error, MemoryError):
        return "not enough memory"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}"
    if isinstance(error, OSError | SyntaxError | EOFError | ValueError):  # what Pillow raises for damaged files
        return f"cannot be converted: {error}"
    return f"cannot be converted: {type(error).__name__}: {error} (-v shows where)"


def _hopeless(error: Exception, job: Job) -> bool:
    """Whether all other files would fail in the same way: a package is missing, or the model to encode with."""
    return isinstance(error, SdzDependencyError) or (isinstance(error, SdzModelError) and not job.source.is_sdz)


@contextmanager
def notes_to(notes: list[str]) -> Iterator[None]:
    """Within the block, what `warnings_as_notes` shows of this thread is appended to ``notes``."""
    _current.notes = notes
    try:
        yield
    finally:
        _current.notes = None


@contextmanager
def warnings_as_notes(settings: Settings) -> Iterator[None]:
    """Within the block, show warnings as notes on the file being worked on: those of Pillow and this package always,
    those of other packages only with -v.
    """

    def show(message: Warning | str, *_: object, **__: object) -> None:
        notes = getattr(_current, "notes", None)
        if notes is not None and str(message) not in notes:
            notes.append(str(message))

    with warnings.catch_warnings():
        if settings.verbose:
            warnings.simplefilter("always")
        else:
            warnings.simplefilter("ignore")
            warnings.filterwarnings("always", category=UserWarning)
            warnings.filterwarnings("ignore", category=UserWarning, module=r"(torch|diffusers|huggingface_hub)\b")
        warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
        warnings.showwarning = show
        yield
