"""Progress of refinement, for programs that show it: what they set in `listener` is called after each step."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

listener: Final[ContextVar[Callable[[int, int], None] | None]] = ContextVar("listener", default=None)
"""Called with the number of steps done and of all, in this thread; None, the default, if nobody listens."""
