"""Windows over a latent grid: large pictures are worked on in pieces, with bounded memory and equal results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ALIGNMENT = 2  # the U-Net halves the latent once: windows start at even positions so that its grid stays the same


@dataclass(frozen=True)
class Window:
    """A piece of the grid along both axes, in latent positions.

    Attributes:
        core: (top, bottom, left, right), what this window contributes to the result.
        outer: the same four, with the overlap that the network needs to see around the core.
    """

    core: tuple[int, int, int, int]
    outer: tuple[int, int, int, int]

    @property
    def inner(self) -> tuple[int, int, int, int]:
        """The core, counted from the start of ``outer``."""
        top, bottom, left, right = self.core
        return top - self.outer[0], bottom - self.outer[0], left - self.outer[2], right - self.outer[2]


def windows(height: int, width: int, core: int, overlap: int) -> Iterator[Window]:
    """Cover a grid of ``height`` x ``width`` positions by cores of at most ``core`` positions a side.

    Each core is surrounded by ``overlap`` further positions where the grid has them. With an overlap of at least the
    network's receptive radius every result equals that of the whole grid.

    >>> [w.core for w in windows(3, 10, 4, 1)]
    [(0, 3, 0, 4), (0, 3, 4, 8), (0, 3, 8, 10)]
    >>> next(windows(3, 10, 4, 1)).outer
    (0, 3, 0, 6)
    """
    core = max(ALIGNMENT, core // ALIGNMENT * ALIGNMENT)
    margin = -(-overlap // ALIGNMENT) * ALIGNMENT
    for top, bottom in _spans(height, core):
        for left, right in _spans(width, core):
            outer = (
                max(0, top - margin),
                min(height, bottom + margin),
                max(0, left - margin),
                min(width, right + margin),
            )
            yield Window((top, bottom, left, right), outer)


def _spans(length: int, core: int) -> list[tuple[int, int]]:
    return [(start, min(start + core, length)) for start in range(0, length, core)]
