"""A lock that survives a fork."""

from __future__ import annotations

import os
import threading


class ForkLock:
    """A lock for the life of the process, to be used as ``with lock():``.

    A forked child gets a new one: if another thread of the parent held the lock, nobody would ever release it there.
    """

    def __init__(self) -> None:
        self._renew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._lock = threading.Lock()

    def __call__(self) -> threading.Lock:
        """The lock of this process."""
        return self._lock
