"""Encoding a scalar payload: the prior's prediction residuals, uniformly quantised and coded by rANS; see `traversal`.

All arithmetic is on integers but the choice of levels, which a decoder need not repeat.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from pillow_sdz.coding.rans import PRECISION, SYMBOLS, AnsEncoder, lanes_for
from pillow_sdz.payloads.scalar.scan import LAST_PASSES, by_layer
from pillow_sdz.payloads.scalar.tables import ESCAPE, UNIFORM, tables
from pillow_sdz.payloads.scalar.traversal import DIGITS, LEVEL_LIMIT, ScalarTraversal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pillow_sdz.payloads.scalar.prior import Prior
    from pillow_sdz.payloads.scalar.scan import Pass
    from pillow_sdz.payloads.scalar.traversal import Place

FINE_STEP: Final = 64
"""Below this step, 4 codes, rounding the reconstruction to a whole code matters: the level next to the nearest one may
give a nearer code, so the encoder tries both neighbours of a level."""

ESCAPE_BITS: Final = 6 * len(DIGITS)
"""Information content of the digits after an escape symbol, which are coded with uniform probability."""


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
                for shift in DIGITS:
                    encoder.put(np.full(len(digits), UNIFORM), (digits >> shift) & 63)
    return encoder.finish()


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
