"""How much is done at a time: a few threads, a few jobs that wait for them, and a refusal beyond that.

Threads, because they share one model. What takes the time lets go of Python's interpreter lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tools.web_server.problems import busy

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from tools.web_server.problems import Problem

T = TypeVar("T")

_MEMORY: Final = 8
"""The mean time of jobs is that of about the last 8."""

_LONGEST_WAIT: Final = 30.0
"""Longest time, in seconds, after which a client that was refused is to try again."""


class Workers:
    """A pool of threads with a bounded queue. All methods are to be called from one event loop.

    Args:
        threads: jobs that run at the same time.
        waiting: jobs that may wait besides.
    """

    def __init__(self, threads: int, waiting: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="sdz-server")
        self._most = threads + waiting
        self._jobs: dict[Hashable, asyncio.Future[Any]] = {}
        self._seconds = 0.0  # mean time of a job

    @property
    def jobs(self) -> int:
        """Jobs that run or wait."""
        return len(self._jobs)

    def busy(self) -> Problem:
        """The answer to a request that there is no room for. A place is free again when about one job has ended."""
        return busy(min(self._seconds, _LONGEST_WAIT))

    def check_room(self) -> None:
        """Refuse what there is no place for.

        Raises:
            Problem: 429, the queue is full.
        """
        if len(self._jobs) >= self._most:
            raise self.busy()

    async def once(self, key: Hashable, function: Callable[..., T], *arguments: object) -> T:
        """Call a function in one of the threads. Who asks for a key that runs or waits already shares its result.

        The job goes on if the request that it was started for goes away: others may wait for it, and its result is
        kept on disk.

        Raises:
            Problem: 429, the queue is full.
            BaseException: what the function raises.
        """
        job = self._jobs.get(key)
        if job is None:
            self.check_room()
            job = asyncio.get_running_loop().run_in_executor(self._pool, self._timed, function, *arguments)
            self._jobs[key] = job
            job.add_done_callback(lambda done: self._forget(key, done))
        result: T = await asyncio.shield(job)
        return result

    def _timed(self, function: Callable[..., T], *arguments: object) -> T:
        start = time.perf_counter()
        try:
            return function(*arguments)
        finally:
            self._seconds += (time.perf_counter() - start - self._seconds) / _MEMORY

    def _forget(self, key: Hashable, job: asyncio.Future[Any]) -> None:
        del self._jobs[key]
        if not job.cancelled():
            job.exception()  # otherwise asyncio complains where every request has gone away

    def close(self) -> None:
        """End the threads, after the jobs that they work on."""
        self._pool.shutdown(cancel_futures=True)


class Slots:
    """A number of slots, for instance for uploads that are in memory.

    Args:
        count: how many there are.
    """

    def __init__(self, count: int) -> None:
        self._free = count

    @contextlib.contextmanager
    def taken(self, refusal: Callable[[], Problem]) -> Iterator[None]:
        """Take a slot for the time of a block.

        Args:
            refusal: makes the answer where there is none.

        Raises:
            Problem: there is none.
        """
        if self._free == 0:
            raise refusal()
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1
