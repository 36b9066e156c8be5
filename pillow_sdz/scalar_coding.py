"""Scalar payload: latent values rounded to multiples of one step, and their bits under the model's prior.

``spec/sdz.md``, sections 3.10 and 3.11, gives the same steps in words. Integer arithmetic throughout.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from pillow_sdz.ans import AnsDecoder, AnsEncoder, lanes_for
from pillow_sdz.errors import SdzFormatError
from pillow_sdz.fixed_point import logarithm
from pillow_sdz.passes import passes
from pillow_sdz.prior_tables import ESCAPE, EVEN, FRACTIONS, SCALES, tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pillow_sdz.passes import Pass
    from pillow_sdz.prior import Prior

LARGEST_VALUE: Final = 1 << 15
"""Quantised values are smaller than this in size; three digits of six bits hold any of them."""

_DIGITS: Final = (12, 6, 0)

_PART: Final = 1 << 16
"""Positions whose neighbours are gathered at a time: 768 bytes each with eight channels."""


def quantise(targets: NDArray[np.float32], step: int) -> NDArray[np.int16]:
    """Round codes less 128, (h, w, C), to multiples of ``step`` sixteenths of a code; returns the multiples."""
    multiples: NDArray[np.int16] = np.rint(targets * np.float32(16 / step)).astype(np.int16)
    return multiples


def to_codes(values: NDArray[np.int16], step: int) -> NDArray[np.uint8]:
    """The codes that multiples stand for: ((value * step + 8) >> 4) + 128, clipped to 0 .. 255."""
    return (centred(values.astype(np.int64), step) + 128).astype(np.uint8)


def centred(values: NDArray[np.int64], step: int) -> NDArray[np.int64]:
    """The codes less 128 that multiples stand for."""
    codes: NDArray[np.int64] = (values * step + 8) >> 4
    np.maximum(codes, -128, out=codes)
    np.minimum(codes, 127, out=codes)
    return codes


class Walk:
    """What encoder and decoder do alike: predict group after group of pass after pass.

    Attributes:
        known: (h * w + 1, C), codes less 128 of the positions so far; the last row, zeros, stands for neighbours
            outside of the picture.
    """

    def __init__(self, shape: tuple[int, int, int], step: int, prior: Prior) -> None:
        height, width, channels = shape
        self.step, self.prior, self.size = step, prior, prior.shape.size
        self.log = int(logarithm(np.array([step], np.int32))[0])
        self.passes = passes(height, width)
        self.known = np.zeros((height * width + 1, channels))

    def batches(self) -> Iterator[tuple[Pass, slice, NDArray[np.int64], NDArray[np.int64]]]:
        """Pass, channels, the whole numbers below the means and the table numbers, (n, size) each.

        Whoever iterates sets ``known`` at these positions and channels before it goes on.
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
                eighths = np.maximum(np.minimum((mean + self.step) // (2 * self.step), 1 << 17), -(1 << 17))
                width = np.maximum(np.minimum((scale - self.log + 8 * 256 + 32) >> 6, SCALES - 1), 0)
                yield each, channels, eighths >> 3, FRACTIONS * width + (eighths & 7)

    def _around(self, network: int, neighbours: NDArray[np.intp]) -> tuple[NDArray[Any], NDArray[Any]]:
        """What all groups see of the neighbours (n, 12): the hidden values they share, and the sums of the nearest."""
        context = self.known[neighbours]
        return self.prior.share(network, context, self.log - 9 * 256), context[:, :4].sum(1)

    def _predict(
        self, network: int, group: int, shared: NDArray[Any], near: NDArray[Any], positions: NDArray[np.intp]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Means and scales of a group at some positions; see `pillow_sdz.prior.Prior.predict`."""
        own = self.known[positions]
        return self.prior.predict(network, group, np.asarray(shared, float), np.asarray(near, float), own)


class Symbols(NamedTuple):
    """One group of one pass as it is coded; arrays are (n, size), in the order of the stream.

    Attributes:
        positions, channels: where in the latent.
        value: multiples of the step.
        table, symbol: which symbol of which table stands for each.
        escaped: which values follow in digits.
    """

    positions: NDArray[np.intp]
    channels: slice
    value: NDArray[np.int64]
    table: NDArray[np.int64]
    symbol: NDArray[np.int64]
    escaped: NDArray[np.bool_]


def symbols(values: NDArray[np.int16], step: int, prior: Prior) -> Iterator[Symbols]:
    """What an encoder puts into the stream, group after group; arguments as for `encode`."""
    height, width, channels_in_all = values.shape
    walk = Walk((height, width, channels_in_all), step, prior)
    flat = values.reshape(-1, channels_in_all).astype(np.int64)
    walk.known[:-1] = centred(flat, step)
    reach = tables().reach
    for each, channels, base, table in walk.batches():
        value = flat[each.positions, channels]
        bound = reach[table // FRACTIONS]
        distance = value - base
        escaped = np.abs(distance) > bound
        symbol = np.where(escaped, ESCAPE, distance + bound + 1)
        yield Symbols(each.positions, channels, value, table, symbol, escaped)


def encode(values: NDArray[np.int16], step: int, prior: Prior) -> bytes:
    """Code multiples of a step.

    Args:
        values: (h, w, C).
        step: 16 to 2048 sixteenths of a code.
        prior: the model's.
    """
    encoder = AnsEncoder(lanes_for(values.size))
    for each in symbols(values, step, prior):
        encoder.put(each.table.ravel(), each.symbol.ravel())
        digits = each.value[each.escaped] + LARGEST_VALUE
        for shift in _DIGITS:
            encoder.put(np.full(len(digits), EVEN), (digits >> shift) & 63)
    return encoder.finish()


def decode(
    data: bytes, shape: tuple[int, int, int], step: int, prior: Prior, *, file: str, field: str
) -> NDArray[np.int16]:
    """Undo `encode`.

    Returns:
        The multiples, (h, w, C).

    Raises:
        SdzFormatError: the bytes are damaged.
    """
    height, width, channels_in_all = shape
    lanes, most = lanes_for(math.prod(shape)), (1 + len(_DIGITS)) * math.prod(shape)
    decoder = AnsDecoder(data, lanes, most, file=file, field=field)
    walk = Walk(shape, step, prior)
    flat = np.zeros((height * width, channels_in_all), np.int16)
    reach = tables().reach
    for each, channels, base, table in walk.batches():
        symbol = decoder.get(table.ravel()).reshape(table.shape)
        value = base + symbol - 1 - reach[table // FRACTIONS]
        escaped = symbol == ESCAPE
        if count := int(escaped.sum()):
            digits = sum(decoder.get(np.full(count, EVEN)) << shift for shift in _DIGITS)
            value[escaped] = digits - LARGEST_VALUE
        if np.abs(value).max(initial=0) >= LARGEST_VALUE:
            raise SdzFormatError(
                "holds a value out of range", file=file, field=field, expected=f"less than {LARGEST_VALUE}"
            )
        flat[each.positions, channels] = value
        walk.known[each.positions, channels] = centred(value, step)
    decoder.finish()
    return flat.reshape(shape)
