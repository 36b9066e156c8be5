"""Palette coding 1 and index coding 2 read as `spec/sdz.md` describes them, one number at a time.

Nothing is shared with the package. Slow and without checks; only for comparison.
"""

from __future__ import annotations

from functools import cache
from math import isqrt

NEIGHBOURS = [(0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-2, 1), (-1, -2)]


def lb(x: int) -> int:
    r = max(0, x.bit_length() - 13)
    x >>= r
    k = x.bit_length() - 1
    y = x << (30 - k)
    n = k
    for _ in range(8):
        y = y * y >> 30
        bit = y >> 31
        y >>= bit
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
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.range = (1 << 64) - 1
        self.code = self.word() << 32
        self.code |= self.word()

    def word(self) -> int:
        self.at += 4
        return int.from_bytes(self.data[self.at - 4 : self.at].ljust(4, b"\0"), "big")

    def symbol(self, frequencies: list[int]) -> int:
        unit = self.range // sum(frequencies)
        value = self.code // unit
        below = k = 0
        while value >= below + frequencies[k]:
            below += frequencies[k]
            k += 1
        self.code -= unit * below
        self.range = unit * frequencies[k]
        while self.range < 1 << 32:
            self.range <<= 32
            self.code = self.code << 32 | self.word()
        return k

    def even(self, count: int) -> int:
        return self.symbol([1] * count)

    def end(self) -> None:
        assert self.even(256) == 0
        padded = self.data.ljust(self.at, b"\0")
        assert len(padded) == self.at
        assert not self.data.endswith(b"\0")
        last = int.from_bytes(padded[-8:], "big")
        low = (last - self.code) % (1 << 64)
        for p in range(64, -1, -8):
            number = -(-low // (1 << p)) << p
            if number < low + self.range:
                assert number % (1 << 64) == last
                return


def read_palette(data: bytes, entries: int, channels: int) -> list[list[int]]:
    stream = Stream(data)
    first = stream.even(2)
    s = stream.even(8)
    curves = []
    for _ in range(channels):
        m = 4 * stream.even(64) + 2
        w = 2 * (stream.even(64) + 1)
        steps = [512 + power(min(5119, 185 * (v - m) ** 2 // w**2)) for v in range(256)]
        curves.append([sum(steps[: x << s]) for x in range((256 >> s) + 1)])
    points: list[list[int]] = []

    def box(count: int, depth: int, bounds: list[tuple[int, int]]) -> None:
        if count == 0:
            return
        if count == 1:
            point = []
            for curve, (low, high) in zip(curves, bounds, strict=True):
                one = high - low == 1
                point.append(low if one else low + stream.symbol([curve[x + 1] - curve[x] for x in range(low, high)]))
            points.append(point)
        elif depth == (8 - s) * channels:
            points.extend([[low for low, _ in bounds]] * count)
        else:
            c = depth % channels
            low, high = bounds[c]
            mid = (low + high) // 2
            lower, upper = lb(curves[c][mid] - curves[c][low]), lb(curves[c][high] - curves[c][mid])
            f = [sum(lb(i) for i in range(1, j + 1)) for j in range(count + 1)]
            q = [j * lower + (count - j) * upper - f[j] - f[count - j] for j in range(count + 1)]
            j = stream.symbol([power(min(5119, max(q) - value)) for value in q])
            box(j, depth + 1, [*bounds[:c], (low, mid), *bounds[c + 1 :]])
            box(count - j, depth + 1, [*bounds[:c], (mid, high), *bounds[c + 1 :]])

    box(entries - first, 0, [(0, 256 >> s)] * channels)
    stream.end()
    return [[128] * channels] * first + [[(p << s) + (1 << s) // 2 for p in point] for point in points]


def read_indices(data: bytes, h: int, w: int, palette: list[list[int]], start: list[list[int]]) -> list[list[int]]:
    if h > w:
        turned = read_indices(data, w, h, palette, start)
        return [[turned[x][y] for x in range(w)] for y in range(h)]
    stream = Stream(data)
    total, g = len(palette), 0
    while total > 1024 << g:
        g += 1
    groups = [palette[i : i + (1 << g)] for i in range(0, total, 1 << g)]
    p = [[sum(column) // len(group) for column in zip(*group, strict=True)] for group in groups]
    n = len(p)
    every = range(n)
    distance = [[sum((a - b) ** 2 for a, b in zip(p[i], p[k], strict=True)) for k in every] for i in every]
    mean = max(1, sum(map(sum, distance)) // n**2)
    scales = [max(1, mean >> (8 - j)) for j in range(9)]
    ratio = [[min(4095, 16 * distance[i][k] // max(1, mean >> 5)) for k in every] for i in every]
    near = [[-lb(16 + ratio[i][k]) for k in every] for i in every]
    peak = [[2**28 // (16 + ratio[i][k]) ** 2 for k in every] for i in every]
    kin = [sorted((k for k in every if k != i), key=lambda k, i=i: (distance[i][k], k))[:3] for i in every]  # type: ignore[misc]
    lists = [[[1 + 4096 * peak[i][k] // sum(peak[i]) for k in every] for i in every] for _ in range(4)]
    histogram = [4096] * n
    state = [[(start[z][i] << 24) // 100 for z in range(11)] + [0] for i in range(14)]
    energy = [[1 << 23] * 12 for _ in range(14)]
    sums = [sum(row) for row in distance]
    plane = {(y, x): sums.index(min(sums)) for y in range(-2, h) for x in range(-2, w + 2)}
    places = dict.fromkeys(plane, 0)
    for t in range(w + 2 * (h - 1)):
        wave = [(y, t - 2 * y) for y in range(h) if 0 <= t - 2 * y < w]
        size = max(1, 32768 // n)
        for part in (wave[i : i + size] for i in range(0, len(wave), size)):
            told = []
            for y, x in part:
                v = [plane[y + dy, x + dx] for dy, dx in NEIGHBOURS]

                def d(a: int, b: int, v: list[int] = v) -> int:
                    return distance[v[a]][v[b]]

                spread = 660 * d(0, 1) + 180 * d(0, 3) + 180 * d(0, 4) + 132 * d(1, 3) + 132 * d(1, 4) + 36 * d(3, 4)
                activity = (spread + 512 * d(1, 2) + 512 * d(0, 2)) >> 12
                spread >>= 12
                z = sum(threshold <= activity for threshold in [1, *scales])
                scale = scales[max(0, z - 2)]
                features = [near[i] for i in v]
                features += [[lb(count) for count in lists[f][v[i]]] for f, i in enumerate((0, 1, 3, 2))]
                features += [[lb(count) for count in histogram]]
                row = []
                for k in every:
                    m = (30 * distance[v[0]][k] + 22 * distance[v[1]][k]
                         + 6 * distance[v[3]][k] + 6 * distance[v[4]][k]) >> 6  # fmt: skip
                    m = min(256 * scale, max(0, m - spread))
                    row.append(-lb(16 + min(4095, (m * (2**22 // scale)) >> 18)))
                features.append(row)
                weights = [min(8191, max(-8191, (q[z] + q[11]) >> 12)) for q in state]
                score = [sum(a[k] * weight for a, weight in zip(features, weights, strict=True)) >> 12 for k in every]
                told.append((v, z, features, [power(min(5119, max(score) - value)) for value in score]))
            found = [stream.symbol(frequencies) for *_, frequencies in told]
            if g:
                for s, at in zip(found, part, strict=True):
                    places[at] = stream.symbol([int((s << g) + low < total) for low in range(1 << g)])
            sums_of = [[[0, 0] for _ in range(12)] for _ in range(14)]
            step = -(-len(part) // 16)
            for (_, z, features, frequencies), s in list(zip(told, found, strict=True))[::step]:
                share = [f * ((2**31 - 1) // sum(frequencies)) >> 16 for f in frequencies]
                for a, of in zip(features, sums_of, strict=True):
                    grad = (a[s] * sum(share) - sum(x * y for x, y in zip(a, share, strict=True))) >> 15
                    for column in (z, 11):
                        of[column][0] += grad
                        of[column][1] += grad**2
            for i in range(14):
                for z in range(12):
                    energy[i][z] += sums_of[i][z][1]
                    rate = (300 << 28) // isqrt(1 << energy[i][z].bit_length())
                    state[i][z] = min(2**25, max(-(2**25), state[i][z] + (sums_of[i][z][0] * rate >> 16)))
            for (v, *_), s in zip(told, found, strict=True):
                histogram[s] += 1024
                for f, i in enumerate((0, 1, 3, 2)):
                    lists[f][v[i]][s] += 1024
                    for other in kin[v[i]] if n >= 32 else []:
                        lists[f][other][s] += 256
            plane.update(zip(part, found, strict=True))
        for y, x in (wave[0], wave[-1]):
            if y == 0:
                for at in ((-2, x + 1), (-2, x + 2), (-1, x + 1), (-1, x + 2)):
                    plane[at] = plane[y, x]
            if x == 0 and y + 1 < h:
                plane[y + 1, -2] = plane[y + 1, -1] = plane[y, x]
            if x == w - 1:
                plane[y, w] = plane[y, w + 1] = plane[y, x]
    stream.end()
    return [[(plane[y, x] << g) + places[y, x] for x in range(w)] for y in range(h)]
