"""Rate control of the scalar payload: from a quality or a target size to a step."""

from __future__ import annotations

import math
import random
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pillow_sdz.errors import SdzOptionError
from pillow_sdz.limits import MAX_STEP, MIN_STEP
from pillow_sdz.payloads.direct.payload import DirectPlan
from pillow_sdz.payloads.scalar import rate_control
from pillow_sdz.payloads.scalar.payload import ScalarPlan
from pillow_sdz.payloads.scalar.rate_control import fit_target, plan_for_quality

if TYPE_CHECKING:
    from pillow_sdz.payloads.protocol import Plan

VALUES = 24_576
DIRECT_SIZE = 20_000


def step_of(plan: Plan) -> int:
    assert isinstance(plan, ScalarPlan)
    return plan.step


def typical_size(plan: Plan) -> int:
    """About as many bytes as a file needs for Laplacian values with a standard deviation of 25 codes."""
    if isinstance(plan, DirectPlan):
        return DIRECT_SIZE
    assert isinstance(plan, ScalarPlan)
    ratio = 25 / (plan.step / 16)
    return 80 + round(VALUES / 8 * 0.8 * math.log2(1 + 2.5 * ratio))


def test_steps_fall_with_quality() -> None:
    plans = [plan_for_quality(quality) for quality in range(101)]
    steps = [step_of(plan) for plan in plans[:100]]
    assert all(one > other for one, other in pairwise(steps))
    assert {plan.kind for plan in plans[:100]} == {"scalar"}
    assert plans[100] == DirectPlan()
    assert MIN_STEP <= steps[99] <= steps[0] <= MAX_STEP


def test_the_lowest_the_default_and_the_highest_quality() -> None:
    for quality, step in (
        (0, rate_control.STEP_AT_ZERO),
        (50, rate_control.STEP_AT_DEFAULT),
        (99, rate_control.STEP_AT_FINEST),
    ):
        assert plan_for_quality(quality) == ScalarPlan.in_codes(step) == ScalarPlan(round(16 * step))


@pytest.mark.parametrize("quality", [-1, 101])
def test_quality_beyond_its_range(quality: int) -> None:
    with pytest.raises(SdzOptionError, match=f"quality: out of range .found {quality}, expected 0 to 100"):
        plan_for_quality(quality)


@pytest.mark.parametrize("target", [*range(1700, 10_000, 379)])
def test_target_is_met_closely(target: int) -> None:
    plan = fit_target(target, typical_size)
    assert 0.97 * target <= typical_size(plan) <= target


def test_each_plan_is_encoded_once_and_few_are() -> None:
    for target in range(1700, 10_000, 1000):
        asked: list[Plan] = []

        def size_of(plan: Plan, asked: list[Plan] = asked) -> int:
            asked.append(plan)
            return typical_size(plan)

        fit_target(target, size_of)
        assert len(asked) == len(set(asked)) <= 9


def test_large_targets() -> None:
    largest = typical_size(ScalarPlan(MIN_STEP))
    assert fit_target(10**6, typical_size) == DirectPlan()
    assert fit_target(DIRECT_SIZE, typical_size) == DirectPlan()
    assert fit_target(DIRECT_SIZE - 1, typical_size) == ScalarPlan(MIN_STEP)
    assert fit_target(largest, typical_size) == ScalarPlan(MIN_STEP)
    assert step_of(fit_target(largest - 1, typical_size)) in range(MIN_STEP + 1, MIN_STEP + 4)


def test_too_small_a_target_names_the_smallest_size() -> None:
    smallest = typical_size(ScalarPlan(MAX_STEP))
    with pytest.raises(
        SdzOptionError, match=rf"target_size: .*found {smallest - 1} bytes, expected at least {smallest} "
    ):
        fit_target(smallest - 1, typical_size)
    assert typical_size(fit_target(smallest, typical_size)) == smallest


@given(st.integers(500, 25_000), st.integers(0, 10**6))
@settings(max_examples=150, deadline=None)
def test_what_is_chosen_fits_even_where_sizes_jump(target: int, seed: int) -> None:
    def size_of(plan: Plan) -> int:  # up to 15 % above or below, without any order
        return round(typical_size(plan) * random.Random(f"{plan} {seed}").uniform(0.85, 1.15))

    try:
        plan = fit_target(target, size_of)
    except SdzOptionError:
        assert size_of(ScalarPlan(MAX_STEP)) > target
    else:
        assert size_of(plan) <= target


def test_finer_steps_are_tried_where_sizes_jump() -> None:
    def size_of(plan: Plan) -> int:  # three steps do not fit although they are coarser than some that do
        step = plan.step if isinstance(plan, ScalarPlan) else 0
        return 990 if 300 <= step < 400 else 1100 if 400 <= step < 403 else 500 if step >= 403 else 2000

    assert step_of(fit_target(1000, size_of)) in range(300, 400)
