"""The prior of a scalar payload: small integer networks that predict latent values from decoded neighbours.

Arrays are float64, or float32 where the weights allow it, but all inputs, weights and sums are whole numbers that these
represent exactly: see `pillow_sdz.coding.products`. (The factor 2**-n that stands for a shift is folded into weights,
which changes no digit.) See `spec/sdz.md` (Prediction), where signed codes are codes less 128.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pillow_sdz.coding.products import EXACT_IN_FLOAT32, product
from pillow_sdz.errors import SdzModelError
from pillow_sdz.payloads.scalar.scan import NEIGHBOUR_COUNT, NETWORKS
from pillow_sdz.payloads.weights_file import byte_count, read_arrays

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

LARGEST_HIDDEN: Final = (1 << 15) - 1
LARGEST_WEIGHT: Final = 1 << 20
"""Bounds of hidden values and of weights, with which every sum is exact in float64."""

LARGEST_CODE: Final = 128
LARGEST_LOG_STEP: Final = 1280
"""Bounds of the absolute values of signed codes, and of the step's logarithm as `Prior.share` takes it."""


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
        return byte_count(self.arrays())


@dataclass(frozen=True)
class _Group:
    """The layers of one group, whose weights have their shifts folded in.

    Attributes:
        inner: (shared_width + known channels + 1, group_width); the last row is the bias.
        mean, scale: (group_width, group_size) each, the halves of the outer weights.
        mean_bias, scale_bias: (group_size,) each.
    """

    inner: NDArray[np.float64]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    mean_bias: NDArray[np.float64]
    scale_bias: NDArray[np.float64]


@dataclass(frozen=True)
class _Network:
    """One network.

    Attributes:
        context: (12 * channels, shared_width), with its shift folded in; float32 if its sums are exact in that.
        log_step: (shared_width,), the weights of the step's logarithm.
        bias: (shared_width,)
        groups: of each group.
    """

    context: NDArray[Any]
    log_step: NDArray[np.float64]
    bias: NDArray[np.float64]
    groups: tuple[_Group, ...]


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
        arrays = [array.astype(np.float64) for array in read_arrays(data, shape.arrays(), "the prior has")]
        for array in arrays:
            if len(array) > 1 and np.abs(array).max() > LARGEST_WEIGHT:
                raise SdzModelError(
                    "the prior has a weight out of range", field="weights",
                    found=int(np.abs(array).max()), expected=f"at most {LARGEST_WEIGHT}",
                )  # fmt: skip
        per_network = 2 + 4 * shape.groups
        networks = (_network(arrays[1 + index * per_network :][:per_network]) for index in range(NETWORKS))
        return cls(shape, arrays[0].astype(np.int64), tuple(networks))

    def initial(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Mean and scale of pass 0, which has no neighbours, (C,) each, in the units of `predict`."""
        return self._first[0], self._first[1]

    def share(self, network: int, context: NDArray[np.int8], log_step: int) -> NDArray[np.uint16]:
        """The hidden layer that all groups of one pass share, (n, shared_width).

        Args:
            network: number of the network, from `pillow_sdz.payloads.scalar.scan.Pass`.
            context: (n, 12, C), signed codes of the neighbours.
            log_step: 256 * log2 of the quantiser's step in sixteenths of a code, less 9 * 256.
        """
        net = self._networks[network]
        bias = (net.log_step * log_step + net.bias).astype(net.context.dtype)
        sums = product(_with_ones(net.context.dtype, context.reshape(len(context), -1)), np.vstack([net.context, bias]))
        return _hidden(sums).astype(np.uint16)

    def predict(
        self, network: int, group: int, shared: NDArray[np.uint16], near: NDArray[np.int16], own: NDArray[np.int8],
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
        layers = self._networks[network].groups[group]
        size = self.shape.group_size
        known = group * size
        hidden = _hidden(product(_with_ones(np.dtype(np.float64), shared, own[:, :known]), layers.inner))
        mean, log_scale = product(hidden, layers.mean), product(hidden, layers.scale)
        mean += layers.mean_bias
        log_scale += layers.scale_bias
        means = np.floor(mean, out=mean).astype(np.int64)
        means += 64 * near[:, known : known + size].astype(np.int64)
        return means, np.floor(log_scale, out=log_scale).astype(np.int64)


def _network(arrays: list[NDArray[np.float64]]) -> _Network:
    """A network from its arrays: context weights and bias, and for each group inner and outer weights and biases."""
    context, bias = arrays[0], arrays[1][0]
    largest = (LARGEST_CODE * np.abs(context[:-1]).sum(0) + LARGEST_LOG_STEP * np.abs(context[-1]) + np.abs(bias)).max()
    number_type = np.float32 if largest <= EXACT_IN_FLOAT32 else np.float64
    shift = 2.0 ** (HIDDEN_BITS - CONTEXT_BITS)
    groups = []
    for number in range(2, len(arrays), 4):
        inner, inner_bias, outer, outer_bias = arrays[number : number + 4]
        mean, scale = np.split(outer, 2, 1)
        mean_bias, scale_bias = np.split(outer_bias[0], 2)
        groups.append(
            _Group(
                np.vstack([inner, inner_bias]) * 2.0**-WEIGHT_BITS,
                mean * 2.0**-MEAN_SHIFT,
                scale * 2.0**-WEIGHT_BITS,
                mean_bias * 2.0**-MEAN_SHIFT,
                scale_bias * 2.0**-WEIGHT_BITS + SCALE_START,
            )
        )
    return _Network((context[:-1] * shift).astype(number_type), context[-1] * shift, bias * shift, tuple(groups))


def _with_ones(number_type: np.dtype[Any], *parts: NDArray[Any]) -> NDArray[Any]:
    """The parts (n, k) side by side, and a column of ones, which bias rows are multiplied with."""
    result = np.empty((len(parts[0]), sum(part.shape[1] for part in parts) + 1), number_type)
    result[:, -1] = 1
    column = 0
    for part in parts:
        result[:, column : column + part.shape[1]] = part
        column += part.shape[1]
    return result


def _hidden(sums: NDArray[Any]) -> NDArray[Any]:
    """Activation: round down, then clamp to 0 .. 2**15 - 1; in place."""
    np.floor(sums, out=sums)
    return np.clip(sums, 0, LARGEST_HIDDEN, out=sums)
