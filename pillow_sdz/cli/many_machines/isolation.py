"""What Ray would change in the program, kept as it is: handlers of signals, standard output and error."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO


@contextmanager
def signals_kept() -> Iterator[None]:
    """Restore the handlers of signals that Ray replaces by its own, after the block."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def standard_error_hidden() -> Iterator[None]:
    """Within the block, discard what is written to standard error: Ray's native parts write there past its settings."""
    sys.stderr.flush()
    kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)


@contextmanager
def standard_output_kept(*, quiet: bool) -> Iterator[None]:
    """Within the block, only this thread writes to standard output, which may hold JSON.

    Ray prints the deaths of processes there, in a thread of its own; they go to standard error instead.

    Args:
        quiet: whether they go nowhere.
    """
    before = sys.stdout
    sys.stdout = cast("TextIO", _OneThread(before, None if quiet else sys.stderr))
    try:
        yield
    finally:
        sys.stdout = before


class _OneThread:
    """A stream of the thread that makes it; what other threads write goes to another one, or nowhere."""

    def __init__(self, ours: TextIO, others: TextIO | None) -> None:
        self._ours, self._others = ours, others
        self._thread = threading.get_ident()

    def write(self, text: str) -> int:
        if threading.get_ident() == self._thread:
            return self._ours.write(text)
        return len(text) if self._others is None else self._others.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ours, name)
