"""An independent decoder of compact palettes and of context-coded index planes, written from the text of `spec/sdz.md`.

It works number by number, with the names of the sections "Logarithms and powers", "Range coder", "Compact palette
coding" and "Context index coding", and shares no code with the package. It is slow and checks nothing: it is only for
comparison.
"""

from __future__ import annotations

from functools import cache
from math import isqrt

Plane = list[list[int]]
Bounds = list[tuple[int, int]]

OFFSETS = [(0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-2, 1), (-1, -2)]
"""(dy, dx) of the neighbours W, N, NW, NE, WW, NN, NNE, NWW."""

FOLLOWED = [0, 1, 3, 2]
"""Places in `OFFSETS` of the neighbours that have follower tables: W, N, NE and NW."""


def lb(x: int) -> int:
    """256 times the binary logarithm, found bit by bit by squaring."""
    r = max(0, x.bit_length() - 13)
    x >>= r
    n = x.bit_length() - 1
    mantissa = x << (30 - n)
    for _ in range(8):
        mantissa = mantissa * mantissa >> 30
        bit = mantissa >> 31
        mantissa >>= bit
        n = 2 * n + bit
    return n + 256 * r


@cache
def power(d: int) -> int:
    """2**(20 - d / 256), rounded down: the greatest n with n**256 <= 2**(5120 - d)."""
    low, high = 1, 1 << 20
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**256 <= 1 << (5120 - d) else (low, middle - 1)
    return low


