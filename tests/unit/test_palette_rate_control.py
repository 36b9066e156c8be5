"""Rate control of the palette payload: from a quality or a target size to layers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pillow_sdz.errors import SdzOptionError
from pillow_sdz.payloads.direct.payload import DirectPlan
from pillow_sdz.payloads.palette.payload import PalettePlan
from pillow_sdz.payloads.palette.rate_control import (
    DIRECT_BYTES,
    LAYER_BYTES,
    LadderPlan,
    fit_target,
    plan_for_quality,
    uncompressed_size,
)


def colors_of(plan: LadderPlan) -> tuple[int, ...]:
    """Palette entries of each layer; none for direct codes."""
    return plan.colors if isinstance(plan, PalettePlan) else ()


def typical_size(plan: LadderPlan, positions: int, channels: int = 4) -> int:
    """The size in bytes of a plan if each index takes log2(entries) bits."""
    if isinstance(plan, DirectPlan):
        return DIRECT_BYTES + round(0.9 * positions * channels)
    return sum(LAYER_BYTES + n * channels + round(positions * math.log2(n) / 8) for n in plan.colors)


@pytest.mark.parametrize("positions", [1, 2, 5, 16, 63, 64, 256, 1000, 4096, 375000])
@pytest.mark.parametrize("channels", [1, 4, 16])
def test_bytes_and_entries_rise_with_quality(positions: int, channels: int) -> None:
    plans = [plan_for_quality(quality, positions, channels) for quality in range(101)]
    sizes = [uncompressed_size(plan, positions, channels) for plan in plans]
    assert sizes == sorted(sizes)
    steps = [plan.colors for plan in plans if isinstance(plan, PalettePlan)]
    assert steps == sorted(steps)  # element by element: no layer shrinks, none goes
    assert plans[-1] == DirectPlan()
    assert all(plan == DirectPlan() for plan in plans[len(steps) :])  # once direct, always direct
    assert all(2 <= count <= max(2, positions) for colors in steps for count in colors)


def test_the_plans_of_some_qualities() -> None:
    plan = {quality: colors_of(plan_for_quality(quality, 6144)) for quality in (0, 25, 50, 51, 95, 96, 99, 100)}
    assert plan[0] == (4,)
    assert plan[25] == (43,)  # half way from 4 to 470 in equal factors
    assert plan[50] == (470,)
    assert plan[51] == (470, 2)
    assert plan[95] == (470, 470)
    assert plan[96][:2] == (470, 470)
    assert len(plan[96]) == 3
    assert plan[99] == (), "three full layers would take more bytes than direct codes"
    assert plan[100] == ()


def test_tiny_latents_use_direct_codes() -> None:
    assert plan_for_quality(0, 1) == DirectPlan()
    assert plan_for_quality(50, 1) == DirectPlan()
    assert colors_of(plan_for_quality(50, 64)) == (21,)
    assert plan_for_quality(90, 16) == DirectPlan()


@pytest.mark.parametrize("quality", [-1, 101])
def test_quality_beyond_its_range(quality: int) -> None:
    with pytest.raises(SdzOptionError, match=f"quality: out of range .found {quality}, expected 0 to 100"):
        plan_for_quality(quality, 4096)


@pytest.mark.parametrize("target", [*range(1800, 5100, 379), 6500, 8000, 9999, 12000])
def test_target_is_met_closely(target: int) -> None:
    plan = fit_target(target, lambda plan: typical_size(plan, 4096), 4096)
    assert 0.95 * target <= typical_size(plan, 4096) <= target


def test_target_above_everything_gives_direct_codes() -> None:
    assert fit_target(10**6, lambda plan: typical_size(plan, 4096), 4096) == DirectPlan()


def test_larger_targets_give_larger_files() -> None:
    sizes = [
        typical_size(fit_target(target, lambda plan: typical_size(plan, 1024), 1024), 1024)
        for target in range(400, 6000, 100)
    ]
    assert sizes == sorted(sizes)


def test_each_plan_is_encoded_once_and_few_are() -> None:
    asked: list[LadderPlan] = []

    def size_of(plan: LadderPlan) -> int:
        asked.append(plan)
        return typical_size(plan, 4096)

    fit_target(4444, size_of, 4096)
    assert len(asked) == len(set(asked)) <= 20


@given(st.integers(100, 20000), st.integers(0, 10**6), st.sampled_from([1, 16, 64, 4096]))
@settings(max_examples=150, deadline=None)
def test_what_is_chosen_fits_even_where_sizes_jump(target: int, seed: int, positions: int) -> None:
    def size_of(plan: LadderPlan) -> int:  # up to 15 % above or below, without any order
        jitter = (hash((colors_of(plan), seed)) % 1001 - 500) / 500 * 0.15
        return round(typical_size(plan, positions) * (1 + jitter))

    try:
        plan = fit_target(target, size_of, positions)
    except SdzOptionError:
        assert size_of(plan_for_quality(0, positions)) > target
    else:
        assert size_of(plan) <= target


@pytest.mark.parametrize(("positions", "smallest"), [(4096, 10 + 2 * 4 + 512), (1, DIRECT_BYTES + 4)])
def test_too_small_a_target_names_the_smallest_size(positions: int, smallest: int) -> None:
    with pytest.raises(SdzOptionError, match=f"target_size: .*at least {smallest} bytes"):
        fit_target(smallest - 1, lambda plan: typical_size(plan, positions), positions)
    plan = fit_target(smallest, lambda plan: typical_size(plan, positions), positions)
    assert colors_of(plan) in {(2,), ()}
