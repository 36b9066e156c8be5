"""Rate control of scalar payloads: from quality 0 to 99 ever finer steps of the quantiser, at 100 direct codes.

A quality is one step; a target size in bytes is the finest step found whose file fits.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from pillow_sdz.limits import MAX_STEP, MIN_STEP
from pillow_sdz.payloads.direct.payload import DirectPlan
from pillow_sdz.payloads.rate_control import DIRECT_QUALITY, between, check_quality, does_not_fit
from pillow_sdz.payloads.scalar.payload import ScalarPlan

if TYPE_CHECKING:
    from collections.abc import Callable

    from pillow_sdz.payloads.protocol import Plan

STEP_AT_ZERO: Final = 86.0
"""Step of quality 0, in codes."""

STEP_AT_DEFAULT: Final = 27.0
"""Step of the default quality, in codes."""

STEP_AT_FINEST: Final = 1.5
"""Step of quality 99, in codes."""

DEFAULT: Final = 50
FINEST: Final = DIRECT_QUALITY - 1

CLOSE: Final = 0.995
"""A file of this part of the target size is close enough: the search for a better one ends."""

FAR: Final = 0.97
"""Where the search ends further below the target than this, a few finer steps are tried: sizes are not monotone."""

NEIGHBOURS: Final = 4
"""How many steps beyond the one that does not fit are tried then."""


def plan_for_quality(quality: int) -> Plan:
    """The plan of a quality: its step falls by one constant factor per quality up to 50, by another above.

    Args:
        quality: 0 to 100.

    Returns:
        The plan; its step falls strictly with rising quality.

    Raises:
        SdzOptionError: quality is out of its range.

    >>> [plan_for_quality(quality) for quality in (0, 25, 50, 99, 100)]
    [ScalarPlan(step=1376), ScalarPlan(step=771), ScalarPlan(step=432), ScalarPlan(step=24), DirectPlan()]
    """
    check_quality(quality)
    if quality == DIRECT_QUALITY:
        return DirectPlan()
    if quality <= DEFAULT:
        return ScalarPlan.in_codes(between(STEP_AT_ZERO, STEP_AT_DEFAULT, quality / DEFAULT))
    part = (quality - DEFAULT) / (FINEST - DEFAULT)
    return ScalarPlan.in_codes(between(STEP_AT_DEFAULT, STEP_AT_FINEST, part))


def fit_target(target: int, size_of: Callable[[Plan], int]) -> Plan:
    """Find the best plan whose file is not larger than a target.

    Sizes need not grow from step to finer step: what is returned has been measured, and fits.

    Args:
        target: bytes.
        size_of: the bytes of the file that a plan gives. Called some ten times, never twice with the same plan.

    Returns:
        The plan with the finest step found, or direct codes if those fit.

    Raises:
        SdzOptionError: not even the coarsest step fits; the message says how large that is.
    """
    measure = cache(lambda step: size_of(ScalarPlan(step)))
    if measure(MAX_STEP) > target:
        raise does_not_fit(target, measure(MAX_STEP))
    if measure(MIN_STEP) <= target:
        direct = DirectPlan()
        return direct if size_of(direct) <= target else ScalarPlan(MIN_STEP)
    fits = _bracket(target, measure)
    if measure(fits) < FAR * target:
        finer = range(fits - 2, max(MIN_STEP, fits - 2 - NEIGHBOURS), -1)
        fits = min((step for step in finer if measure(step) <= target), default=fits)
    return ScalarPlan(fits)


def _bracket(target: int, measure: Callable[[int], int]) -> int:
    """Narrow the steps down from all to one that fits, next to one that does not or close to the target.

    Each measurement encodes the whole picture, so bisection alternates with interpolation: within a few percent, the
    size falls linearly with the logarithm of the step.
    """
    fails, fits = MIN_STEP, MAX_STEP
    guess = True
    while fits - fails > 1 and measure(fits) < CLOSE * target:
        part = 0.5
        if guess:
            aim = (1 + CLOSE) / 2 * target
            part = (measure(fails) - aim) / max(1, measure(fails) - measure(fits))
        middle = round(between(fails, fits, part))
        middle = min(fits - 1, max(fails + 1, middle))
        if measure(middle) <= target:
            fits = middle
        else:
            fails = middle
        guess = not guess
    return fits
