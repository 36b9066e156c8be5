"""What a configuration says of a stage, and what of it changes from step to step: learning rate and rate weight."""

from __future__ import annotations

import math
from typing import Any


def stage_settings(stages: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
    """A stage's settings; those that it leaves out are those of the stage that its ``like`` names.

    Raises:
        SystemExit: there is no stage of that name.
    """
    if name not in stages:
        raise SystemExit(f"no stage {name!r} in the configuration; it has {', '.join(stages)}")
    own = stages[name]
    return stage_settings(stages, own["like"]) | own if "like" in own else own


def learning_rate(step: int, stage: dict[str, Any]) -> float:
    """Linear warm-up, then a cosine down to the stage's ``final`` share of the peak: if unnamed, a hundredth."""
    peak, warmup, steps = stage["learning_rate"], stage["warmup"], stage["steps"]
    if step < warmup:
        return float(peak * (step + 1) / warmup)
    progress = min(1.0, (step - warmup) / max(1, steps - warmup))
    final = stage.get("final", 0.01)
    return float(peak * (final + (1 - final) * (1 + math.cos(math.pi * progress)) / 2))


def rate_weight(step: int, stage: dict[str, Any]) -> float:
    """The stage's weight of the rate; with a ramp (first step, last step, share at its start) it grows to that."""
    first, last, share = stage.get("rate_ramp", (0, 1, 1.0))
    progress = min(1.0, max(0.0, (step - first) / (last - first)))
    return float(stage.get("rate_weight", 1.0) * (share + (1 - share) * progress))
