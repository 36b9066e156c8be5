"""Computing the parts of a large latent in a few threads: numpy lets go of the interpreter while it computes.

The threads end with the call. None waits for work, so they take nothing from other processes or from torch.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")
R = TypeVar("R")

FEW: Final = 4
"""With fewer parts than this, starting threads takes longer than they save."""

MOST_THREADS: Final = 4
"""More threads wait for the interpreter, and for memory."""


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_threads(function: Callable[[T], R], parts: Sequence[T]) -> list[R]:
    """``[function(part) for part in parts]``, in several threads if there are many parts and several processors."""
    count = min(MOST_THREADS, cores())
    if count == 1 or len(parts) < FEW:
        return [function(part) for part in parts]
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(function, parts))
