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
        features: weight of the distance of features.
        bits: weight of bits per pixel, for each code of the quantiser's step: files with a coarse step are to be small.
            Deeper activations ask for more bits; a larger weight keeps the size.
        shifted: whether features are compared at another place of their grid in each step. Many steps would otherwise
            find what looks right to the encoder at one place alone.
    """

    steps: int
    rate: float = 0.07
    depth: int = 2
    features: float = 12.0
    bits: float = 0.28
    shifted: bool = False

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
    Schedule(2, 0.05),
    Schedule(4, 0.035),
    Schedule(6, 0.03, depth=5, features=8.0, bits=0.27, shifted=True),
    Schedule(10, 0.03, depth=5, features=8.0, bits=0.27, shifted=True),
    Schedule(15, 0.03, depth=5, features=8.0, bits=0.27, shifted=True),
)
"""The refinement of each effort, 0 to 9."""

PLACES: Final = 8
"""Rows, and columns, of the encoder's grid: pixels per latent position."""


def place(number: int) -> tuple[int, int]:
    """Row and column of the grid, 0 to 7 each, at which step ``number`` compares features: another one in each step.

    >>> [place(number) for number in range(4)]
    [(0, 0), (5, 3), (2, 6), (7, 1)]
    """
    return 5 * number % PLACES, 3 * number % PLACES
