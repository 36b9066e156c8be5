"""All jobs of a run: in order, or in threads; a failed file does not stop the others, Ctrl-C stops all of them.

Threads, not processes: a model in memory is the largest part of a run, threads share one, and what takes the time
(the networks, palettising, Pillow's codecs) releases the interpreter's lock. One job at a time is the default because
torch already spreads a single picture over all cores; more than one overlaps the reading, palettising and writing of
one picture with the network of another, at the price of that many pictures in memory.
"""

from __future__ import annotations

import threading
import traceback
import warnings
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TYPE_CHECKING

from PIL import Image

from pillow_sdz.cli import inspection
from pillow_sdz.cli.convert import ConversionError, Result, convert, limits_and_options
from pillow_sdz.cli.outputs import Outputs, WriteError
from pillow_sdz.errors import SdzDependencyError, SdzError, SdzModelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pillow_sdz.cli.console import Report
    from pillow_sdz.cli.jobs import Job
    from pillow_sdz.cli.settings import Settings

_THREADS = "sdz-convert"  # start of the names of our threads
_current = threading.local()  # .notes: the warnings of the job that this thread works on


class InterruptedRunError(Exception):
    """Ctrl-C. ``working`` says whether threads are still at work, which cannot be told to stop."""

    def __init__(self, *, working: bool) -> None:
        super().__init__()
        self.working = working


def run(jobs: Sequence[Job], settings: Settings, report: Report, outputs: Outputs) -> None:
    """Do all jobs and report each.

    Raises:
        InterruptedRunError: on KeyboardInterrupt; no temporary file is left and no output appears any more.
    """
    with limits_and_options(settings), warnings_as_notes(settings):
        try:
            if min(settings.jobs, len(jobs)) > 1:
                _in_threads(jobs, settings, report, outputs)
            else:
                for job in jobs:
                    result = attempt(job, settings, outputs)
                    report.add(result)
                    if _hopeless(result):
                        break
        except KeyboardInterrupt as error:
            outputs.stop()
            raise InterruptedRunError(working=False) from error


def _in_threads(jobs: Sequence[Job], settings: Settings, report: Report, outputs: Outputs) -> None:
    Image.init()  # loads Pillow's plugins, which is not made for several threads at once
    executor = ThreadPoolExecutor(settings.jobs, thread_name_prefix=_THREADS)
    try:
        futures = {executor.submit(attempt, job, settings, outputs) for job in jobs}
        while futures:
            done, futures = wait(futures, return_when=FIRST_COMPLETED)
            for future in done:
                if future.cancelled():
                    continue
                result = future.result()
                report.add(result)
                if _hopeless(result):
                    for waiting in futures:
                        waiting.cancel()
        executor.shutdown()
    except BaseException as error:
        outputs.stop()
        executor.shutdown(wait=False, cancel_futures=True)
        if isinstance(error, KeyboardInterrupt):
            raise InterruptedRunError(working=_still_working()) from error
        raise


def _still_working() -> bool:
    """Whether a thread of ours does not end in a moment. Futures do not tell: Ctrl-C may come while they are made."""
    ours = [thread for thread in threading.enumerate() if thread.name.startswith(_THREADS)]
    for thread in ours:
        thread.join(0.1)
    return any(thread.is_alive() for thread in ours)


def attempt(job: Job, settings: Settings, outputs: Outputs) -> Result:
    """Do one job; whatever goes wrong is in the result."""
    if job.problem is not None:
        return Result(job, "failed", error=job.problem)
    if job.skip is not None:
        return Result(job, "skipped")
    if settings.dry_run and not settings.reads_only:
        return Result(job, "planned")
    notes: list[str] = []
    _current.notes = notes
    try:
        if settings.action == "info":
            result = inspection.info(job)
        elif settings.action == "test":
            result = inspection.test(job)
        else:
            result = convert(job, settings, outputs)
    except Exception as error:  # any plugin may raise anything, and the other files are to be done
        trace = "".join(traceback.format_exception(error))
        return Result(
            job, "failed", notes=notes, error=described(error, job.source.name), traceback=trace, exception=error
        )
    finally:
        _current.notes = None
    result.notes[:0] = notes
    return result


def described(error: Exception, name: str) -> str:
    """The error in words, with the name of the input, never that of a temporary file or of a stream in memory."""
    if isinstance(error, SdzModelError) and error.file is not None and error.file != name:
        return str(error)  # the damaged file is one of the model's
    if isinstance(error, SdzError):
        return str(error.with_file(name))
    if isinstance(error, ConversionError | WriteError):
        return str(error)
    if isinstance(error, MemoryError):
        return "not enough memory"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}"
    if isinstance(error, OSError | SyntaxError | EOFError | ValueError):  # Pillow's ways of saying "damaged"
        return f"cannot be converted: {error}"
    return f"cannot be converted: {type(error).__name__}: {error} (-v shows where)"


def _hopeless(result: Result) -> bool:
    """Whether every other file would fail in the same way: nothing to compute with, or no model to encode with."""
    error = result.exception
    encodes = not result.job.source.is_sdz
    return isinstance(error, SdzDependencyError) or (isinstance(error, SdzModelError) and encodes)


@contextmanager
def warnings_as_notes(settings: Settings) -> Iterator[None]:
    """Warnings of Pillow and of our plugin become notes on the file concerned; those of other packages need -v."""

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
