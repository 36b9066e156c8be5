"""Closed-loop predictive coding of a latent: uniformly quantised errors of the prior's predictions, through rANS.

The prior predicts each group of channels from the reconstruction that a decoder has by then, so the encoder quantises
group by group and reconstructs as it goes. ``spec/sdz.md`` gives the same steps in words (Scalar payload). All but the
encoder's choice of levels is computed in whole numbers.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from pillow_sdz.coding.fixed_point import logarithm
from pillow_sdz.coding.rans import PRECISION, SYMBOLS, AnsDecoder, AnsEncoder, lanes_for
from pillow_sdz.errors import SdzFormatError
from pillow_sdz.payloads.scalar.scan import scan
from pillow_sdz.payloads.scalar.tables import ESCAPE, EVEN, SCALES, tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pillow_sdz.payloads.scalar.prior import Prior

    Place = tuple[NDArray[np.intp], slice]

LEVEL_LIMIT: Final = 1 << 15
"""Levels (whole numbers of steps) are smaller than this in magnitude; three digits of six bits hold any of them."""

FINE_STEP: Final = 64
"""Below this step (4 codes) rounding to codes is not monotone in the level: the encoder tries the neighbours, too."""

LOWEST_CODE: Final = -128
HIGHEST_CODE: Final = 127
"""Range of codes less 128; the prior's means are clamped to it."""

_DIGITS: Final = (12, 6, 0)

_CHUNK: Final = 1 << 16
"""Positions whose neighbours are gathered at a time: 768 bytes each with eight channels."""

ESCAPE_BITS: Final = 6 * len(_DIGITS)
"""Bits that follow an escape: its digits are equally likely."""


