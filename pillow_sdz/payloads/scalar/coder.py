"""Scalar payload: how many steps each latent value lies away from what the model's prior expects of it.

The prior sees what a decoder has by then, so an encoder quantises group after group and goes on from what it lost.
``spec/sdz.md``, sections 3.10 to 3.12, gives the same steps in words. All but the encoder's choice is in whole numbers.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from pillow_sdz.coding.fixed_point import logarithm
from pillow_sdz.coding.rans import AnsDecoder, AnsEncoder, lanes_for
from pillow_sdz.errors import SdzFormatError
from pillow_sdz.payloads.scalar.scan import passes
from pillow_sdz.payloads.scalar.tables import ESCAPE, EVEN, SCALES, tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pillow_sdz.payloads.scalar.prior import Prior

    Place = tuple[NDArray[np.intp], slice]

LARGEST_VALUE: Final = 1 << 15
"""Numbers of steps are smaller than this in size; three digits of six bits hold any of them."""

FINE: Final = 64
"""Below this step, 4 codes, codes are so coarse beside it that the nearest number of steps may not be the best."""

LOWEST_CODE: Final = -128
HIGHEST_CODE: Final = 127
"""Codes less 128 lie between these; the prior's means are clamped to them."""

_DIGITS: Final = (12, 6, 0)

_PART: Final = 1 << 16
"""Positions whose neighbours are gathered at a time: 768 bytes each with eight channels."""


