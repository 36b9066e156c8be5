"""The prior of a scalar payload: small integer networks that predict latent values from decoded neighbours.

Arrays are float64, but all inputs, weights and sums are whole numbers below 2**53. Float64 represents these exactly, so
matrix products give the same result in whatever order a BLAS adds, and on every computer. See `spec/sdz.md`
(Prediction), where signed codes are codes less 128.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pillow_sdz.errors import SdzModelError
from pillow_sdz.payloads.scalar.scan import NEIGHBOUR_COUNT, NETWORKS

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
"""Right shift that turns an output into a mean in 256ths of a code; 2**15 in the output are one code."""

SCALE_START: Final = 3 * 256
"""log_scale (256 * log2 of the scale in codes) for an output of zero: a scale of 8 codes."""

MANY_ROWS: Final = 1 << 14
"""A product with this many rows may use the threads of numpy's BLAS."""

UNTHREADED: Final = 1 << 17
"""Most multiplications of one product otherwise; OpenBLAS starts threads above 2**18."""

LARGEST_HIDDEN: Final = (1 << 15) - 1
LARGEST_WEIGHT: Final = 1 << 20
"""Bounds of hidden values and of weights, with which every sum is exact in float64."""


@dataclass(frozen=True)
class PriorShape:
    """Layer sizes of a prior, from the model's manifest.

    Attributes:
        channels: latent channels.
        groups: number of groups of channels, predicted one after the other; divides channels.
        shared_width: width of the hidden layer that all groups share.
        group_width: width of the hidden layer of one group.
    """

    channels: int
    groups: int
    shared_width: int
    group_width: int

    @property
    def group_size(self) -> int:
        """Channels of one group."""
        return self.channels // self.groups

    def arrays(self) -> Iterator[tuple[int, int]]:
        """Shapes (rows, columns) of the arrays of a prior file, in order. Weights have a row per input, biases one row.

        The first array holds mean and scale of pass 0. Then come, for each network: context weights and bias, and for
        each group inner weights and bias, outer weights and bias.
        """
        yield 2, self.channels
        for _ in range(NETWORKS):
            yield NEIGHBOUR_COUNT * self.channels + 1, self.shared_width
            yield 1, self.shared_width
            for group in range(self.groups):
                yield self.shared_width + group * self.group_size, self.group_width
                yield 1, self.group_width
                yield self.group_width, 2 * self.group_size
                yield 1, 2 * self.group_size

    @property
    def byte_count(self) -> int:
        """Size of a prior file in bytes."""
        return 4 * sum(rows * columns for rows, columns in self.arrays())


@dataclass(frozen=True)
class _Network:
    """Weights of one network; a group has inner weights and bias, outer weights and bias."""

    context: NDArray[np.float64]
    context_bias: NDArray[np.float64]
    groups: tuple[tuple[NDArray[np.float64], ...], ...]


class Prior:
    """The networks of a prior file, loaded by `from_bytes`."""

    def __init__(self, shape: PriorShape, first: NDArray[np.int64], networks: tuple[_Network, ...]) -> None:
        self.shape, self._first, self._networks = shape, first, networks

    @classmethod
    def from_bytes(cls, data: bytes, shape: PriorShape) -> Prior:
        """Load a prior file: int32 values, little-endian, array after array as `PriorShape.arrays` lists them.

        Raises:
            SdzModelError: the file has another size, or a weight is beyond `LARGEST_WEIGHT`.
        """
        if len(data) != shape.byte_count:
            raise SdzModelError(
                "the prior has another size than the model's manifest says", field="size",
                found=f"{len(data)} bytes", expected=f"{shape.byte_count} bytes", remedy="install the model again",
            )  # fmt: skip
        arrays, offset = [], 0
        for rows, columns in shape.arrays():
            array = np.frombuffer(data, "<i4", rows * columns, offset).reshape(rows, columns).astype(np.float64)
            offset += 4 * array.size
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
        """Mean and scale of pass 0, which has no neighbours, (C,) each, in the units of `predict`."""
        return self._first[0], self._first[1]

    def share(self, network: int, context: NDArray[np.float64], log_step: int) -> NDArray[np.float64]:
        """The hidden layer that all groups of one pass share, (n, shared_width).

        Args:
            network: number of the network, from `pillow_sdz.payloads.scalar.scan.Pass`.
            context: (n, 12, C), signed codes of the neighbours.
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
        """Predict the channels of one group.

        Args:
            network: number of the network.
            group: number of the group.
            shared: from `share`.
            near: (n, C), sums of the signed codes of the first four neighbours.
            own: (n, C), signed codes at the positions themselves; only channels of earlier groups are used.

        Returns:
            Means in 256ths of a signed code, and 256 * log2 of the scales in codes, (n, group_size) each.
        """
        inner, inner_bias, outer, outer_bias = self._networks[network].groups[group]
        shared_width, known_channels = self.shape.shared_width, group * self.shape.group_size
        sums = _product(shared, inner[:shared_width]) + inner_bias[0]
        if known_channels:
            sums += _product(own[:, :known_channels], inner[shared_width:])
        result = (_product(_hidden(sums, WEIGHT_BITS), outer) + outer_bias[0]).astype(np.int64)
        size = self.shape.group_size
        mean = (result[:, :size] >> MEAN_SHIFT) + 64 * near[:, known_channels : known_channels + size].astype(np.int64)
        return mean, (result[:, size:] >> WEIGHT_BITS) + SCALE_START


def _product(rows: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """``rows`` (n, k) @ ``weights`` (k, m); unless n is large, in blocks that OpenBLAS computes without threads.

    A thread of OpenBLAS goes on to occupy its core for some 25 ms, waiting for more work. torch then has one core less,
    which took a quarter of the time of decoding a small picture.
    """
    block = max(1, UNTHREADED // weights.size)
    whole = len(rows) // block * block  # rows in whole blocks
    if len(rows) >= MANY_ROWS or whole == 0:
        return rows @ weights
    result = np.empty((len(rows), weights.shape[1]))
    np.matmul(
        rows[:whole].reshape(-1, block, rows.shape[1]),
        weights,
        out=result[:whole].reshape(-1, block, weights.shape[1]),
    )
    np.matmul(rows[whole:], weights, out=result[whole:])
    return result


def _hidden(sums: NDArray[np.float64], shift: int) -> NDArray[np.float64]:
    """Activation: shift right, rounding down, then clamp to 0 .. 2**15 - 1; in place."""
    sums *= 2.0**-shift
    np.floor(sums, out=sums)
    np.maximum(sums, 0, out=sums)
    return np.minimum(sums, LARGEST_HIDDEN, out=sums)
