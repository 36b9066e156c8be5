"""Closed-loop predictive coding of a latent: what encoder and decoder of scalar payloads have in common.

The prior predicts each group of channels from values that the decoder has already reconstructed, so the encoder
quantises and reconstructs group by group as well. ``spec/sdz.md`` gives the same steps (Scalar payload). All arithmetic
is on integers.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from pillow_sdz.coding.fixed_point import logarithm
from pillow_sdz.coding.threads import in_threads
from pillow_sdz.payloads.scalar.scan import scan
from pillow_sdz.payloads.scalar.tables import SCALES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from pillow_sdz.payloads.scalar.prior import Prior
    from pillow_sdz.payloads.scalar.scan import Pass

    Context = tuple[NDArray[np.uint16], NDArray[np.int16]]
    Place = tuple[NDArray[np.intp], slice]  # rows and columns of an array (h * w, C): positions (n,), channels

LEVEL_LIMIT: Final = 1 << 15
"""Levels (prediction residuals in steps) are below this in magnitude: three 6-bit digits of an escape code hold any."""

DIGITS: Final = (12, 6, 0)
"""Shifts of the digits of an escape code, in the order of the stream."""

LOWEST_CODE: Final = -128
HIGHEST_CODE: Final = 127
"""Range of signed codes (codes less 128); the prior's means are clamped to it."""

_CHUNK: Final = 1 << 11
"""Positions that are predicted at a time: the arrays of one matrix product then stay in the processor's cache."""


class ScalarTraversal:
    """What encoder and decoder have in common: prediction and reconstruction, pass by pass and group by group.

    Args:
        shape: (h, w, C) of the latent, or of the grid.
        step: of the quantiser, in sixteenths of a code.
        prior: the model's.
        finest: stride of the grid that is coded, see `scan`.

    Attributes:
        passes: see `scan`.
        reconstructed: (h * w + 1, C) int8: the signed codes reconstructed so far, 0 elsewhere. The last row stays 0: it
            takes the place of neighbours outside the latent.
    """

    def __init__(self, shape: tuple[int, int, int], step: int, prior: Prior, finest: int = 1) -> None:
        height, width, channels = shape
        self.step, self.prior, self.group_size = step, prior, prior.shape.group_size
        self.log_step = int(logarithm(np.array([step], np.int32))[0])
        self.passes: Iterable[Pass] = scan(height, width, finest)
        self.reconstructed = np.zeros((height * width + 1, channels), np.int8)

    def predictions(self) -> Iterator[tuple[Place, NDArray[np.int64], NDArray[np.int64]]]:
        """`predict` for all passes."""
        for scan_pass in self.passes:
            yield from self.predict(scan_pass)

    def predict(self, scan_pass: Pass) -> Iterator[tuple[Place, NDArray[np.int64], NDArray[np.int64]]]:
        """Predict the groups of channels of a pass; call `reconstruct` before requesting the next batch.

        Yields:
            Positions (n,) and channels of the batch, its means (n, group_size) in 256ths of a signed code, and the
            numbers of its frequency tables (n, group_size).
        """
        size = self.group_size
        network, positions, count = scan_pass.network, scan_pass.positions, len(scan_pass.positions)
        chunks = [slice(start, start + _CHUNK) for start in range(0, count, _CHUNK)]
        contexts = (
            []
            if network is None
            else in_threads(lambda chunk: self._context(network, scan_pass.neighbours[chunk]), chunks)
        )
        for group in range(self.prior.shape.groups):
            channels = slice(group * size, (group + 1) * size)
            if network is None:
                mean, table = self._distribution(
                    *(np.broadcast_to(row[channels], (count, size)) for row in self.prior.initial())
                )
            else:
                inputs = list(zip(contexts, (positions[chunk] for chunk in chunks), strict=True))
                predicted = in_threads(partial(self._predict, network, group), inputs)
                mean, table = predicted[0] if len(predicted) == 1 else map(np.concatenate, zip(*predicted, strict=True))
            yield (positions, channels), mean, table

    def reconstruct(self, place: Place, mean: NDArray[np.int64], level: NDArray[np.int64]) -> NDArray[np.int64]:
        """Reconstruct a batch from its levels (n, group_size), and return its codes, 0 to 255."""
        codes = self.codes(mean, level)
        self.reconstructed[place] = codes
        return codes - LOWEST_CODE

    def codes(self, mean: NDArray[np.int64], level: NDArray[np.int64]) -> NDArray[np.int64]:
        """The signed codes that levels stand for, -128 to 127."""
        codes: NDArray[np.int64] = (mean + 16 * self.step * level + 128) >> 8
        np.maximum(codes, LOWEST_CODE, out=codes)
        np.minimum(codes, HIGHEST_CODE, out=codes)
        return codes

    def _context(self, network: int, neighbours: NDArray[np.intp]) -> Context:
        """Inputs of all groups: the shared hidden layer, and the sums (n, C) over the nearest four neighbours."""
        context = self.reconstructed.take(neighbours, 0)
        near = context[:, 0].astype(np.int16)
        for number in (1, 2, 3):
            near += context[:, number]
        return self.prior.share(network, context, self.log_step - 9 * 256), near

    def _predict(
        self, network: int, group: int, inputs: tuple[Context, NDArray[np.intp]]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Means and tables of a group at some positions; see `pillow_sdz.payloads.scalar.prior.Prior.predict`."""
        (shared, near), positions = inputs
        own = self.reconstructed.take(positions, 0)
        return self._distribution(*self.prior.predict(network, group, shared, near, own))

    def _distribution(
        self, mean: NDArray[np.int64], log_scale: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The mean in the range of codes, and the number of the frequency table."""
        # Table k has a scale of 2**(k / 4 - 4) steps; the step is in sixteenths of a code; + 32 rounds.
        table = (log_scale + (8 * 256 + 32 - self.log_step)) >> 6
        return np.clip(mean, 256 * LOWEST_CODE, 256 * HIGHEST_CODE), np.clip(table, 0, SCALES - 1, out=table)
