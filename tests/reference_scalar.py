"""The scalar payload read as `spec/sdz.md`, sections 3.10 and 3.11, describes it, one number at a time.

Nothing is shared with the package. Slow and without checks; only for comparison.
"""

from __future__ import annotations

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


def frequencies(k: int, f: int) -> tuple[int, list[int]]:
    """R and the frequencies of one table."""
    slope = 24204406 * power(64 * k) >> 20

    def exponent(e: int) -> int:
        return abs(e) * slope >> 15

    def below(e: int) -> int:
        d = exponent(e)
        p = power(d) if d < 5120 else 0
        tail = (p << 24) // ((1 << 20) + p)
        return tail if e < 0 else (1 << 24) - tail

    r = next((min(31, i + 1) for i in range(32) if exponent(8 * i + 4) >= 2560), 31)
    mass = [below(8 * i + 4 - f) - below(8 * i - 4 - f) for i in range(-r, r + 1)]
    mass = [(1 << 24) - sum(mass), *mass]
    counts = [1 + (m * (4096 - len(mass)) >> 24) for m in mass]
    counts[counts.index(max(counts))] += 4096 - sum(counts)
    return r, counts


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
    h, w, channels = shape
    _, groups, wide, deep = sizes
    size = channels // groups
    first, networks = matrices(numbers, channels, groups, wide, deep)
    state = int.from_bytes(data[:4], "little")
    words = [int.from_bytes(data[i : i + 2], "little") for i in range(4, len(data), 2)]

    def read(counts: list[int]) -> int:
        nonlocal state
        slot, low, symbol = state & 4095, 0, 0
        while low + counts[symbol] <= slot:
            low += counts[symbol]
            symbol += 1
        state = counts[symbol] * (state >> 12) + slot - low
        if state < 1 << 16:
            state = (state << 16) | words.pop(0)
        return symbol

    value = [[0] * channels for _ in range(h * w)]
    code = [[0] * channels for _ in range(h * w)]

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
            inputs = [v for vector in near[y, x] for v in vector] + [lb(step) - 9 * 256]
            shared[y, x] = hidden(layer(inputs, networks[network][0], networks[network][1]), 8)
        for group in range(groups):
            escaped = []
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
                    eighths = min(1 << 17, max(-(1 << 17), (mean[i] + step) // (2 * step)))
                    k = min(35, max(0, (scale[i] - lb(step) + 2048 + 32) >> 6))
                    r, counts = frequencies(k, eighths & 7)
                    symbol = read(counts)
                    if symbol == 0:
                        escaped.append((y * w + x, group * size + i))
                    else:
                        value[y * w + x][group * size + i] = (eighths >> 3) + symbol - 1 - r
            digits = [[read([64] * 64) for _ in escaped] for _ in range(3)]
            for n, (p, c) in enumerate(escaped):
                value[p][c] = (digits[0][n] << 12 | digits[1][n] << 6 | digits[2][n]) - 32768
            for y, x in positions:
                for c in range(group * size, (group + 1) * size):
                    v = value[y * w + x][c]
                    code[y * w + x][c] = min(127, max(-128, (v * step + 8) >> 4))
    assert state == 1 << 16
    assert not words
    return value
