"""Closed-loop predictive coding of a latent: the prior's prediction residuals, uniformly quantised and coded by rANS.

The prior predicts each group of channels from values that the decoder has already reconstructed, so the encoder
quantises and reconstructs group by group as well. ``spec/sdz.md`` gives the same steps (Scalar payload). All arithmetic
is on integers but the encoder's choice of levels, which a decoder need not repeat.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from pillow_sdz.coding.fixed_point import logarithm
from pillow_sdz.coding.rans import PRECISION, STATE_BYTES, SYMBOLS, AnsDecoder, AnsEncoder, lanes_for
from pillow_sdz.errors import SdzFormatError
from pillow_sdz.payloads.scalar.scan import LAST_PASSES, by_layer, scan
from pillow_sdz.payloads.scalar.tables import ESCAPE, SCALES, UNIFORM, tables
from pillow_sdz.payloads.threads import in_threads

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from pillow_sdz.payloads.scalar.prior import Prior
    from pillow_sdz.payloads.scalar.scan import Pass

    Context = tuple[NDArray[np.uint16], NDArray[np.int16]]
    Place = tuple[NDArray[np.intp], slice]  # rows and columns of an array (h * w, C): positions (n,), channels

LEVEL_LIMIT: Final = 1 << 15
"""Levels (prediction residuals in steps) are below this in magnitude: three 6-bit digits of an escape code hold any."""

FINE_STEP: Final = 64
"""Below this step, 4 codes, rounding the reconstruction to a whole code matters: the level next to the nearest one may
give a nearer code, so the encoder tries both neighbours of a level."""

LOWEST_CODE: Final = -128
HIGHEST_CODE: Final = 127
"""Range of signed codes (codes less 128); the prior's means are clamped to it."""

SIGN_BIT: Final = np.uint8(0x80)
"""Turning it over makes a code of the two's complement of a signed code."""

_DIGITS: Final = (12, 6, 0)
"""Shifts of the digits of an escape code, in the order of the stream."""

_CHUNK: Final = 1 << 11
"""Positions that are predicted at a time: the arrays of one matrix product then stay in the processor's cache."""

ESCAPE_BITS: Final = 6 * len(_DIGITS)
"""Information content of the digits after an escape symbol, which are coded with uniform probability."""


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


class Symbols(NamedTuple):
    """The symbols of one group of channels in one pass; arrays are (n, group_size), in the order of the stream.

    Attributes:
        place: positions (n,) and channels in the latent.
        level: the quantised prediction residual, in steps.
        code: the reconstructed value, 0 to 255.
        table: the number of the frequency table of each symbol.
        symbol: the symbol of the level, or `ESCAPE`.
        escaped: which levels have no symbol in their table and follow as an escape code of digits.
    """

    place: Place
    level: NDArray[np.int64]
    code: NDArray[np.int64]
    table: NDArray[np.int64]
    symbol: NDArray[np.int64]
    escaped: NDArray[np.bool_]


def symbols(targets: NDArray[np.float32], step: int, prior: Prior) -> Iterator[Symbols]:
    """Quantise a latent to the symbols that the encoder writes, batch by batch; arguments as for `encode`."""
    height, width, channels = targets.shape
    traversal = ScalarTraversal((height, width, channels), step, prior)
    for scan_pass in traversal.passes:
        yield from _symbols(traversal, scan_pass, targets)


def _symbols(traversal: ScalarTraversal, scan_pass: Pass, targets: NDArray[np.float32]) -> Iterator[Symbols]:
    """The batches of a pass."""
    flat = targets.reshape(-1, targets.shape[2])
    reach = tables().reach
    for place, mean, table in traversal.predict(scan_pass):
        level = _nearest(traversal, flat[place].astype(np.float64), mean)
        code = traversal.reconstruct(place, mean, level)
        bound = reach[table]
        escaped = np.abs(level) > bound
        yield Symbols(place, level, code, table, np.where(escaped, ESCAPE, level + bound + 1), escaped)


def _nearest(traversal: ScalarTraversal, targets: NDArray[np.float64], mean: NDArray[np.int64]) -> NDArray[np.int64]:
    """The levels (n, group_size) whose reconstruction is nearest to the targets."""
    rounded = np.rint((256 * targets - mean) / (16 * traversal.step))
    levels: list[NDArray[np.int64]] = [
        np.maximum(np.minimum(rounded + offset, LEVEL_LIMIT - 1), 1 - LEVEL_LIMIT).astype(np.int64)
        for offset in ((0, -1, 1) if traversal.step < FINE_STEP else (0,))
    ]
    if len(levels) == 1:
        return levels[0]
    errors = [np.abs(traversal.codes(mean, level) - targets) for level in levels]
    nearest: NDArray[np.int64] = np.choose(np.argmin(errors, 0), levels)
    return nearest


