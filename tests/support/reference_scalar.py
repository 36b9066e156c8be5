"""An independent decoder of the scalar payload, written from the text of `spec/sdz.md`.

It works number by number, with the names of the sections "rANS coder", "Scalar payload" ("Scan" to "Escape codes") and
"Prior file", and shares no code with the package. It is slow and checks nothing: it is only for comparison.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from reference_codings import lb, power

if TYPE_CHECKING:
    from collections.abc import Iterator

    Matrix = list[list[int]]
    Group = tuple[Matrix, list[int], Matrix, list[int]]
    Network = tuple[Matrix, list[int], list[Group]]
    Pass = tuple[int | None, int, list[tuple[int, int]], list[tuple[int, int]]]

DIAGONAL = [(-1, -1), (-1, 1), (1, -1), (1, 1), (-1, -3), (-1, 3), (1, -3), (1, 3), (-3, -1), (-3, 1), (3, -1), (3, 1)]
STRAIGHT = [(-1, 0), (0, -1), (0, 1), (1, 0), (-1, -2), (-1, 2), (1, -2), (1, 2), (-2, -1), (-2, 1), (2, -1), (2, 1)]

DIGITS_TABLE = 36
"""Number of the table of the digits of escape codes."""


def scan(height: int, width: int) -> Iterator[Pass]:
    """(network or None, stride, offsets, positions in raster order) of each pass."""
    grid = [(y, x) for y in range(height) for x in range(width)]
    yield None, 0, [], [(y, x) for y, x in grid if y % 16 == 0 and x % 16 == 0]
    for stride, network in ((8, 0), (4, 0), (2, 2), (1, 4)):
        within = {(y, x): (y % (2 * stride), x % (2 * stride)) for y, x in grid}
        yield network, stride, DIAGONAL, [at for at in grid if within[at] == (stride, stride)]
        yield network + 1, stride, STRAIGHT, [at for at in grid if within[at] in ((0, stride), (stride, 0))]


@cache
def frequencies(table: int) -> tuple[int, tuple[int, ...]]:
    """The reach and the frequencies of a table, 0 to 36."""
    if table == DIGITS_TABLE:
        return 31, (64,) * 64
    decay = 24204406 * power(64 * table) >> 20

    def exponent(half: int) -> int:
        return abs(half) * decay >> 13

    def cdf(half: int) -> int:
        e = power(exponent(half)) if exponent(half) <= 5119 else 0
        tail = (e << 24) // ((1 << 20) + e)
        return tail if half < 0 else (1 << 24) - tail

    reach = next((min(31, i + 1) for i in range(32) if exponent(2 * i + 1) >= 2560), 31)
    mass = [cdf(2 * level + 1) - cdf(2 * level - 1) for level in range(-reach, reach + 1)]
    mass = [(1 << 24) - sum(mass), *mass]
    freq = [1 + (m * (4096 - len(mass)) >> 24) for m in mass]
    freq[reach + 1] += 4096 - sum(freq)
    return reach, tuple(freq)


def table_of(log_scale: int, step: int) -> int:
    """The number of a value's table."""
    return min(35, max(0, (log_scale - lb(step) + 2080) >> 6))


def signed_code_of(mean: int, step: int, level: int) -> int:
    """The code, less 128, that a level stands for; ``mean`` is in 256ths of a code, ``step`` in sixteenths."""
    base = min(32512, max(-32768, mean))
    return min(127, max(-128, (base + 16 * step * level + 128) >> 8))


def prior_arrays(
    numbers: list[int], channels: int, groups: int, shared_width: int, group_width: int
) -> tuple[Matrix, list[Network]]:
    """The array ``first`` and the six networks of a prior's file."""
    group_size, at = channels // groups, 0

    def take(rows: int, columns: int) -> Matrix:
        nonlocal at
        values = [numbers[at + i * columns : at + (i + 1) * columns] for i in range(rows)]
        at += rows * columns
        return values

    first = take(2, channels)
    networks = []
    for _ in range(6):
        context, context_bias = take(12 * channels + 1, shared_width), take(1, shared_width)[0]
        parts: list[Group] = [
            (
                take(shared_width + g * group_size, group_width), take(1, group_width)[0],
                take(group_width, 2 * group_size), take(1, 2 * group_size)[0],
            )
            for g in range(groups)
        ]  # fmt: skip
        networks.append((context, context_bias, parts))
    return first, networks


