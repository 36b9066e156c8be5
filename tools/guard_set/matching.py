"""Files of one size: which quality of another codec takes as many bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

TOLERANCE: Final = 0.03
"""Sizes that differ by at most this share are equal."""


def matched(size: Callable[[int], int], lowest: int, highest: int, target: int) -> int:
    """The quality whose file is as large as another.

    Args:
        size: quality -> bytes; assumed not to fall with the quality.
        lowest, highest: range of qualities.
        target: bytes.

    Returns:
        The highest quality of at most ``target`` bytes. If it takes less than ``target`` by more than `TOLERANCE` and
        the next one is closer, or if it does not exist, the next one.
    """
    low, high = lowest - 1, highest
    while low < high:
        middle = (low + high + 1) // 2
        if size(middle) <= target:
            low = middle
        else:
            high = middle - 1
    if low < lowest:
        return lowest
    fits = size(low)
    if low < highest and fits < target * (1 - TOLERANCE) and size(low + 1) - target < target - fits:
        return low + 1
    return low


def equal(size: int, target: int) -> bool:
    """Whether two sizes differ by at most `TOLERANCE` of the target."""
    return abs(size - target) <= TOLERANCE * target


def by_target(save: Callable[[int], bytes], size: int) -> bytes:
    """A file as large as another, of an encoder that takes an upper limit of bytes.

    Args:
        save: limit in bytes -> file.
        size: the wanted size in bytes.

    Returns:
        The file with that limit; if it is smaller by more than `TOLERANCE`, and with a limit above ``size`` by half
        or the whole of that share it comes closer, that one.
    """
    best = save(size)
    for more in (TOLERANCE / 2, TOLERANCE):
        if equal(len(best), size):
            break
        other = save(round(size * (1 + more)))
        if abs(len(other) - size) < abs(len(best) - size):
            best = other
    return best
