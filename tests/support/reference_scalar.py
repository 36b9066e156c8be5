"""The scalar payload read as `spec/sdz.md`, sections 3.10 to 3.12, describes it, one number at a time.

Nothing is shared with the package. Slow and without checks; only for comparison.
"""

from __future__ import annotations

from functools import cache

from reference_codings import lb, power

DIAGONAL = [(-1, -1), (-1, 1), (1, -1), (1, 1), (-1, -3), (-1, 3), (1, -3), (1, 3), (-3, -1), (-3, 1), (3, -1), (3, 1)]
STRAIGHT = [(-1, 0), (0, -1), (0, 1), (1, 0), (-1, -2), (-1, 2), (1, -2), (1, 2), (-2, -1), (-2, 1), (2, -1), (2, 1)]


def order(h: int, w: int):
    """(network or None, stride, offsets, [(y, x), ...]) of each pass."""
    grid = [(y, x) for y in range(h) for x in range(w)]
    yield None, 0, [], [(y, x) for y, x in grid if y % 16 == 0 and x % 16 == 0]
    for s, level in ((8, 0), (4, 0), (2, 2), (1, 4)):
        yield level, s, DIAGONAL, [(y, x) for y, x in grid if (y % (2 * s), x % (2 * s)) == (s, s)]
        yield level + 1, s, STRAIGHT, [(y, x) for y, x in grid if (y % (2 * s), x % (2 * s)) in ((0, s), (s, 0))]


@cache
def frequencies(k: int) -> tuple[int, tuple[int, ...]]:
    """R and the frequencies of table ``k``, 0 to 35; those of the even table with 36."""
    if k == 36:
        return 31, (64,) * 64
    a = 24204406 * power(64 * k) >> 20

    def d(halves: int) -> int:
        return abs(halves) * a >> 13

    def below(halves: int) -> int:
        p = power(d(halves)) if d(halves) <= 5119 else 0
        t = (p << 24) // ((1 << 20) + p)
        return t if halves < 0 else (1 << 24) - t

    r = next((min(31, i + 1) for i in range(32) if d(2 * i + 1) >= 2560), 31)
    mass = [below(2 * i + 1) - below(2 * i - 1) for i in range(-r, r + 1)]
    mass = [(1 << 24) - sum(mass), *mass]
    counts = [1 + (m * (4096 - len(mass)) >> 24) for m in mass]
    counts[r + 1] += 4096 - sum(counts)
    return r, tuple(counts)


def table_of(scale: int, step: int) -> int:
    """The number of a value's table."""
    return min(35, max(0, (scale - lb(step) + 2080) >> 6))


def code_of(mean: int, step: int, q: int) -> int:
    """The code less 128 at a distance of ``q`` steps from a mean."""
    return min(127, max(-128, (min(32512, max(-32768, mean)) + 16 * step * q + 128) >> 8))


def matrices(numbers: list[int], channels: int, groups: int, wide: int, deep: int):
    size, at = channels // groups, 0

    def take(rows: int, columns: int) -> list[list[int]]:
        nonlocal at
        values = [numbers[at + i * columns : at + (i + 1) * columns] for i in range(rows)]
        at += rows * columns
        return values

    first = take(2, channels)
    networks = []
    for _ in range(6):
        context, bias = take(12 * channels + 1, wide), take(1, wide)[0]
        parts = [
            (take(wide + g * size, deep), take(1, deep)[0], take(deep, 2 * size), take(1, 2 * size)[0])
            for g in range(groups)
        ]
        networks.append((context, bias, parts))
    return first, networks


def layer(inputs: list[int], weights: list[list[int]], bias: list[int]) -> list[int]:
    return [b + sum(v * row[i] for v, row in zip(inputs, weights, strict=True)) for i, b in enumerate(bias)]


def hidden(sums: list[int], shift: int) -> list[int]:
    return [min(32767, max(0, s >> shift)) for s in sums]


def decode_slowly(
    data: bytes, shape: tuple[int, int, int], step: int, numbers: list[int], sizes: tuple[int, int, int, int]
) -> list[list[int]]:
    """The codes, 0 to 255, of a stream of one lane: channels of position after position.

    ``step`` is in sixteenths of a code, ``numbers`` are those of the prior's file, ``sizes`` its channels, groups, wide
    and deep.
    """
    h, w, channels = shape
    _, groups, wide, deep = sizes
    size = channels // groups
    first, networks = matrices(numbers, channels, groups, wide, deep)
    state = int.from_bytes(data[:4], "little")
    words = [int.from_bytes(data[i : i + 2], "little") for i in range(4, len(data), 2)]

    def read(table: int) -> int:
        nonlocal state
        counts = frequencies(table)[1]
        slot, low, symbol = state & 4095, 0, 0
        while low + counts[symbol] <= slot:
            low += counts[symbol]
            symbol += 1
        state = counts[symbol] * (state >> 12) + slot - low
        if state < 1 << 16:
            state = (state << 16) | words.pop(0)
        return symbol

    code = [[0] * channels for _ in range(h * w)]  # less 128

    def at(y: int, x: int) -> list[int] | None:
        return code[y * w + x] if 0 <= y < h and 0 <= x < w else None

    for network, stride, offsets, positions in order(h, w):
        near, shared = {}, {}
        for y, x in positions:
            if network is None:
                continue
            near[y, x] = [
                at(y + stride * dy, x + stride * dx) or at(y - stride * dy, x - stride * dx) or [0] * channels
                for dy, dx in offsets
            ]
            inputs = [v for vector in near[y, x] for v in vector] + [lb(step) - 2304]
            shared[y, x] = hidden(layer(inputs, networks[network][0], networks[network][1]), 8)
        for group in range(groups):
            means, distances, escaped = {}, {}, []
            for y, x in positions:
                if network is None:
                    mean, scale = ([row[group * size + i] for i in range(size)] for row in first)
                else:
                    into, into_bias, out, out_bias = networks[network][2][group]
                    inner = hidden(layer(shared[y, x] + code[y * w + x][: group * size], into, into_bias), 12)
                    result = layer(inner, out, out_bias)
                    mean = [
                        (result[i] >> 7) + 64 * sum(v[group * size + i] for v in near[y, x][:4]) for i in range(size)
                    ]
                    scale = [(result[size + i] >> 12) + 768 for i in range(size)]
                for i in range(size):
                    place = y * w + x, group * size + i
                    means[place] = mean[i]
                    table = table_of(scale[i], step)
                    symbol = read(table)
                    if symbol == 0:
                        escaped.append(place)
                    else:
                        distances[place] = symbol - 1 - frequencies(table)[0]
            digits = [[read(36) for _ in escaped] for _ in range(3)]
            for place, high, middle, low in zip(escaped, *digits, strict=True):
                distances[place] = (high << 12 | middle << 6 | low) - 32768
                assert abs(distances[place]) < 32768
            for (position, channel), mean_there in means.items():
                code[position][channel] = code_of(mean_there, step, distances[position, channel])
    assert state == 1 << 16
    assert not words
    return [[c + 128 for c in vector] for vector in code]
