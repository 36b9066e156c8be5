"""The prior of a scalar payload: small networks in whole numbers that predict latent values from decoded neighbours.

Sums are exact on every machine: values, weights and their products are whole numbers far below 2**53, which float64
holds without rounding in whatever order a matrix product adds them. No float decides anything here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pillow_sdz.errors import SdzModelError
from pillow_sdz.payloads.scalar.scan import NEIGHBOURS, NETWORKS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

CONTEXT_BITS: Final = 16
"""Fraction bits of the first layer's sums."""

HIDDEN_BITS: Final = 8
"""Fraction bits of hidden values."""

WEIGHT_BITS: Final = 12
"""Fraction bits of weights on hidden values."""

MEAN_SHIFT: Final = 7
"""From the sums of the last layer, in units of 32 codes, to 256ths of a code."""

SCALE_START: Final = 3 * 256
"""256 * log2 of the scale, in codes, that an output of zero stands for."""

MANY_ROWS: Final = 1 << 14
"""From here on a product may have the threads of numpy's BLAS."""

UNTHREADED: Final = 1 << 17
"""Multiplications in one product that OpenBLAS does not divide among threads (it does above 2**18)."""

LARGEST_HIDDEN: Final = (1 << 15) - 1
LARGEST_WEIGHT: Final = 1 << 20
"""Bounds under which every sum stays exact in float64."""


@dataclass(frozen=True)
class PriorShape:
    """Sizes of a prior.

    Attributes:
        channels: latent channels.
        groups: how many groups of channels are predicted one after the other; divides channels.
        shared_width: width of the hidden layer that all groups share.
        group_width: width of the hidden layer of one group.
    """

    channels: int
    groups: int
    shared_width: int
    group_width: int

    @property
    def size(self) -> int:
        """Channels of one group."""
        return self.channels // self.groups

    def arrays(self) -> Iterator[tuple[int, int]]:
        """Shapes of the arrays of a prior's file, in order; a weight's rows are its inputs, a bias has one row."""
        yield 2, self.channels
        for _ in range(NETWORKS):
            yield NEIGHBOURS * self.channels + 1, self.shared_width
            yield 1, self.shared_width
            for group in range(self.groups):
                yield self.shared_width + group * self.size, self.group_width
                yield 1, self.group_width
                yield self.group_width, 2 * self.size
                yield 1, 2 * self.size

    @property
    def byte_count(self) -> int:
        """Size of a prior's file."""
        return 4 * sum(rows * columns for rows, columns in self.arrays())


@dataclass(frozen=True)
class _Network:
    context: NDArray[np.float64]
    context_bias: NDArray[np.float64]
    groups: tuple[tuple[NDArray[np.float64], ...], ...]


class Prior:
    """Networks in memory. See `from_bytes`."""

    def __init__(self, shape: PriorShape, first: NDArray[np.int64], networks: tuple[_Network, ...]) -> None:
        self.shape, self._first, self._networks = shape, first, networks

    @classmethod
    def from_bytes(cls, data: bytes, shape: PriorShape) -> Prior:
        """Read the file of a prior: int32 values, little-endian, array after array as `PriorShape.arrays` lists them.

        Raises:
            SdzModelError: another size, or a weight so large that sums would not be exact.
        """
        if len(data) != shape.byte_count:
            raise SdzModelError(
                "the prior has another size than the model's manifest says", field="size",
                found=f"{len(data)} bytes", expected=f"{shape.byte_count} bytes", remedy="install the model again",
            )  # fmt: skip
        arrays, at = [], 0
        for rows, columns in shape.arrays():
            array = np.frombuffer(data, "<i4", rows * columns, at).reshape(rows, columns).astype(np.float64)
            at += 4 * array.size
            if rows > 1 and np.abs(array).max() > LARGEST_WEIGHT:
                raise SdzModelError(
                    "the prior has a weight out of range", field="weights",
                    found=int(np.abs(array).max()), expected=f"at most {LARGEST_WEIGHT}",
                )  # fmt: skip
            arrays.append(array)
        per_network = 2 + 4 * shape.groups
        networks = []
        for index in range(NETWORKS):
            own = arrays[1 + index * per_network :][:per_network]
            groups = tuple(tuple(own[2 + 4 * group :][:4]) for group in range(shape.groups))
            networks.append(_Network(own[0], own[1], groups))
        return cls(shape, arrays[0].astype(np.int64), tuple(networks))

    def initial(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Mean and scale of pass 0, (C,) each, in the units of `predict`."""
        return self._first[0], self._first[1]

    def share(self, network: int, context: NDArray[np.float64], log_step: int) -> NDArray[np.float64]:
        """The hidden layer that all groups of one pass share, (n, shared_width).

        Args:
            network: which network, as `pillow_sdz.payloads.scalar.scan.Pass` says.
            context: (n, 12, C), codes less 128 of the neighbours.
            log_step: 256 * log2 of the quantiser's step in sixteenths of a code, less 9 * 256.
        """
        net = self._networks[network]
        inputs = context.reshape(len(context), -1)
        sums = _product(inputs, net.context[:-1]) + (net.context[-1] * log_step + net.context_bias[0])
        return _hidden(sums, CONTEXT_BITS - HIDDEN_BITS)

    def predict(
        self, network: int, group: int, shared: NDArray[np.float64], near: NDArray[np.float64],
        own: NDArray[np.float64],
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:  # fmt: skip
        """Mean (256ths of a code, less 128) and scale (256 * log2, in codes) of a group's channels, (n, size) each.

        Args:
            network, group: which network, which group.
            shared: from `share`.
            near: (n, C), sums of the codes less 128 of the first four neighbours.
            own: (n, C), codes less 128 at the positions themselves; channels of earlier groups are looked at.
        """
        hidden, hidden_bias, out, out_bias = self._networks[network].groups[group]
        shared_width, seen = self.shape.shared_width, group * self.shape.size
        sums = _product(shared, hidden[:shared_width]) + hidden_bias[0]
        if seen:
            sums += _product(own[:, :seen], hidden[shared_width:])
        result = (_product(_hidden(sums, WEIGHT_BITS), out) + out_bias[0]).astype(np.int64)
        size = self.shape.size
        mean = (result[:, :size] >> MEAN_SHIFT) + 64 * near[:, seen : seen + size].astype(np.int64)
        return mean, (result[:, size:] >> WEIGHT_BITS) + SCALE_START


def _product(rows: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """``rows`` (n, k) @ ``weights`` (k, m), as a stack of products that are too small for threads unless n is large.

    The threads of OpenBLAS keep a core busy for some 25 ms after their work, waiting for more: that took a quarter of
    the time of decoding a small picture, because torch had one core less.
    """
    height = max(1, UNTHREADED // weights.size)
    whole = len(rows) // height * height
    if len(rows) >= MANY_ROWS or whole == 0:
        return rows @ weights
    result = np.empty((len(rows), weights.shape[1]))
    np.matmul(
        rows[:whole].reshape(-1, height, rows.shape[1]),
        weights,
        out=result[:whole].reshape(-1, height, weights.shape[1]),
    )
    np.matmul(rows[whole:], weights, out=result[whole:])
    return result


def _hidden(sums: NDArray[np.float64], shift: int) -> NDArray[np.float64]:
    """Shift right (a division by a power of two, exact, and rounding down), then clamp to 0 .. 2**15 - 1."""
    sums *= 2.0**-shift
    np.floor(sums, out=sums)
    np.maximum(sums, 0, out=sums)
    return np.minimum(sums, LARGEST_HIDDEN, out=sums)