def product(inputs: list[int], weights: Matrix, bias: list[int]) -> list[int]:
    """A row vector times a matrix, plus a bias."""
    return [b + sum(v * row[i] for v, row in zip(inputs, weights, strict=True)) for i, b in enumerate(bias)]


def hidden_of(sums: list[int], shift: int) -> list[int]:
    """Values of a hidden layer from its sums: shifted and clamped to 0 to 32767."""
    return [min(32767, max(0, s >> shift)) for s in sums]


class Lane:
    """A rANS stream of one lane."""

    def __init__(self, data: bytes) -> None:
        self.state = int.from_bytes(data[:4], "little")
        self.words = [int.from_bytes(data[i : i + 2], "little") for i in range(4, len(data), 2)]

    def decode(self, table: int) -> int:
        freq = frequencies(table)[1]
        slot, below, symbol = self.state % 4096, 0, 0
        while below + freq[symbol] <= slot:
            below += freq[symbol]
            symbol += 1
        self.state = freq[symbol] * (self.state >> 12) + slot - below
        if self.state < 1 << 16:
            self.state = (self.state << 16) | self.words.pop(0)
        return symbol

    def end(self) -> None:
        assert self.state == 1 << 16
        assert not self.words


def decode_slowly(
    data: bytes, shape: tuple[int, int, int], step: int, numbers: list[int], sizes: tuple[int, int, int, int]
) -> Matrix:
    """The codes, 0 to 255, of a stream of one lane: the channels of each position, in raster order.

    Args:
        data: the stream.
        shape: latent_height, latent_width, channels.
        step: in sixteenths of a code.
        numbers: those of the prior's file.
        sizes: channels, groups, and the widths of the prior's hidden layers (``wide`` and ``deep`` in its manifest).
    """
    height, width, channels = shape
    _, groups, shared_width, group_width = sizes
    group_size = channels // groups
    first, networks = prior_arrays(numbers, channels, groups, shared_width, group_width)
    stream = Lane(data)
    signed_codes = [[0] * channels for _ in range(height * width)]

    def at(y: int, x: int) -> list[int] | None:
        return signed_codes[y * width + x] if 0 <= y < height and 0 <= x < width else None

    for network, stride, offsets, positions in scan(height, width):
        neighbours, shared = {}, {}
        for y, x in positions:
            if network is None:
                continue
            neighbours[y, x] = [
                at(y + stride * dy, x + stride * dx) or at(y - stride * dy, x - stride * dx) or [0] * channels
                for dy, dx in offsets
            ]
            inputs = [v for vector in neighbours[y, x] for v in vector] + [lb(step) - 2304]
            shared[y, x] = hidden_of(product(inputs, networks[network][0], networks[network][1]), 8)
        for g in range(groups):
            means, levels, escaped = {}, {}, []
            for y, x in positions:
                own = signed_codes[y * width + x]
                if network is None:
                    mean, log_scale = ([row[g * group_size + j] for j in range(group_size)] for row in first)
                else:
                    inner, inner_bias, outer, outer_bias = networks[network][2][g]
                    hidden = hidden_of(product(shared[y, x] + own[: g * group_size], inner, inner_bias), 12)
                    output = product(hidden, outer, outer_bias)
                    nearest = neighbours[y, x][:4]
                    mean = [
                        (output[j] >> 7) + 64 * sum(v[g * group_size + j] for v in nearest) for j in range(group_size)
                    ]
                    log_scale = [(output[group_size + j] >> 12) + 768 for j in range(group_size)]
                for j in range(group_size):
                    place = y * width + x, g * group_size + j
                    means[place] = mean[j]
                    table = table_of(log_scale[j], step)
                    symbol = stream.decode(table)
                    if symbol == 0:
                        escaped.append(place)
                    else:
                        levels[place] = symbol - 1 - frequencies(table)[0]
            digits = [[stream.decode(DIGITS_TABLE) for _ in escaped] for _ in range(3)]
            for place, digit_2, digit_1, digit_0 in zip(escaped, *digits, strict=True):
                levels[place] = digit_2 * 4096 + digit_1 * 64 + digit_0 - 32768
                assert abs(levels[place]) < 32768
            for place, mean_there in means.items():
                position, channel = place
                signed_codes[position][channel] = signed_code_of(mean_there, step, levels[place])
    stream.end()
    return [[code + 128 for code in vector] for vector in signed_codes]
