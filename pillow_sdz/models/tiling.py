"""Tiling: large pictures are worked on in windows (tiles) of the latent grid, so that memory is bounded.

`windows` are for networks with a limited receptive field: the result equals that of the whole picture. Networks with
attention or GroupNorm see all that they are given. For them `fading_windows` overlap, and each is blended with those
before it, so that no seams show.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

ALIGNMENT: Final = 2
"""Windows start at multiples of this many positions: `pillow_sdz.models.networks.latent_unet.LatentUNet` halves the
latent's sides once, and must pair the same positions in every window as in the whole grid."""


@dataclass(frozen=True)
class Window:
    """A piece of the grid along both axes, in latent positions.

    Attributes:
        core: (top, bottom, left, right) of the part that this window contributes to the result.
        outer: (top, bottom, left, right) of what the network is given: the core and its overlap.
        fade: (rows from the core's top, columns from its left) in which it is blended with the windows before it.
    """

    core: tuple[int, int, int, int]
    outer: tuple[int, int, int, int]
    fade: tuple[int, int] = (0, 0)

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


def fading_windows(height: int, width: int, side: int, overlap: int) -> Iterator[Window]:
    """Cover a grid by windows of ``side`` x ``side`` positions that overlap by ``overlap`` or more.

    They come row by row, so that the values that a window is blended with are there before it. All have the full side
    if the grid has it: attention works best on pictures of the size that the network was trained on.

    >>> [(w.core[2:], w.fade[1]) for w in fading_windows(4, 20, 8, 2)]
    [((0, 8), 0), ((6, 14), 2), ((12, 20), 2)]
    """
    for top in _starts(height, side, overlap):
        for left in _starts(width, side, overlap):
            core = (top, min(top + side, height), left, min(left + side, width))
            yield Window(core, core, (overlap if top else 0, overlap if left else 0))


def _starts(length: int, side: int, overlap: int) -> list[int]:
    last = max(0, length - side)
    return [*range(0, last, side - overlap), last]


def _spans(length: int, core: int) -> list[tuple[int, int]]:
    """Divide a side into as few spans of at most ``core`` as possible, of about the same length."""
    each = -(-length // -(-length // core))
    each += -each % ALIGNMENT
    return [(start, min(start + each, length)) for start in range(0, length, each)]


def paste(target: NDArray[Any], window: Window, rows: NDArray[Any], factor: int) -> None:
    """Copy a window's core into the whole, and blend it with what is there along its ``fade``.

    Args:
        target: the whole, (h * factor, w * factor, C), uint8 or float32.
        window: in latent positions.
        rows: the values of the window's ``outer``, times ``factor`` along both axes.
        factor: 1 for latents, pixels per latent position for pictures.
    """
    top, bottom, left, right = (side * factor for side in window.core)
    y0, y1, x0, x1 = (side * factor for side in window.inner)
    place, rows = target[top:bottom, left:right], rows[y0:y1, x0:x1]
    if any(window.fade):
        down, across = (_ramp(length, fade * factor) for length, fade in zip(place.shape[:2], window.fade, strict=True))
        old_weight = np.float32(1) - down[:, None, None] * across[None, :, None]
        old = np.where(old_weight > 0, place, 0)  # where the weight is 0, the target may not be written yet
        rows = rows + (old - rows) * old_weight
        if target.dtype == np.uint8:
            rows = np.rint(rows)
    place[...] = rows


def _ramp(length: int, fade: int) -> NDArray[np.float32]:
    """Blending weights, (length,): they rise linearly from 0 to 1 within ``fade`` positions."""
    weights: NDArray[np.float32] = np.minimum((np.arange(length, dtype=np.float32) + 0.5) / max(fade, 0.5), 1)
    return weights