class Stream:
    """A stream of the range coder."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.range = (1 << 64) - 1
        self.offset = self.word() << 32
        self.offset |= self.word()

    def word(self) -> int:
        self.at += 4
        return int.from_bytes(self.data[self.at - 4 : self.at].ljust(4, b"\0"), "big")

    def decode(self, freq: list[int]) -> int:
        unit = self.range // sum(freq)
        slot = self.offset // unit
        below = symbol = 0
        while slot >= below + freq[symbol]:
            below += freq[symbol]
            symbol += 1
        self.offset -= unit * below
        self.range = unit * freq[symbol]
        while self.range < 1 << 32:
            self.range <<= 32
            self.offset = self.offset << 32 | self.word()
        return symbol

    def even(self, n: int) -> int:
        return self.decode([1] * n)

    def end(self) -> None:
        assert self.even(256) == 0
        padded = self.data.ljust(self.at, b"\0")
        assert len(padded) == self.at
        assert not self.data.endswith(b"\0")
        last = int.from_bytes(padded[-8:], "big")
        low = (last - self.offset) % (1 << 64)
        for bits in range(64, -1, -8):
            multiple = -(-low // (1 << bits)) << bits
            if multiple < low + self.range:
                assert multiple % (1 << 64) == last
                return


def read_palette(data: bytes, entries: int, channels: int) -> list[list[int]]:
    """The entries of a compact palette."""
    stream = Stream(data)
    zero_first = stream.even(2)
    shift = stream.even(8)
    extent = 256 >> shift
    curves = []
    for _ in range(channels):
        centre = 4 * stream.even(64) + 2
        deviation = 2 * (stream.even(64) + 1)
        bell = [512 + power(min(5119, 185 * (v - centre) ** 2 // deviation**2)) for v in range(256)]
        curves.append([sum(bell[: x << shift]) for x in range(extent + 1)])
    points: list[list[int]] = []

    def read_box(count: int, depth: int, box: Bounds) -> None:
        if count == 0:
            return
        if count == 1:
            point = []
            for curve, (lower, upper) in zip(curves, box, strict=True):
                freq = [curve[x + 1] - curve[x] for x in range(lower, upper)]
                point.append(lower if upper - lower == 1 else lower + stream.decode(freq))
            points.append(point)
        elif depth == (8 - shift) * channels:
            points.extend([[lower for lower, _ in box]] * count)
        else:
            c = depth % channels
            lower, upper = box[c]
            middle = (lower + upper) // 2
            below, above = lb(curves[c][middle] - curves[c][lower]), lb(curves[c][upper] - curves[c][middle])
            log_factorial = [sum(lb(i) for i in range(1, j + 1)) for j in range(count + 1)]
            score = [
                j * below + (count - j) * above - log_factorial[j] - log_factorial[count - j] for j in range(count + 1)
            ]
            half_count = stream.decode([power(min(5119, max(score) - each)) for each in score])
            read_box(half_count, depth + 1, [*box[:c], (lower, middle), *box[c + 1 :]])
            read_box(count - half_count, depth + 1, [*box[:c], (middle, upper), *box[c + 1 :]])

    read_box(entries - zero_first, 0, [(0, extent)] * channels)
    stream.end()
    values = [[(coordinate << shift) + (1 << shift) // 2 for coordinate in point] for point in points]
    return [[128] * channels] * zero_first + values


class _ContextModel:
    """The tables, features and weights of "Context index coding", for the palette ``coarse``."""

    def __init__(self, coarse: list[list[int]], start: list[list[int]]) -> None:
        self.entries = len(coarse)
        self.every = every = range(self.entries)
        self.distance = [[sum((a - b) ** 2 for a, b in zip(coarse[i], coarse[k], strict=True)) for k in every]
                         for i in every]  # fmt: skip
        sums = [sum(row) for row in self.distance]
        self.central = sums.index(min(sums))
        mean_distance = max(1, sum(sums) // self.entries**2)
        self.threshold = [max(1, mean_distance >> (8 - j)) for j in range(9)]
        ratio = [[min(4095, 16 * d // max(1, mean_distance >> 5)) for d in row] for row in self.distance]
        self.nearness = [[-lb(16 + r) for r in row] for row in ratio]
        peak = [[2**28 // (16 + r) ** 2 for r in row] for row in ratio]
        self.closest = [self._closest(i) for i in every]
        totals = [sum(row) for row in peak]
        first = [[1 + 4096 * p // total for p in row] for row, total in zip(peak, totals, strict=True)]
        self.follower = [[list(row) for row in first] for _ in FOLLOWED]
        self.histogram = [4096] * self.entries
        self.weight_state = [[(start[z][i] << 24) // 100 for z in range(11)] + [0] for i in range(14)]
        self.energy = [[1 << 23] * 12 for _ in range(14)]

    def _closest(self, i: int) -> list[int]:
        return sorted((k for k in self.every if k != i), key=lambda k: (self.distance[i][k], k))[:3]

    def frequencies(self, around: list[int]) -> tuple[int, Plane, list[int]]:
        """Class, features and frequencies of a position."""
        distance = self.distance

        def d(a: int, b: int) -> int:
            return distance[around[a]][around[b]]

        pairs = 660 * d(0, 1) + 180 * d(0, 3) + 180 * d(0, 4) + 132 * d(1, 3) + 132 * d(1, 4) + 36 * d(3, 4)
        spread = pairs >> 12
        activity = (pairs + 512 * d(1, 2) + 512 * d(0, 2)) >> 12
        kind = sum(bound <= activity for bound in [1, *self.threshold])
        class_scale = self.threshold[max(0, kind - 2)]
        feature = [self.nearness[i] for i in around]
        feature += [[lb(count) for count in self.follower[f][around[i]]] for f, i in enumerate(FOLLOWED)]
        feature += [[lb(count) for count in self.histogram]]
        last = []
        for k in self.every:
            to_mean = (30 * distance[around[0]][k] + 22 * distance[around[1]][k]
                       + 6 * distance[around[3]][k] + 6 * distance[around[4]][k]) >> 6  # fmt: skip
            excess = min(256 * class_scale, max(0, to_mean - spread))
            last.append(-lb(16 + min(4095, (excess * (2**22 // class_scale)) >> 18)))
        feature.append(last)
        weight = [min(8191, max(-8191, (state[kind] + state[11]) >> 12)) for state in self.weight_state]
        score = [sum(row[k] * w for row, w in zip(feature, weight, strict=True)) >> 12 for k in self.every]
        return kind, feature, [power(min(5119, max(score) - each)) for each in score]

    def learn_weights(self, part: list[tuple[int, Plane, list[int], int]]) -> None:
        """Adapt the weights to the classes, features, frequencies and symbols of a part of a wave."""
        slope = [[0] * 12 for _ in range(14)]
        square = [[0] * 12 for _ in range(14)]
        for kind, feature, freq, symbol in part[:: -(-len(part) // 16)]:
            chance = [f * ((2**31 - 1) // sum(freq)) >> 16 for f in freq]
            for i, row in enumerate(feature):
                mean = sum(value * c for value, c in zip(row, chance, strict=True))
                gradient = (row[symbol] * sum(chance) - mean) >> 15
                for z in (kind, 11):
                    slope[i][z] += gradient
                    square[i][z] += gradient**2
        for i in range(14):
            for z in range(12):
                self.energy[i][z] += square[i][z]
                rate = (300 << 28) // isqrt(1 << self.energy[i][z].bit_length())
                moved = self.weight_state[i][z] + (slope[i][z] * rate >> 16)
                self.weight_state[i][z] = min(2**25, max(-(2**25), moved))

    def count(self, around: list[int], symbol: int) -> None:
        """Count a symbol in the histogram and in the follower tables of its neighbours."""
        self.histogram[symbol] += 1024
        for f, i in enumerate(FOLLOWED):
            self.follower[f][around[i]][symbol] += 1024
            for other in self.closest[around[i]] if self.entries >= 32 else []:
                self.follower[f][other][symbol] += 256


def read_indices(data: bytes, height: int, width: int, palette: list[list[int]], start: list[list[int]]) -> Plane:
    """The plane of a context-coded layer; ``start`` is the table of start weights for its kind of palette."""
    if height > width:
        transposed = read_indices(data, width, height, palette, start)
        return [[transposed[x][y] for x in range(width)] for y in range(height)]
    stream = Stream(data)
    entries, low_bits = len(palette), 0
    while entries > 1024 << low_bits:
        low_bits += 1
    groups = [palette[i : i + (1 << low_bits)] for i in range(0, entries, 1 << low_bits)]
    coarse = [[sum(column) // len(group) for column in zip(*group, strict=True)] for group in groups]
    model = _ContextModel(coarse, start)
    symbols = {(y, x): model.central for y in range(-2, height) for x in range(-2, width + 2)}
    numbers = dict.fromkeys(symbols, 0)
    most = max(1, 32768 // len(coarse))
    for index in range(width + 2 * (height - 1)):
        wave = [(y, index - 2 * y) for y in range(height) if 0 <= index - 2 * y < width]
        for part in (wave[i : i + most] for i in range(0, len(wave), most)):
            around = [[symbols[y + dy, x + dx] for dy, dx in OFFSETS] for y, x in part]
            known = [model.frequencies(each) for each in around]
            found = [stream.decode(freq) for *_, freq in known]
            if low_bits:
                for symbol, at in zip(found, part, strict=True):
                    first = symbol << low_bits
                    numbers[at] = stream.decode([int(first + number < entries) for number in range(1 << low_bits)])
            model.learn_weights([(*each, symbol) for each, symbol in zip(known, found, strict=True)])
            for each, symbol in zip(around, found, strict=True):
                model.count(each, symbol)
            symbols.update(zip(part, found, strict=True))
        for y, x in (wave[0], wave[-1]):
            if y == 0:
                for at in ((-2, x + 1), (-2, x + 2), (-1, x + 1), (-1, x + 2)):
                    symbols[at] = symbols[y, x]
            if x == 0 and y + 1 < height:
                symbols[y + 1, -2] = symbols[y + 1, -1] = symbols[y, x]
            if x == width - 1:
                symbols[y, width] = symbols[y, width + 1] = symbols[y, x]
    stream.end()
    return [[(symbols[y, x] << low_bits) + numbers[y, x] for x in range(width)] for y in range(height)]
