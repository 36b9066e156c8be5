"""Progress of the networks, for programs that show it: what they set in `listener` is called after each window.

Between windows, memory that is free again goes back to the system. The allocator of glibc keeps it otherwise, in pieces
that the next window cannot use: with large pictures that was half of the memory that a process took.
"""

from __future__ import annotations

import ctypes
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")

listener: Final[ContextVar[Callable[[str, int, int], None] | None]] = ContextVar("listener", default=None)
"""Called in this thread with an activity (``decoding``), and how many of its parts are done and how many there are;
None, the default, if nobody listens."""


def in_turn(activity: str, items: Iterable[T], *, before: int = 0, total: int | None = None) -> Iterator[T]:
    """The items one after the other; after the work on each, free memory is released and the listener called.

    Nothing happens for a single item that is all of an activity: it takes no time worth showing.

    Args:
        activity: what is done with the items.
        items: such as windows.
        before: parts of the activity that are done already.
        total: parts of the activity in all; None if they are the items.
    """
    items = list(items)
    total = len(items) if total is None else total
    for number, item in enumerate(items):
        yield item
        if len(items) > 1:
            _release_free_memory()
        if total > 1 and (heard := listener.get()) is not None:
            heard(activity, before + number + 1, total)


def _release_free_memory() -> None:
    if (trim := _malloc_trim()) is not None:
        trim(0)


@cache
def _malloc_trim() -> Callable[[int], int] | None:
    """The function of glibc that does it; None with other C libraries."""
    try:
        function: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # TypeError: on Windows None is no library
        return None
    return function
