"""The preview networks of a model: small convolutional networks from codes to RGB, in integer arithmetic.

There is one network for each grid of positions that a scalar payload knows after some of its passes: every position,
and those whose row and column are multiples of 2, 4 and 8. A pixel of a preview is the mean colour of the picture's
pixels up to the next position of the grid. `pillow_sdz.payloads.preview_matrix` is the linear map that files of other
models hold instead. See `spec/sdz.md` (Preview).

Arrays are float32, but all values are whole numbers, and sums stay below 2**24: see `pillow_sdz.coding.products`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pillow_sdz.coding.products import EXACT_IN_FLOAT32, product
from pillow_sdz.coding.threads import in_threads
from pillow_sdz.errors import SdzModelError
from pillow_sdz.payloads.codes import SIGNED_OFFSET
from pillow_sdz.payloads.weights_file import byte_count, read_arrays

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

STRIDES: Final = (1, 2, 4, 8)
"""Distances of the positions of the grids, in the order of their networks in the file."""

COLOURS: Final = 3
"""Outputs of the last layer: R, G and B."""

SUM_BITS: Final = 10
"""Fraction bits of the sums of every layer."""

LARGEST_HIDDEN: Final = 511
"""Hidden values are clamped to 0 .. this."""

SIDES: Final = (1, 3)
"""Sides of the windows that a layer may see, in positions of the grid."""

BAND_POSITIONS: Final = 1 << 12
"""About how many positions are computed at a time, in whole rows, so that temporary arrays stay in the cache."""


@dataclass(frozen=True)
class LayerShape:
    """Shape of a layer.

    Attributes:
        side: side of the window of positions that it sees, 1 or 3.
        width: number of its outputs.
    """

    side: int
    width: int


@dataclass(frozen=True)
class PreviewShape:
    """Layer sizes of all networks, from the model's manifest.

    Attributes:
        channels: latent channels.
        networks: for each of `STRIDES` the layers of its network; the last layer has three outputs, R, G and B.
    """

    channels: int
    networks: tuple[tuple[LayerShape, ...], ...]

    def arrays(self) -> Iterator[tuple[int, int]]:
        """Shapes (rows, columns) of the arrays of the file, in order: of each layer its weights, then its biases."""
        for network in self.networks:
            inputs = self.channels
            for layer in network:
                yield layer.side**2 * inputs, layer.width
                yield 1, layer.width
                inputs = layer.width

    @property
    def byte_count(self) -> int:
        """Size of the file in bytes."""
        return byte_count(self.arrays())


@dataclass(frozen=True)
class _Layer:
    """A layer: weights (side * side * inputs, width) and biases (width,), less their fraction bits."""

    side: int
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    largest: int

    def __call__(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """The outputs, (h - side + 1, w - side + 1, width), for inputs (h, w, n)."""
        height, width, inputs = values.shape[0] - self.side + 1, values.shape[1] - self.side + 1, values.shape[2]
        if self.side > 1:
            window = np.empty((height, width, self.side, self.side * inputs), np.float32)
            row, position, value = values.strides
            for dy in range(self.side):  # the values of neighbours in one row are adjacent in memory
                window[:, :, dy] = np.lib.stride_tricks.as_strided(
                    values[dy:], (height, width, self.side * inputs), (row, position, value), writeable=False
                )
            values = window
        sums = product(values.reshape(height * width, -1), self.weights)
        sums += self.bias
        np.floor(sums, out=sums)
        np.clip(sums, 0, self.largest, out=sums)
        return sums.reshape(height, width, -1)


class PreviewNetworks:
    """The networks of a preview file, loaded by `from_bytes`."""

    def __init__(self, networks: tuple[tuple[_Layer, ...], ...]) -> None:
        self._networks = networks

    @classmethod
    def from_bytes(cls, data: bytes, shape: PreviewShape) -> PreviewNetworks:
        """Load a file: int32 values, little-endian, array after array as `PreviewShape.arrays` lists them.

        Raises:
            SdzModelError: the file has another size, or a sum can exceed 2**24.
        """
        arrays = read_arrays(data, shape.arrays(), "the preview networks have")
        pairs = iter(zip(arrays[::2], arrays[1::2], strict=True))
        return cls(tuple(tuple(_layers(layers, pairs)) for layers in shape.networks))

    def preview(self, codes: NDArray[np.uint8], stride: int) -> NDArray[np.uint8]:
        """The preview of a grid of codes; beyond its edges, the nearest position in it counts.

        Args:
            codes: (h, w, C), the codes of the positions whose row and column are multiples of ``stride``.
            stride: one of `STRIDES`.

        Returns:
            RGB, (h, w, 3).
        """
        layers = self._networks[STRIDES.index(stride)]
        height, width = codes.shape[:2]
        margin = sum(layer.side // 2 for layer in layers)
        padded = np.pad(codes, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
        result = np.empty((height, width, COLOURS), np.uint8)
        rows = max(1, BAND_POSITIONS // width)

        def compute(top: int) -> None:
            values = padded[top : top + rows + 2 * margin].astype(np.float32)
            values -= SIGNED_OFFSET
            for layer in layers:
                values = layer(values)
            result[top : top + rows] = values

        in_threads(compute, range(0, height, rows))
        return result


def _layers(
    shapes: tuple[LayerShape, ...], arrays: Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]
) -> Iterator[_Layer]:
    """The layers of one network.

    Raises:
        SdzModelError: a sum can exceed 2**24.
    """
    largest_input = SIGNED_OFFSET
    for number, shape in enumerate(shapes):
        weights, bias = next(arrays)
        largest_sum = int(
            (largest_input * np.abs(weights.astype(np.int64)).sum(0) + np.abs(bias.astype(np.int64))).max()
        )
        if largest_sum > EXACT_IN_FLOAT32:
            raise SdzModelError(
                "the weights of a preview network are too large", field=f"sums of layer {number + 1}",
                found=largest_sum, expected=f"at most {EXACT_IN_FLOAT32}",
            )  # fmt: skip
        largest = 255 if number == len(shapes) - 1 else LARGEST_HIDDEN
        scale = np.float32(2.0**-SUM_BITS)  # a power of two changes no digit
        yield _Layer(shape.side, weights.astype(np.float32) * scale, bias[0].astype(np.float32) * scale, largest)
        largest_input = largest
