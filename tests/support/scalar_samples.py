"""Priors of a few hundred weights, latents to code with them, and a model that has nothing but its prior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pillow_sdz.errors import SdzModelError
from pillow_sdz.payloads.scalar.prior import Prior, PriorShape

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHAPE = PriorShape(channels=4, groups=2, shared_width=12, group_width=8)


def prior_file(seed: int = 0, shape: PriorShape = SHAPE) -> bytes:
    """A prior's file with random weights, as large as trained ones: means and scales vary from position to position."""
    rng = np.random.default_rng(seed)
    arrays = []
    for index, (rows, columns) in enumerate(shape.arrays()):
        spread = 60 if rows == 12 * shape.channels + 1 else 1200 if rows > 1 else 0
        arrays.append(
            np.rint(rng.normal(0, spread, (rows, columns))) if index else np.full((2, columns), [[0], [1000]])
        )
    return b"".join(a.astype("<i4").tobytes() for a in arrays)


PRIOR = Prior.from_bytes(prior_file(), SHAPE)


def plain_prior(mean: int = 0) -> Prior:
    """A prior that predicts the mean of the four nearest neighbours, and in pass 0 ``mean``, in 256ths of a code."""
    arrays = [
        np.zeros((rows, columns)) if index else np.full((2, columns), [[mean], [900]])
        for index, (rows, columns) in enumerate(SHAPE.arrays())
    ]
    return Prior.from_bytes(b"".join(a.astype("<i4").tobytes() for a in arrays), SHAPE)


def sample(shape: tuple[int, int, int], seed: int = 0) -> NDArray[np.float32]:
    """Targets to code (codes less 128, not rounded), with heavy tails and correlated neighbours."""
    rng = np.random.default_rng(seed)
    rough = rng.laplace(0, 25, shape).astype(np.float32)
    smooth = (rough + np.roll(rough, 1, 0) + np.roll(rough, 1, 1)) / 2
    return np.clip(smooth, -128, 127)


@dataclass(frozen=True)
class PriorOnly:
    """A model that has nothing but its prior; implements `pillow_sdz.payloads.protocol.ModelData`.

    Attributes:
        found: the prior; None stands for a model that is not installed.
    """

    found: Prior | None = PRIOR

    def prior(self) -> Prior:
        """The prior."""
        if self.found is None:
            raise SdzModelError("the model is not installed")
        return self.found
