"""The ladder of models with a prior: from quality 0 to 99 ever finer steps of the quantiser, at 100 direct codes.

Two searches use it: a quality is one step; a target size in bytes is the finest step found whose file fits.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Final

from pillow_sdz.errors import SdzOptionError
from pillow_sdz.limits import MAX_STEP, MIN_STEP
from pillow_sdz.payloads.palette.rate_control import DIRECT, Plan, does_not_fit
from pillow_sdz.payloads.scalar.layer import STEP_UNIT

if TYPE_CHECKING:
    from collections.abc import Callable

STEP_AT_ZERO: Final = 86.0
"""Step of quality 0, in codes."""

STEP_AT_DEFAULT: Final = 27.0
"""Step of the default quality, in codes."""

STEP_AT_FINEST: Final = 1.5
"""Step of quality 99, in codes."""

DEFAULT: Final = 50
FINEST: Final = DIRECT - 1

CLOSE: Final = 0.995
"""A file of this part of the target size is close enough: the search for a better one ends."""

FAR: Final = 0.97
"""Where the search ends further below the target than this, a few finer steps are tried: sizes are not monotone."""

NEIGHBOURS: Final = 4
"""How many steps beyond the one that does not fit are tried then."""


def plan_for_quality(quality: int) -> Plan:
    """Return the plan of a quality: its step falls by one constant factor to quality 50, by another above.

    Args:
        quality: 0 to 100.

    Returns:
        The plan; its step falls strictly with rising quality.

    Raises:
        SdzOptionError: quality is out of its range.

    >>> [plan_for_quality(quality).step for quality in (0, 25, 50, 99, 100)]
    [1376, 771, 432, 24, None]
    """
    if not 0 <= quality <= DIRECT:
        raise SdzOptionError("out of range", field="quality", found=quality, expected=f"0 to {DIRECT}")
    if quality == DIRECT:
        return Plan(())
    if quality <= DEFAULT:
        step = STEP_AT_ZERO * math.pow(STEP_AT_DEFAULT / STEP_AT_ZERO, quality / DEFAULT)
    else:
        part = (quality - DEFAULT) / (FINEST - DEFAULT)
        step = STEP_AT_DEFAULT * math.pow(STEP_AT_FINEST / STEP_AT_DEFAULT, part)
    return plan_for_step(step)


def plan_for_step(step: float) -> Plan:
    """Return the plan of a step in codes, 1.0 to 128.0, rounded to sixteenths of a code.

    >>> plan_for_step(4.04).step
    65
    """
    return Plan((), round(step / STEP_UNIT))


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
    measure = cache(lambda step: size_of(Plan((), step)))
    if measure(MAX_STEP) > target:
        raise does_not_fit(target, measure(MAX_STEP))
    if measure(MIN_STEP) <= target:
        direct = Plan(())
        return direct if size_of(direct) <= target else Plan((), MIN_STEP)
    fits = _bracket(target, measure)
    if measure(fits) < FAR * target:
        finer = range(fits - 2, max(MIN_STEP, fits - 2 - NEIGHBOURS), -1)
        fits = min((step for step in finer if measure(step) <= target), default=fits)
    return Plan((), fits)


def _bracket(target: int, measure: Callable[[int], int]) -> int:
    """Narrow the steps down from all to one that fits, next to one that does not or close to the target.

    Bisection takes turns with a guess that the size falls with the logarithm of the step, which it does within a few
    percent: each measurement codes the whole picture.
    """
    fails, fits = MIN_STEP, MAX_STEP
    guess = True
    while fits - fails > 1 and measure(fits) < CLOSE * target:
        part = 0.5
        if guess:
            aim = (1 + CLOSE) / 2 * target
            part = (measure(fails) - aim) / max(1, measure(fails) - measure(fits))
        middle = round(fails * math.pow(fits / fails, part))
        middle = min(fits - 1, max(fails + 1, middle))
        if measure(middle) <= target:
            fits = middle
        else:
            fails = middle
        guess = not guess
    return fits