def quantise(targets: NDArray[np.float32], step: int, prior: Prior) -> NDArray[np.uint8]:
    """The codes (h, w, C) that `decode` returns for the bytes of `encode`; arguments as there."""
    codes = np.empty(targets.shape, np.uint8)
    flat = codes.reshape(-1, targets.shape[2])
    for batch in symbols(targets, step, prior):
        flat[batch.place] = batch.code
    return codes


def quantise_with_slopes(
    targets: NDArray[np.float32], step: int, prior: Prior
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Quantise a latent, and differentiate its information content; arguments as for `encode`.

    The bits of a value, -log2 of the mass of a logistic distribution within half a step, are differentiated by its
    distance from the mean. That it also moves the means of later values is neglected.

    Returns:
        The codes that `decode` will return, (h, w, C), and bits per code by which each target changes the size.
    """
    height, width, channels = targets.shape
    traversal = ScalarTraversal((height, width, channels), step, prior)
    flat = targets.reshape(-1, channels)
    codes, slopes = np.empty(flat.shape, np.uint8), np.empty(flat.shape, np.float32)
    unit = 16 * step  # of a level, in 256ths of a code
    for place, mean, table in traversal.predictions():
        wanted = flat[place].astype(np.float64)
        codes[place] = traversal.reconstruct(place, mean, _nearest(traversal, wanted, mean))
        scale = np.exp2(table / 4 - 4)
        distance = (256 * wanted - mean) / unit
        tails = _logistic((distance + 0.5) / scale) + _logistic((distance - 0.5) / scale) - 1
        slopes[place] = tails / (scale * math.log(2)) * (256 / unit)
    return codes.reshape(targets.shape), slopes.reshape(targets.shape)


def _logistic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / (1 + exp(-x)), without overflow."""
    result: NDArray[np.float64] = (1 + np.tanh(x / 2)) / 2
    return result


def encode(targets: NDArray[np.float32], step: int, prior: Prior) -> list[bytes]:
    """Predict, quantise and entropy code a latent.

    Args:
        targets: (h, w, C), signed codes before rounding, -128 to 127.
        step: of the quantiser, 16 to 2048 sixteenths of a code.
        prior: the model's.

    Returns:
        The stream, divided at the ends of the layers (`LAST_PASSES`), without layers after the last pass. The pieces
        from any one on may be joined to the last layer.
    """
    height, width, channels = targets.shape
    traversal = ScalarTraversal((height, width, channels), step, prior)
    encoder = AnsEncoder(lanes_for(targets.size), tables())
    piece = 0
    for layer, passes in by_layer(traversal.passes, len(LAST_PASSES)):
        while piece < layer:
            piece += 1
            encoder.start_piece()
        for scan_pass in passes:
            for batch in _symbols(traversal, scan_pass, targets):
                encoder.put(batch.table.ravel(), batch.symbol.ravel())
                digits = batch.level[batch.escaped] + LEVEL_LIMIT
                for shift in _DIGITS:
                    encoder.put(np.full(len(digits), UNIFORM), (digits >> shift) & 63)
    return encoder.finish()


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
    """Reconstruct the codes from the bytes of `encode`, or those of a coarse grid.

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
        SdzFormatError: the bytes are no output of `encode`.
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
        lanes, most_symbols = lanes_for(value_count), (1 + len(_DIGITS)) * value_count  # every value escaped
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
            digits = [self._decoder.get(np.full(len(escaped), UNIFORM)) for _ in _DIGITS]
            known = len(digits[-1])
            arrived[escaped] = 0
            arrived[escaped[:known]] = (
                sum(digit[:known] << shift for digit, shift in zip(digits, _DIGITS, strict=True)) - LEVEL_LIMIT
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


def levels_and_bits(
    targets: NDArray[np.float32], step: int, prior: Prior
) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """The levels of a latent, and the information content of each by the frequencies of the entropy coder.

    Args:
        targets: (h, w, C), signed codes before rounding, -128 to 127.
        step: of the quantiser, 16 to 2048 sixteenths of a code.
        prior: the model's.

    Returns:
        Levels and bits, (h, w, C) each; an escaped level includes the bits of its digits.
    """
    levels, bits = np.zeros(targets.shape, np.int16), np.zeros(targets.shape)
    flat_levels, flat_bits = (array.reshape(-1, targets.shape[2]) for array in (levels, bits))
    frequency = tables().frequency
    for batch in symbols(targets, step, prior):
        cost = PRECISION - np.log2(frequency[SYMBOLS * batch.table + batch.symbol])
        flat_levels[batch.place] = batch.level
        flat_bits[batch.place] = cost + ESCAPE_BITS * batch.escaped
    return levels, bits