class Walk:
    """What encoder and decoder do alike: predict group after group of pass after pass.

    Attributes:
        known: (h * w + 1, C), codes less 128 so far, whole numbers; the last row, zeros, stands for neighbours outside
            of the picture.
    """

    def __init__(self, shape: tuple[int, int, int], step: int, prior: Prior) -> None:
        height, width, channels = shape
        self.step, self.prior, self.size = step, prior, prior.shape.size
        self.log = int(logarithm(np.array([step], np.int32))[0])
        self.passes = passes(height, width)
        self.known = np.zeros((height * width + 1, channels))

    def batches(self) -> Iterator[tuple[Place, NDArray[np.int64], NDArray[np.int64]]]:
        """Positions (n,) with channels, means (256ths of a code, less 128) and table numbers, (n, size) each.

        Whoever iterates calls `put` with the same place and means before it goes on.
        """
        for each in self.passes:
            count = len(each.positions)
            parts = [slice(start, start + _PART) for start in range(0, count, _PART)]
            around = [] if each.network is None else [self._around(each.network, each.neighbours[p]) for p in parts]
            if len(parts) > 1:  # whole numbers that fit; kept until the last group, as floats they would take gigabytes
                around = [(shared.astype(np.uint16), near.astype(np.int16)) for shared, near in around]
            for group in range(self.prior.shape.groups):
                channels = slice(group * self.size, (group + 1) * self.size)
                if each.network is None:
                    mean, scale = (np.broadcast_to(row[channels], (count, self.size)) for row in self.prior.first())
                else:
                    found = [
                        self._predict(each.network, group, *seen, each.positions[part])
                        for part, seen in zip(parts, around, strict=True)
                    ]
                    mean, scale = found[0] if len(found) == 1 else map(np.concatenate, zip(*found, strict=True))
                mean = np.maximum(np.minimum(mean, 256 * HIGHEST_CODE), 256 * LOWEST_CODE)
                table = np.maximum(np.minimum((scale - self.log + 8 * 256 + 32) >> 6, SCALES - 1), 0)
                yield (each.positions, channels), mean, table

    def put(self, place: Place, mean: NDArray[np.int64], value: NDArray[np.int64]) -> NDArray[np.int64]:
        """Make known what values (n, size), in steps from the means, stand for; returns those codes, 0 to 255."""
        codes = self.codes(mean, value)
        self.known[place] = codes
        return codes - LOWEST_CODE

    def codes(self, mean: NDArray[np.int64], value: NDArray[np.int64]) -> NDArray[np.int64]:
        """The codes less 128 that values stand for."""
        codes: NDArray[np.int64] = (mean + 16 * self.step * value + 128) >> 8
        np.maximum(codes, LOWEST_CODE, out=codes)
        np.minimum(codes, HIGHEST_CODE, out=codes)
        return codes

    def _around(self, network: int, neighbours: NDArray[np.intp]) -> tuple[NDArray[Any], NDArray[Any]]:
        """What all groups see of the neighbours (n, 12): the hidden values they share, and the sums of the nearest."""
        context = self.known[neighbours]
        return self.prior.share(network, context, self.log - 9 * 256), context[:, :4].sum(1)

    def _predict(
        self, network: int, group: int, shared: NDArray[Any], near: NDArray[Any], positions: NDArray[np.intp]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Means and scales of a group at some positions; see `pillow_sdz.payloads.scalar.prior.Prior.predict`."""
        own = self.known[positions]
        return self.prior.predict(network, group, np.asarray(shared, float), np.asarray(near, float), own)


class Symbols(NamedTuple):
    """One group of one pass as it is coded; arrays are (n, size), in the order of the stream.

    Attributes:
        place: positions (n,) and channels in the latent.
        value: steps away from the prior's means.
        code: what a decoder makes of it, 0 to 255.
        table, symbol: which symbol of which table stands for each.
        escaped: which values follow in digits.
    """

    place: Place
    value: NDArray[np.int64]
    code: NDArray[np.int64]
    table: NDArray[np.int64]
    symbol: NDArray[np.int64]
    escaped: NDArray[np.bool_]


def symbols(targets: NDArray[np.float32], step: int, prior: Prior) -> Iterator[Symbols]:
    """What an encoder puts into the stream, group after group; arguments as for `encode`."""
    height, width, channels = targets.shape
    walk = Walk((height, width, channels), step, prior)
    flat = targets.reshape(-1, channels)
    reach = tables().reach
    for place, mean, table in walk.batches():
        value = _nearest(walk, flat[place].astype(np.float64), mean)
        code = walk.put(place, mean, value)
        bound = reach[table]
        escaped = np.abs(value) > bound
        yield Symbols(place, value, code, table, np.where(escaped, ESCAPE, value + bound + 1), escaped)


def _nearest(walk: Walk, targets: NDArray[np.float64], mean: NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers of steps whose codes are nearest to the targets, (n, size)."""
    steps = np.rint((256 * targets - mean) / (16 * walk.step))
    values: list[NDArray[np.int64]] = [
        np.maximum(np.minimum(steps + more, LARGEST_VALUE - 1), 1 - LARGEST_VALUE).astype(np.int64)
        for more in ((0, -1, 1) if walk.step < FINE else (0,))
    ]
    if len(values) == 1:
        return values[0]
    errors = [np.abs(walk.codes(mean, each) - targets) for each in values]
    nearest: NDArray[np.int64] = np.choose(np.argmin(errors, 0), values)
    return nearest


def quantise(targets: NDArray[np.float32], step: int, prior: Prior) -> NDArray[np.uint8]:
    """The codes (h, w, C) that `decode` gives back of what `encode` writes; arguments as there."""
    codes = np.empty(targets.shape, np.uint8)
    flat = codes.reshape(-1, targets.shape[2])
    for each in symbols(targets, step, prior):
        flat[each.place] = each.code
    return codes


def encode(targets: NDArray[np.float32], step: int, prior: Prior) -> bytes:
    """Round values to whole steps from the prior's means, and code how many.

    Args:
        targets: (h, w, C), codes less 128, -128 to 127, not rounded.
        step: 16 to 2048 sixteenths of a code.
        prior: the model's.
    """
    encoder = AnsEncoder(lanes_for(targets.size))
    for each in symbols(targets, step, prior):
        encoder.put(each.table.ravel(), each.symbol.ravel())
        digits = each.value[each.escaped] + LARGEST_VALUE
        for shift in _DIGITS:
            encoder.put(np.full(len(digits), EVEN), (digits >> shift) & 63)
    return encoder.finish()


def decode(
    data: bytes, shape: tuple[int, int, int], step: int, prior: Prior, *, file: str, field: str
) -> NDArray[np.uint8]:
    """Undo `encode`, up to the rounding.

    Returns:
        The codes, (h, w, C).

    Raises:
        SdzFormatError: the bytes are damaged.
    """
    lanes, most = lanes_for(math.prod(shape)), (1 + len(_DIGITS)) * math.prod(shape)
    decoder = AnsDecoder(data, lanes, most, file=file, field=field)
    walk = Walk(shape, step, prior)
    reach = tables().reach
    for place, mean, table in walk.batches():
        symbol = decoder.get(table.ravel()).reshape(table.shape)
        value = symbol - 1 - reach[table]
        escaped = symbol == ESCAPE
        if count := int(escaped.sum()):
            digits = sum(decoder.get(np.full(count, EVEN)) << shift for shift in _DIGITS)
            value[escaped] = digits - LARGEST_VALUE
        if np.abs(value).max(initial=0) >= LARGEST_VALUE:
            raise SdzFormatError(
                "holds a value out of range", file=file, field=field, expected=f"less than {LARGEST_VALUE}"
            )
        walk.put(place, mean, value)
    decoder.finish()
    return (walk.known[:-1] - LOWEST_CODE).astype(np.uint8).reshape(shape)
