"""Rate control of scalar payloads: a quality or a target size -> a step of the quantiser, or direct codes.

Qualities 0 to 99 have ever finer steps, quality 100 is direct codes. For a target size in bytes, the finest step whose
file fits is searched for.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Final

from pillow_sdz.limits import MAX_STEP, MIN_STEP
from pillow_sdz.payloads.direct.payload import DirectPlan
from pillow_sdz.payloads.rate_control import DIRECT_QUALITY, check_quality, does_not_fit, interpolate_geometrically
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
"""Default quality."""

FINEST: Final = DIRECT_QUALITY - 1
"""Highest quality with a scalar payload."""

CLOSE_ENOUGH: Final = 0.995
"""The search for a target size ends at a file of at least this share of the target."""

TOO_SMALL: Final = 0.97
"""If the search ends with a file below this share of the target, finer steps are tried, as sizes are not monotone."""

EXTRA_STEPS: Final = 4
"""How many finer steps are tried then, from the first one below the step that is known not to fit."""


def plan_for_quality(quality: int) -> Plan:
    """The plan of a quality. Steps fall by a constant factor per quality up to 50, and by another one above.

    Args:
        quality: 0 to 100.

    Returns:
        The plan; a higher quality has a smaller step.

    Raises:
        SdzOptionError: quality is out of its range.

    >>> [plan_for_quality(quality) for quality in (0, 25, 50, 99, 100)]
    [ScalarPlan(step=1376), ScalarPlan(step=771), ScalarPlan(step=432), ScalarPlan(step=24), DirectPlan()]
    """
    check_quality(quality)
    if quality == DIRECT_QUALITY:
        return DirectPlan()
    if quality <= DEFAULT:
        return ScalarPlan.in_codes(interpolate_geometrically(STEP_AT_ZERO, STEP_AT_DEFAULT, quality / DEFAULT))
    part = (quality - DEFAULT) / (FINEST - DEFAULT)
    return ScalarPlan.in_codes(interpolate_geometrically(STEP_AT_DEFAULT, STEP_AT_FINEST, part))


def quality_of_step(step: float) -> float:
    """The quality, 0.0 to 99.0, whose step is nearest to one in codes: the inverse of `plan_for_quality`.

    >>> [round(quality_of_step(step), 1) for step in (128, 86, 27, 10, 1)]
    [0.0, 0.0, 50.0, 66.8, 99]
    """
    if step >= STEP_AT_DEFAULT:
        quality = DEFAULT * math.log(STEP_AT_ZERO / step) / math.log(STEP_AT_ZERO / STEP_AT_DEFAULT)
    else:
        part = math.log(STEP_AT_DEFAULT / step) / math.log(STEP_AT_DEFAULT / STEP_AT_FINEST)
        quality = DEFAULT + (FINEST - DEFAULT) * part
    return min(max(quality, 0.0), FINEST)


def fit_target(target: int, size_of: Callable[[Plan], int]) -> Plan:
    """Find the best plan whose file is not larger than a target.

    A finer step does not always give a larger file, so the search may miss a finer one that fits. The file of the plan
    that is returned has been measured.

    Args:
        target: maximum size of the file in bytes.
        size_of: encodes a plan and returns the size of the file in bytes. Called some ten times, once for each plan.

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
    if measure(fits) < TOO_SMALL * target:
        finer = range(fits - 2, max(MIN_STEP, fits - 2 - EXTRA_STEPS), -1)
        fits = min((step for step in finer if measure(step) <= target), default=fits)
    return ScalarPlan(fits)


def _bracket(target: int, measure: Callable[[int], int]) -> int:
    """Narrow the interval between a step that does not fit and one that does, and return the latter.

    It ends when the two are neighbours or the file is close to the target. Each measurement encodes the whole picture,
    so bisection alternates with interpolation: the size falls about linearly with the logarithm of the step.
    """
    fails, fits = MIN_STEP, MAX_STEP
    interpolate = True
    while fits - fails > 1 and measure(fits) < CLOSE_ENOUGH * target:
        part = 0.5
        if interpolate:
            aim = (1 + CLOSE_ENOUGH) / 2 * target
            part = (measure(fails) - aim) / max(1, measure(fails) - measure(fits))
        middle = round(interpolate_geometrically(fails, fits, part))
        middle = min(fits - 1, max(fails + 1, middle))
        if measure(middle) <= target:
            fits = middle
        else:
            fails = middle
        interpolate = not interpolate
    return fits
