"""Rate control of palette payloads: a quality or a target size -> palette sizes, or direct codes.

Qualities form a ladder of plans: more and more entries, then more layers, and direct codes at quality 100. For a target
size in bytes the highest rung that fits is searched for, then a size of its last palette between that rung and the
next.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import cache
from typing import TYPE_CHECKING, Final

from pillow_sdz.limits import MIN_ENTRIES
from pillow_sdz.payloads.direct.payload import DirectPlan
from pillow_sdz.payloads.palette.payload import PalettePlan
from pillow_sdz.payloads.rate_control import DIRECT_QUALITY, check_quality, does_not_fit, interpolate_geometrically

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ENTRIES_AT_DEFAULT: Final = 470
"""Palette entries at quality 50, the default, and of the layers below the last one at higher qualities: 0.12 to 0.14
bits per pixel on pictures of 768x512 at factor 8. More entries make decoding much slower and files little better."""

ENTRIES_AT_ZERO: Final = 4
"""Palette entries of quality 0."""

ONE_LAYER: Final = 50
"""Highest quality with one layer."""

TWO_LAYERS: Final = 95
"""Highest quality with two layers."""

POSITIONS_PER_ENTRY: Final = 3
"""In small latents one entry per this many positions takes the place of `ENTRIES_AT_DEFAULT`: a larger palette would
take more bytes than the indices. With this number a quality has about the same error at every picture size."""

LAYER_BYTES: Final = 10
"""Bytes of a palette layer besides palette and indices: type, length (2), entries (2), coding, CRC-32 (4)."""

DIRECT_BYTES: Final = 8
"""Bytes of a direct layer besides the codes: type, length (2), coding, CRC-32 (4)."""

LONGEST_SEARCH: Final = 4
"""If the next rung has one layer more, the search enlarges the last palette of a plan up to this many times."""

LadderPlan = PalettePlan | DirectPlan


def plan_for_quality(quality: int, positions: int, channels: int = 4) -> LadderPlan:
    """The plan of a quality.

    Up to 50, one palette that grows by a constant factor per quality from 4 to 470 entries; from 51, a second layer
    that grows from 2 to 470; from 96, a third; at 100, direct codes. On latents of fewer than 1410 positions, a third
    of the number of positions takes the place of 470. Direct codes are chosen wherever they would take no more bytes
    than palettes and indices, all of them uncompressed.

    Args:
        quality: 0 to 100.
        positions: latent width times latent height.
        channels: latent channels.

    Returns:
        The plan; neither its uncompressed bytes nor its fidelity fall when quality rises.

    Raises:
        SdzOptionError: quality is out of its range.

    >>> plan_for_quality(50, 4096).colors, plan_for_quality(95, 4096).colors, plan_for_quality(100, 4096)
    ((470,), (470, 470), DirectPlan())
    >>> plan_for_quality(50, 1)
    DirectPlan()
    """
    check_quality(quality)
    if quality == DIRECT_QUALITY:
        return DirectPlan()
    full = max(MIN_ENTRIES, min(ENTRIES_AT_DEFAULT, positions // POSITIONS_PER_ENTRY))
    colors: tuple[int, ...]
    if quality <= ONE_LAYER:
        colors = (_entries_between(min(ENTRIES_AT_ZERO, full), full, quality / ONE_LAYER),)
    elif quality <= TWO_LAYERS:
        first = ONE_LAYER + 1
        colors = (full, _entries_between(MIN_ENTRIES, full, (quality - first) / (TWO_LAYERS - first)))
    else:
        colors = (
            full,
            full,
            _entries_between(MIN_ENTRIES, full, (quality - TWO_LAYERS) / (DIRECT_QUALITY - 1 - TWO_LAYERS)),
        )
    plan, direct = PalettePlan(colors), DirectPlan()
    sizes = [uncompressed_size(each, positions, channels) for each in (plan, direct)]
    return plan if sizes[0] < sizes[1] else direct


def quality_of_colors(colors: Sequence[int], positions: int, channels: int = 4) -> int:
    """The lowest quality, 0 to 100, whose plan has no fewer layers and, with as many, no fewer entries.

    >>> [quality_of_colors(colors, 4096) for colors in ((2,), (256,), (470,), (470, 300), (4096,) * 8)]
    [0, 44, 50, 92, 98]
    """

    def is_enough(quality: int) -> bool:
        plan = plan_for_quality(quality, positions, channels)
        return isinstance(plan, DirectPlan) or (len(plan.colors), sum(plan.colors)) >= (len(colors), sum(colors))

    return bisect_left(range(DIRECT_QUALITY), True, key=is_enough)


def uncompressed_size(plan: LadderPlan, positions: int, channels: int) -> int:
    """The size of a plan's layer sections in bytes, if nothing in them is compressed.

    >>> uncompressed_size(PalettePlan((256,)), 4096, 4) - 10, uncompressed_size(DirectPlan(), 4096, 4) - 8
    (5120, 16384)
    """
    if isinstance(plan, DirectPlan):
        return positions * channels + DIRECT_BYTES
    indices = sum(-(-positions * (count - 1).bit_length() // 8) for count in plan.colors)
    return indices + sum(plan.colors) * channels + LAYER_BYTES * len(plan.colors)


def fit_target(target: int, size_of: Callable[[LadderPlan], int], positions: int, channels: int = 4) -> LadderPlan:
    """Find the best plan whose file is not larger than a target.

    A higher rung does not always give a larger file, so the search may miss a better plan that fits. The file of the
    plan that is returned has been measured.

    Args:
        target: maximum size of the file in bytes.
        size_of: encodes a plan and returns the size of the file in bytes. Called some twenty times, once for each plan.
        positions: latent width times latent height.
        channels: latent channels.

    Returns:
        The best plan found.

    Raises:
        SdzOptionError: not even the smallest plan fits; the message says how large that is.
    """
    measure = cache(size_of)
    rungs = _rungs(positions, channels)
    if measure(rungs[-1]) <= target:
        return rungs[-1]
    low, high = -1, len(rungs) - 1  # rung low fits (-1: none yet), rung high does not
    while high - low > 1:
        middle = (low + high) // 2
        if measure(rungs[middle]) <= target:
            low = middle
        else:
            high = middle
    if low < 0:
        # The smallest plan does not always give the smallest file.
        smallest, low = min((measure(rung), number) for number, rung in enumerate(rungs[:3]))
        if smallest <= target:
            return rungs[low]
        raise does_not_fit(target, smallest)
    return _between_rungs(rungs[low], rungs[high], target, measure, positions)


def _between_rungs(
    low: LadderPlan, high: LadderPlan, target: int, measure: Callable[[LadderPlan], int], positions: int
) -> PalettePlan:
    """Bisect the size of the last palette, between a plan that fits and the next rung, which does not."""
    assert isinstance(low, PalettePlan)  # direct codes are the last rung
    others, fits = low.colors[:-1], low.colors[-1]
    if isinstance(high, PalettePlan) and len(high.colors) == len(low.colors):
        fails = high.colors[-1]
    else:
        fails = min(LONGEST_SEARCH * fits, positions // 2) + 1
    while fails - fits > 1:
        middle = (fits + fails) // 2
        if measure(PalettePlan((*others, middle))) <= target:
            fits = middle
        else:
            fails = middle
    return PalettePlan((*others, fits))


def _rungs(positions: int, channels: int) -> list[LadderPlan]:
    """The ladder: the smallest palette of all, then the plans of all qualities, without repetitions."""
    plans = [plan_for_quality(quality, positions, channels) for quality in range(DIRECT_QUALITY + 1)]
    smallest = PalettePlan((MIN_ENTRIES,))
    return list(dict.fromkeys([smallest, *plans] if isinstance(plans[0], PalettePlan) else plans))


def _entries_between(least: int, most: int, part: float) -> int:
    """Geometric interpolation from ``least`` to ``most`` entries, at a part of 0 to 1, rounded."""
    return round(interpolate_geometrically(least, most, part))
