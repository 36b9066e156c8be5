"""What saving leaves out, for a program that wants to say so: `sdz-convert` does."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

listener: ContextVar[Callable[[tuple[str, ...], int], None] | None] = ContextVar("listener", default=None)
"""Called once for each image that is saved and of which something is left out, unless it is None.

Its arguments: what is left out, in words; and how many bytes larger the file would be with all metadata.
"""