class ScalarTraversal:
    """What encoder and decoder do alike: predict the latent pass by pass, and in each pass group by group.

    Attributes:
        reconstructed: (h * w + 1, C), codes less 128 so far, whole numbers; the last row, zeros, stands for neighbours
            outside of the picture.
    """

    def __init__(self, shape: tuple[int, int, int], step: int, prior: Prior) -> None:
        height, width, channels = shape
        self.step, self.prior, self.size = step, prior, prior.shape.size
        self.log = int(logarithm(np.array([step], np.int32))[0])
        self.passes = scan(height, width)
        self.reconstructed = np.zeros((height * width + 1, channels))

    def predictions(self) -> Iterator[tuple[Place, NDArray[np.int64], NDArray[np.int64]]]:
        """Yield a place (positions (n,) and channels), its means and its table numbers, (n, size) each.

        Means are in 256ths of a code, less 128. Call `reconstruct` before requesting the next batch.
        """
        for each in self.passes:
            count = len(each.positions)
            parts = [slice(start, start + _CHUNK) for start in range(0, count, _CHUNK)]
            context = [] if each.network is None else [self._context(each.network, each.neighbours[p]) for p in parts]
            if len(parts) > 1:  # whole numbers that fit; kept until the last group, as floats they would take gigabytes
                context = [(shared.astype(np.uint16), near.astype(np.int16)) for shared, near in context]
            for group in range(self.prior.shape.groups):
                channels = slice(group * self.size, (group + 1) * self.size)
                if each.network is None:
                    mean, scale = (np.broadcast_to(row[channels], (count, self.size)) for row in self.prior.initial())
                else:
                    found = [
                        self._predict(each.network, group, *seen, each.positions[part])
                        for part, seen in zip(parts, context, strict=True)
                    ]
                    mean, scale = found[0] if len(found) == 1 else map(np.concatenate, zip(*found, strict=True))
                mean = np.maximum(np.minimum(mean, 256 * HIGHEST_CODE), 256 * LOWEST_CODE)
                table = np.maximum(np.minimum((scale - self.log + 8 * 256 + 32) >> 6, SCALES - 1), 0)
                yield (each.positions, channels), mean, table

    def reconstruct(self, place: Place, mean: NDArray[np.int64], level: NDArray[np.int64]) -> NDArray[np.int64]:
        """Reconstruct a batch from its levels (n, size), in steps from the means; returns its codes, 0 to 255."""
        codes = self.codes(mean, level)
        self.reconstructed[place] = codes
        return codes - LOWEST_CODE

    def codes(self, mean: NDArray[np.int64], level: NDArray[np.int64]) -> NDArray[np.int64]:
        """The codes less 128 that levels stand for."""
        codes: NDArray[np.int64] = (mean + 16 * self.step * level + 128) >> 8
        np.maximum(codes, LOWEST_CODE, out=codes)
        np.minimum(codes, HIGHEST_CODE, out=codes)
        return codes

    def _context(self, network: int, neighbours: NDArray[np.intp]) -> tuple[NDArray[Any], NDArray[Any]]:
        """What all groups see of the neighbours (n, 12): the shared hidden layer, and the sums of the nearest four."""
        context = self.reconstructed[neighbours]
        return self.prior.share(network, context, self.log - 9 * 256), context[:, :4].sum(1)

    def _predict(
        self, network: int, group: int, shared: NDArray[Any], near: NDArray[Any], positions: NDArray[np.intp]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Means and scales of a group at some positions; see `pillow_sdz.payloads.scalar.prior.Prior.predict`."""
        own = self.reconstructed[positions]
        return self.prior.predict(network, group, np.asarray(shared, float), np.asarray(near, float), own)


class Symbols(NamedTuple):
    """One group of one pass as it is coded; arrays are (n, size), in the order of the stream.

    Attributes:
        place: positions (n,) and channels in the latent.
        level: steps from the prior's mean to the value.
        code: its reconstruction, 0 to 255.
        table, symbol: what is coded: a symbol, and the table of its frequencies.
        escaped: which levels follow in digits, because no symbol stands for them.
    """

    place: Place
    level: NDArray[np.int64]
    code: NDArray[np.int64]
    table: NDArray[np.int64]
    symbol: NDArray[np.int64]
    escaped: NDArray[np.bool_]


def symbols(targets: NDArray[np.float32], step: int, prior: Prior) -> Iterator[Symbols]:
    """What the encoder codes, batch by batch; arguments as for `encode`."""
    height, width, channels = targets.shape
    traversal = ScalarTraversal((height, width, channels), step, prior)
    flat = targets.reshape(-1, channels)
    reach = tables().reach
    for place, mean, table in traversal.predictions():
        level = _nearest(traversal, flat[place].astype(np.float64), mean)
        code = traversal.reconstruct(place, mean, level)
        bound = reach[table]
        escaped = np.abs(level) > bound
        yield Symbols(place, level, code, table, np.where(escaped, ESCAPE, level + bound + 1), escaped)


def _nearest(traversal: ScalarTraversal, targets: NDArray[np.float64], mean: NDArray[np.int64]) -> NDArray[np.int64]:
    """The levels whose codes are nearest to the targets, (n, size)."""
    rounded = np.rint((256 * targets - mean) / (16 * traversal.step))
    levels: list[NDArray[np.int64]] = [
        np.maximum(np.minimum(rounded + more, LEVEL_LIMIT - 1), 1 - LEVEL_LIMIT).astype(np.int64)
        for more in ((0, -1, 1) if traversal.step < FINE_STEP else (0,))
    ]
    if len(levels) == 1:
        return levels[0]
    errors = [np.abs(traversal.codes(mean, each) - targets) for each in levels]
    nearest: NDArray[np.int64] = np.choose(np.argmin(errors, 0), levels)
    return nearest


def quantise(targets: NDArray[np.float32], step: int, prior: Prior) -> NDArray[np.uint8]:
    """The codes (h, w, C) that `decode` makes of what `encode` writes; arguments as there."""
    codes = np.empty(targets.shape, np.uint8)
    flat = codes.reshape(-1, targets.shape[2])
    for each in symbols(targets, step, prior):
        flat[each.place] = each.code
    return codes


def encode(targets: NDArray[np.float32], step: int, prior: Prior) -> bytes:
    """Quantise the errors of the prior's predictions to levels, and entropy code those.

    Args:
        targets: (h, w, C), codes less 128, -128 to 127, not rounded.
        step: 16 to 2048 sixteenths of a code.
        prior: the model's.
    """
    encoder = AnsEncoder(lanes_for(targets.size), tables())
    for each in symbols(targets, step, prior):
        encoder.put(each.table.ravel(), each.symbol.ravel())
        digits = each.level[each.escaped] + LEVEL_LIMIT
        for shift in _DIGITS:
            encoder.put(np.full(len(digits), EVEN), (digits >> shift) & 63)
    return encoder.finish()


def decode(data: bytes, shape: tuple[int, int, int], step: int, prior: Prior, *, field: str) -> NDArray[np.uint8]:
    """Undo `encode`, but for the quantisation.

    Returns:
        The codes, (h, w, C).

    Raises:
        SdzFormatError: the bytes are damaged.
    """
    lanes, most = lanes_for(math.prod(shape)), (1 + len(_DIGITS)) * math.prod(shape)
    decoder = AnsDecoder(data, lanes, most, tables(), field=field)
    traversal = ScalarTraversal(shape, step, prior)
    reach = tables().reach
    for place, mean, table in traversal.predictions():
        symbol = decoder.get(table.ravel()).reshape(table.shape)
        level = symbol - 1 - reach[table]
        escaped = symbol == ESCAPE
        if count := int(escaped.sum()):
            digits = sum(decoder.get(np.full(count, EVEN)) << shift for shift in _DIGITS)
            level[escaped] = digits - LEVEL_LIMIT
        if np.abs(level).max(initial=0) >= LEVEL_LIMIT:
            raise SdzFormatError("holds a value out of range", field=field, expected=f"less than {LEVEL_LIMIT}")
        traversal.reconstruct(place, mean, level)
    decoder.finish()
    return (traversal.reconstructed[:-1] - LOWEST_CODE).astype(np.uint8).reshape(shape)


def levels_and_bits(
    targets: NDArray[np.float32], step: int, prior: Prior
) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """Levels, and their information content in bits by the frequencies that the entropy coder uses.

    Args:
        targets: codes less 128, not rounded, (h, w, C).
        step: in sixteenths of a code, 16 to 2048.
        prior: the model's.

    Returns:
        Levels and bits, (h, w, C) each.
    """
    levels, bits = np.zeros(targets.shape, np.int16), np.zeros(targets.shape)
    flat_levels, flat_bits = (array.reshape(-1, targets.shape[2]) for array in (levels, bits))
    frequency = tables().frequency
    for each in symbols(targets, step, prior):
        cost = PRECISION - np.log2(frequency[SYMBOLS * each.table + each.symbol])
        flat_levels[each.place] = each.level
        flat_bits[each.place] = cost + ESCAPE_BITS * each.escaped
    return levels, bits
