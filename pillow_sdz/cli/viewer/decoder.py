"""Which pictures are decoded and kept: the one that the page shows first, then the next file's; in one thread.

One thread, because the networks use all cores for a single picture. It loads the model when it decodes the first one.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pillow_sdz.cli.batch import message_for, notes_to
from pillow_sdz.cli.viewer.shown_file import read
from pillow_sdz.errors import SdzError
from pillow_sdz.models.progress import listener

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pillow_sdz.cli.sources import Source

KEPT_PICTURES: Final = 4
"""Decoded files that are kept: the last two, this one and the next."""

KEPT_BYTES: Final = 1 << 28
"""Most bytes of PNG that are kept, but for the file that is shown and the next one."""

AHEAD_PIXELS: Final = 25_000_000
"""Largest picture that is decoded before it is asked for: it takes half a minute on two cores."""


class _NotWantedError(Exception):
    """Something else is to be decoded first."""


@dataclass(frozen=True)
class _Done:
    """What became of a file.

    Attributes:
        state: for the page.
        pictures: PNG by name.
    """

    state: dict[str, Any]
    pictures: dict[str, bytes]

    @property
    def size(self) -> int:
        """Bytes of all pictures."""
        return sum(map(len, self.pictures.values()))


class Decoder:
    """Decodes the files that the page asks for.

    A state is an object with ``state`` and what belongs to it: ``waiting``; ``decoding`` with ``done`` and ``total``
    parts (0 while there are none); ``ready`` with ``seconds``, ``notes``, the names of the ``pictures``, and the
    ``revision`` of the file that they are of; ``failed`` with its ``problem``; or ``off``.

    Args:
        sources: the files.
        enabled: whether anything is decoded at all.
    """

    def __init__(self, sources: Sequence[Source], *, enabled: bool = True) -> None:
        self._sources = sources
        self._enabled = enabled
        self._changed = threading.Condition()
        self._version = 0
        self._current: int | None = None
        self._ahead: int | None = None
        self._not_before = 0.0
        self._too_large: set[int] = set()
        self._done: dict[int, _Done] = {}
        self._working: tuple[int, dict[str, Any]] | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="sdz-convert view decoder", daemon=True)
        if enabled:
            self._thread.start()

    def want(self, number: int, revision: str | None, *, delay: float = 0.0) -> None:
        """Decode a file now, and the one after it when that is done; stop decoding any other.

        Args:
            number: of the file, from 0.
            revision: of the file as it is now; None if it cannot be read: then only the next one is decoded.
            delay: seconds to wait before anything new is decoded, unless `hurry` is called.
        """
        with self._changed:
            done = self._done.pop(number, None)
            if done is not None and done.state.get("revision", "") == revision:
                self._done[number] = done  # it is the last to be dropped now; failures are tried again
            self._current = None if revision is None else number
            self._ahead = number + 1 if number + 1 < len(self._sources) else None
            self._not_before = time.monotonic() + delay
            self._tell()

    def hurry(self, number: int) -> None:
        """If this file is the one that is wanted, wait no longer."""
        with self._changed:
            if number == self._current:
                self._not_before = 0.0
                self._changed.notify_all()

    def states(self) -> dict[int, dict[str, Any]]:
        """The states of the files that are wanted or kept, by number."""
        with self._changed:
            return self._states()

    def wait(self, version: int, seconds: float) -> tuple[int, dict[int, dict[str, Any]]]:
        """Wait until the states are others than those of a version, or some seconds have passed.

        Returns:
            The version, and the states.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._version != version or self._stopped, seconds)
            return self._version, self._states()

    def picture(self, number: int, name: str) -> bytes | None:
        """A decoded picture as PNG, or None if it is not there."""
        with self._changed:
            done = self._done.get(number)
            return None if done is None else done.pictures.get(name)

    def stop(self) -> bool:
        """Stop, and say whether the thread still works: what computes a window of a picture cannot be stopped."""
        with self._changed:
            self._stopped = True
            self._tell()
        if self._enabled:
            self._thread.join(0.2)
        return self._thread.is_alive()

    def _tell(self) -> None:
        self._version += 1
        self._changed.notify_all()

    def _states(self) -> dict[int, dict[str, Any]]:
        wanted = [number for number in (self._current, self._ahead) if number is not None]
        states = {number: {"state": "waiting" if self._enabled else "off"} for number in wanted}
        states |= {number: done.state for number, done in self._done.items()}
        if self._working is not None:
            states[self._working[0]] = self._working[1]
        return states

    def _next(self) -> int | None:
        """The file to decode, or None."""
        if self._current is not None and self._current not in self._done:
            return self._current
        if self._ahead is not None and self._ahead not in self._done and self._ahead not in self._too_large:
            return self._ahead
        return None

    def _wait_for_next(self) -> int | None:
        """Wait for a file to decode; None when it is time to stop."""
        while not self._stopped:
            number, delay = self._next(), self._not_before - time.monotonic()
            if number is not None and delay <= 0:
                return number
            self._changed.wait(None if number is None else delay)
        return None

    def _run(self) -> None:
        while True:
            with self._changed:
                number = self._wait_for_next()
                if number is None:
                    return
                self._working = number, {"state": "decoding", "done": 0, "total": 0}
                self._tell()
            try:
                done = self._decode(number)
            except _NotWantedError:
                done = None
            with self._changed:
                self._working = None
                if done is not None:
                    self._done[number] = done
                    self._drop()
                self._tell()

    def _decode(self, number: int) -> _Done:
        """Decode a file.

        Raises:
            _NotWantedError: something else is to be decoded first.
        """

        def heard(_activity: str, done: int, total: int) -> None:
            with self._changed:
                if self._stopped or self._next() != number:
                    raise _NotWantedError
                self._working = number, {"state": "decoding", "done": done, "total": total}
                self._tell()

        source, started, notes = self._sources[number], time.perf_counter(), list[str]()
        token = listener.set(heard)
        try:
            with notes_to(notes):
                shown = read(source)
                with self._changed:
                    if number != self._current and shown.size[0] * shown.size[1] > AHEAD_PIXELS:
                        self._too_large.add(number)
                        raise _NotWantedError
                pictures = dict(shown.decoded())
        except _NotWantedError:
            raise
        except Exception as error:  # whatever went wrong, the page says so and the other files are shown
            return _Done({"state": "failed", "problem": problem_of(error, source.name)}, {})
        finally:
            listener.reset(token)
        seconds = time.perf_counter() - started
        state = {"state": "ready", "seconds": round(seconds, 3), "notes": notes, "pictures": list(pictures)}
        return _Done(state | {"revision": shown.revision}, pictures)

    def _drop(self) -> None:
        """Drop the files that were not asked for the longest, until few are left."""
        droppable = [number for number in self._done if number not in (self._current, self._ahead)]
        while droppable and (
            len(self._done) > KEPT_PICTURES or sum(done.size for done in self._done.values()) > KEPT_BYTES
        ):
            del self._done[droppable.pop(0)]


def problem_of(error: Exception, name: str) -> str:
    """What is wrong with a file as a sentence, without its name, which the page shows."""
    if isinstance(error, SdzError):
        return message_for(error, name).removeprefix(f"{name}: ")
    if isinstance(error, MemoryError):
        return "not enough memory"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}"
    return f"cannot be shown: {type(error).__name__}: {error}"
