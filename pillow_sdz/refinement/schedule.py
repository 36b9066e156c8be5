"""How much an effort refines: steps, their size, and how deep the encoder looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Schedule:
    """A refinement.

    Attributes:
        steps: how many gradient steps; 0 leaves the latent as the encoder gives it.
        rate: size of the first step, in steps of the quantiser; the sizes fall linearly.
        depth: how many of the encoder's activations are compared, see `pillow_sdz.refinement.objective.Objective`.
        bits: weight of bits per pixel in the objective, for each code of the quantiser's step: files with a coarse step
            are to be small. Deeper activations ask for more bits; a larger weight keeps the size.
    """

    steps: int
    rate: float = 0.07
    depth: int = 2
    bits: float = 0.09

    def rates(self) -> list[float]:
        """The size of each step, in steps of the quantiser.

        >>> [round(rate, 3) for rate in Schedule(2, rate=0.06).rates()]
        [0.06, 0.03]
        """
        return [self.rate * (1 - number / self.steps) for number in range(self.steps)]


PLAIN: Final = Schedule(0)

SCHEDULES: Final = (
    *[PLAIN] * 4,
    Schedule(1),
    Schedule(2, 0.06),
    Schedule(4, 0.05),
    Schedule(6, 0.04, depth=5, bits=0.2),
    Schedule(10, 0.04, depth=5, bits=0.2),
    Schedule(17, 0.04, depth=5, bits=0.2),
)
"""The refinement of each effort, 0 to 9."""
