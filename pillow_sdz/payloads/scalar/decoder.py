"""Decoding a scalar payload's stream to codes: all of it, what arrived of it, or a coarse grid; see `traversal`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pillow_sdz.coding.rans import STATE_BYTES, AnsDecoder, lanes_for
from pillow_sdz.errors import SdzFormatError
from pillow_sdz.payloads.scalar.scan import by_layer
from pillow_sdz.payloads.scalar.tables import ESCAPE, UNIFORM, tables
from pillow_sdz.payloads.scalar.traversal import DIGITS, LEVEL_LIMIT, ScalarTraversal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pillow_sdz.payloads.scalar.prior import Prior

SIGN_BIT: Final = np.uint8(0x80)
"""Turning it over makes a code of the two's complement of a signed code."""


@dataclass(frozen=True)
class Stream:
    """The stream of a file, as far as it arrived.

    Attributes:
        pieces: the parts of the stream in the layers that arrived, at least one.
        layers: number of layers of the file, 1 to 4.
        cut: whether the end of the last piece is missing. Otherwise missing layers are missing as a whole.
    """

    pieces: Sequence[bytes]
    layers: int
    cut: bool = False


def decode(
    stream: Stream, shape: tuple[int, int, int], step: int, prior: Prior, *, stride: int = 1
) -> NDArray[np.uint8]:
    """Reconstruct the codes from the bytes of `encoder.encode`, or those of a coarse grid.

    Where values did not arrive, codes are the means that the prior predicts.

    Args:
        stream: the bytes.
        shape: (h, w, C) of the latent.
        step: of the quantiser, 16 to 2048 sixteenths of a code.
        prior: the model's.
        stride: of the grid, 1, 2, 4 or 8; layers that are not needed for it are not read.

    Returns:
        The codes, (ceil(h / stride), ceil(w / stride), C).

    Raises:
        SdzFormatError: the bytes are no output of `encoder.encode`.
    """
    height, width, channels = shape
    decoder = _Levels(stream, math.prod(shape))
    grid = -(-height // stride), -(-width // stride), channels
    traversal = ScalarTraversal(grid, step, prior, stride)
    for layer, passes in by_layer(traversal.passes, stream.layers):
        decoder.go_to(layer)
        for scan_pass in passes:
            for place, mean, table in traversal.predict(scan_pass):
                traversal.reconstruct(place, mean, decoder.get(table))
    if stride == 1:
        decoder.finish()
    return (traversal.reconstructed[:-1].view(np.uint8) ^ SIGN_BIT).reshape(grid)


class _Levels:
    """Decodes levels from a stream.

    Args:
        stream: the bytes.
        value_count: number of values of the latent.
    """

    def __init__(self, stream: Stream, value_count: int) -> None:
        lanes, most_symbols = lanes_for(value_count), (1 + len(DIGITS)) * value_count  # every value escaped
        for layer, piece in enumerate(stream.pieces):
            if len(piece) > STATE_BYTES * lanes + 2 * most_symbols:
                raise SdzFormatError("has a length that no encoder gives", field=_field(layer))
        self._stream, self._layer = stream, 0
        self._decoder = AnsDecoder(
            stream.pieces[0], lanes, tables(), field=_field(0), cut=stream.cut and len(stream.pieces) == 1
        )

    def go_to(self, layer: int) -> None:
        """Go on to a layer, counted from 0; the layers before it must have been read to their ends."""
        pieces = self._stream.pieces
        while self._layer < layer:
            self._layer += 1
            arrived = self._layer < len(pieces)
            cut = not arrived or (self._stream.cut and self._layer == len(pieces) - 1)
            self._decoder.start_piece(pieces[self._layer] if arrived else b"", field=_field(self._layer), cut=cut)

    def get(self, table: NDArray[np.int64]) -> NDArray[np.int64]:
        """The levels of a batch, (n, group_size), by the numbers of their tables; 0 where they did not arrive."""
        tables_of_values = table.ravel()
        symbol = self._decoder.get(tables_of_values)
        level = np.zeros(table.size, np.int64)
        arrived = level[: len(symbol)]
        arrived[:] = symbol - 1 - tables().reach[tables_of_values[: len(symbol)]]
        escaped = np.flatnonzero(symbol == ESCAPE)
        if len(escaped):
            digits = [self._decoder.get(np.full(len(escaped), UNIFORM)) for _ in DIGITS]
            known = len(digits[-1])
            arrived[escaped] = 0
            arrived[escaped[:known]] = (
                sum(digit[:known] << shift for digit, shift in zip(digits, DIGITS, strict=True)) - LEVEL_LIMIT
            )
        if np.abs(level).max(initial=0) >= LEVEL_LIMIT:
            raise SdzFormatError(
                "holds a value out of range", field=_field(self._layer), expected=f"less than {LEVEL_LIMIT}"
            )
        return level.reshape(table.shape)

    def finish(self) -> None:
        """Check that the stream ends here, unless its end did not arrive."""
        self.go_to(self._stream.layers - 1)
        if not self._stream.cut and len(self._stream.pieces) == self._stream.layers:
            self._decoder.finish()


def _field(layer: int) -> str:
    """How errors name the values of a layer, which is counted from 0."""
    return f"layer {layer + 1}, values"
