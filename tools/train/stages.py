"""Settings of a stage from a configuration, and those that change from step to step: learning rate and rate weight."""

from __future__ import annotations

import math
from typing import Any


def stage_settings(stages: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
    """A stage's settings; what it leaves out is taken from the stage that its ``like`` names.

    Args:
        stages: name -> settings, the table ``[stages]`` of a configuration.
        name: of the stage.

    Raises:
        SystemExit: there is no stage of that name.
    """
    if name not in stages:
        raise SystemExit(f"no stage {name!r} in the configuration; it has {', '.join(stages)}")
    own = stages[name]
    return stage_settings(stages, own["like"]) | own if "like" in own else own


def learning_rate(step: int, stage: dict[str, Any]) -> float:
    """Linear warm-up, then a cosine down to the stage's ``final`` share of the peak, a hundredth by default."""
    peak, warmup, steps = stage["learning_rate"], stage["warmup"], stage["steps"]
    if step < warmup:
        return float(peak * (step + 1) / warmup)
    progress = min(1.0, (step - warmup) / max(1, steps - warmup))
    final = stage.get("final", 0.01)
    return float(peak * (final + (1 - final) * (1 + math.cos(math.pi * progress)) / 2))


def rate_weight(step: int, stage: dict[str, Any]) -> float:
    """Weight of the rate in the loss at a step of training.

    It is ``rate_weight``, 1 by default. With ``rate_ramp``, (first step, last step, share), it is that share of it
    until the first step, and grows linearly until the last.
    """
    first, last, share = stage.get("rate_ramp", (0, 1, 1.0))
    progress = min(1.0, max(0.0, (step - first) / (last - first)))
    return float(stage.get("rate_weight", 1.0) * (share + (1 - share) * progress))
