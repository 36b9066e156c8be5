"""Cases of rate control: the plan of each quality, and the plans found for target sizes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from guard import calls
from guard.results import told

if TYPE_CHECKING:
    from collections.abc import Iterator


def plan_text(plan: calls.Plan) -> str:
    if isinstance(plan, calls.ScalarPlan):
        return f"step {plan.step}"
    return "+".join(map(str, plan.colors)) if isinstance(plan, calls.PalettePlan) else "direct"


def step_of(plan: calls.Plan) -> int | None:
    return plan.step if isinstance(plan, calls.ScalarPlan) else None


def ladders() -> Iterator[tuple[str, str]]:
    """The plans of all qualities, in order."""
    yield "steps", " ".join(str(step_of(calls.plan_by_steps(quality))) for quality in range(101))
    for positions in (1, 4, 30, 247, 1410, 4096, 6144, 1 << 20):
        for channels in (3, 4, 8, 16):
            plans = [plan_text(calls.plan_by_palettes(quality, positions, channels)) for quality in range(101)]
            texts = [f"{plan} from {plans.index(plan)}" for plan in dict.fromkeys(plans)]
            rising = all(plans[i] == plans[i - 1] or plans[i] not in plans[:i] for i in range(1, 101))
            assert rising, "a plan comes back"
            if channels != 4:
                texts = [hashlib.sha256(" ".join(plans).encode()).hexdigest()]
            yield f"palettes, {positions} positions, {channels} channels", ", ".join(texts)


def size_of(plan: calls.Plan) -> int:
    """A size in bytes for a plan: roughly that of a real file, and sometimes slightly larger for a coarser plan."""
    if isinstance(plan, calls.ScalarPlan):
        return 150 + 3_000_000 // (plan.step + 40) + plan.step % 7 * 3
    if not isinstance(plan, calls.PalettePlan):
        return 33_000
    return 120 + sum(900 + 9 * count + count % 5 * 4 for count in plan.colors)


def jumpy_size_of(plan: calls.Plan) -> int:
    """Sizes that are up to a tenth larger than those of `size_of`, and vary from step to step."""
    return size_of(plan) * (100 + (step_of(plan) or 0) * 37 % 11) // 100


def fits() -> Iterator[tuple[str, str]]:
    """Plans found for target sizes, and the plans whose sizes were measured on the way."""
    for target in (100, 1000, 1500, 1700, 2000, 2600, 3000, 5000, 8000, 12000, 20000, 32000, 40000, 60000):
        for name, positions, channels in (("steps", 0, 0), ("palettes", 4096, 4), ("palettes", 247, 8)):
            asked: list[str] = []

            def size(plan: calls.Plan, asked: list[str] = asked) -> int:
                asked.append(plan_text(plan))
                return size_of(plan)

            try:
                if positions:
                    plan = calls.fit_by_palettes(target, size, positions, channels)
                else:
                    plan = calls.fit_by_steps(target, size)
                found = plan_text(plan)
            except Exception as error:
                found = told(error)
            where = f"{name}, {positions} positions" if positions else name
            yield f"{where}, {target} bytes", f"{found}; asked for {', '.join(asked)}"
    every = range(1600, 40_000, 160)
    yield "steps, every 160 bytes", " ".join(str(step_of(calls.fit_by_steps(target, size_of))) for target in every)
    steps = [step_of(calls.fit_by_steps(target, jumpy_size_of)) for target in every[3:]]
    yield "steps, every 160 bytes, jumpy", " ".join(map(str, steps))
