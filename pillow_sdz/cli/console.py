"""The messages of a run: lines and a summary on standard error, JSON and --info on standard output, a progress bar."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, TextIO

from pillow_sdz.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from pillow_sdz.cli.convert import Result
    from pillow_sdz.cli.settings import Settings

_DID = {"convert": "converted", "preview": "previewed", "info": "read", "test": "tested"}


class StandardOutputError(OSError):
    """Standard output cannot be written to (a full disk or a closed pipe): the results of the run would be lost."""


class Report:
    """Counts results and shows them as they come; used in the main thread only.

    Args:
        settings: the run's settings.
        total: number of jobs.
    """

    def __init__(self, settings: Settings, total: int) -> None:
        self._settings = settings
        self._total = total
        self._count: Counter[str] = Counter()
        self._bytes_in = self._bytes_out = 0
        self._start = time.perf_counter()
        self._unavailable = False
        self._bar: Any = None
        terminal = settings.progress == "auto" and total > 1 and sys.stderr.isatty() and not settings.quiet
        if settings.progress == "always" or terminal:
            from tqdm import tqdm  # imported where a bar is shown: it costs 40 ms

            self._bar = tqdm(total=total, unit="file", file=sys.stderr, leave=False, dynamic_ncols=True)

    def note(self, text: str) -> None:
        """Show something worth knowing that is no failure, unless --quiet is given."""
        if not self._settings.quiet:
            self._write(text, sys.stderr)

    def error(self, text: str) -> None:
        """Show a failure, even with --quiet."""
        self._write(f"sdz-convert: {text}", sys.stderr)

    def unavailable(self, text: str) -> None:
        """Show why the run cannot go on: what it needs is missing or has failed."""
        self._unavailable = True
        self.error(text)

    def add(self, result: Result) -> None:
        """Count and show one result."""
        self._count[result.status] += 1
        if result.bytes_out:
            self._bytes_in += result.bytes_in or 0
        self._bytes_out += result.bytes_out or 0
        self._unavailable |= result.unavailable
        source = result.job.source.name
        for note in result.notes:
            self.note(f"{source}: note: {note}")
        if result.error is not None:
            self.error(result.error if result.error.startswith(f"{source}: ") else f"{source}: {result.error}")
            if self._settings.verbose and result.traceback:
                self._write(result.traceback.rstrip(), sys.stderr)
        elif result.shown is None or self._settings.action == "test":
            self.note(self._line(result))
        if self._settings.json:
            self._write(json.dumps(self._record(result)), sys.stdout)
        elif result.shown is not None:
            self._write("\n".join([f"{source}:", *result.shown]), sys.stdout)
        if self._bar is not None:
            self._bar.update()

    def finish(self, *, interrupted: bool) -> ExitCode:
        """Show the summary.

        Args:
            interrupted: whether the run was stopped before all jobs were done.

        Returns:
            The exit code of the run.
        """
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        if interrupted or self._total > 1:
            self.note(self._summary(interrupted=interrupted))
        if interrupted:
            return ExitCode.INTERRUPTED
        if self._unavailable:
            return ExitCode.UNAVAILABLE
        if self._count["failed"]:
            return ExitCode.FAILED
        return ExitCode.DONE if self._count["done"] + self._count["planned"] else ExitCode.NOTHING

    def _line(self, result: Result) -> str:
        name, skip = result.job.source.name, result.job.skip
        if result.status == "skipped":
            return f"{name}: skipped, {skip}"
        if self._settings.action == "test":
            return f"{name}: ok"
        if result.status == "planned":
            return f"{name} -> {result.job.output_name}  (dry run)"
        parts = [f"{name} -> {result.job.output_name}", f"{result.bytes_out:,} bytes"]
        if (bpp := result.bpp) is not None:
            parts.append(f"{bpp:.2f} bpp")
        return "  ".join([*parts, f"{result.seconds:.1f} s"])

    def _record(self, result: Result) -> dict[str, Any]:
        job = result.job
        record: dict[str, Any] = {"input": job.source.name, "status": result.status}
        if not self._settings.reads_only:
            record["output"] = job.output_name if job.format else None
        record |= {
            key: value
            for key, value in (
                ("bytes_in", result.bytes_in),
                ("bytes_out", result.bytes_out),
                ("width", result.width),
                ("height", result.height),
                ("bpp", result.bpp),
                ("seconds", result.seconds),
                ("notes", result.notes or None),
                ("skip", job.skip),
                ("error", result.error),
            )
            if value is not None
        }
        return record | (result.details or {})

    def _summary(self, *, interrupted: bool) -> str:
        count = self._count
        parts = [f"{count['done']} {_DID[self._settings.action]}"]
        parts += [f"{count[status]} {status}" for status in ("planned", "skipped", "failed") if count[status]]
        if rest := self._total - sum(count.values()):
            parts.append(f"{rest} not done")
        seconds = time.perf_counter() - self._start
        sizes = f"; {self._bytes_in:,} -> {self._bytes_out:,} bytes in {seconds:.1f} s" if self._bytes_out else ""
        return f"{'interrupted: ' if interrupted else ''}{', '.join(parts)}{sizes}"

    def _write(self, text: str, stream: TextIO) -> None:
        try:
            if self._bar is not None:
                self._bar.write(text, file=stream)  # so that the bar does not overwrite the text
            else:
                print(text, file=stream)
            stream.flush()
        except OSError as error:
            if stream is sys.stdout:
                raise StandardOutputError(error.errno, error.strerror) from error
            raise
