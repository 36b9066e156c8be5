"""Cases of the entropy coders and their tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from guard import calls, file_bytes
from guard.inputs import numbers, samples_to_deflate
from guard.results import Written

if TYPE_CHECKING:
    from collections.abc import Iterator


def bitpack() -> Iterator[tuple[str, Written]]:
    for bits in (1, 2, 3, 4, 5, 7, 8, 9, 11, 12, 16):
        for count in (1, 7, 1000):
            values = numbers(bits, count, below=1 << bits).astype(np.uint16)
            yield f"{bits} bits, {count}", Written(calls.pack_bits(values, bits))


def deflate() -> Iterator[tuple[str, Written]]:
    for name, data in samples_to_deflate().items():
        for effort in range(10):
            packed = calls.deflate(data, effort)
            yield f"{name}, effort {effort}", Written(packed, file_bytes.inflated(packed))


def range_coder() -> Iterator[tuple[str, Written]]:
    def symbols(seed: int, count: int, total: int, most: int) -> tuple[list[int], list[int], list[int]]:
        lows = numbers(seed, count, below=total)
        highs = np.minimum(total, lows + 1 + numbers(seed + 1, count, below=most))
        return lows.tolist(), highs.tolist(), [total] * count

    yield "nothing", Written(calls.range_code([]))
    for total in (1, 2, 3, 256, 4097, 1 << 20, (1 << 31) - 1):
        for count in (1, 2, 500):
            yield f"total {total}, {count}", Written(calls.range_code([symbols(total % 97, count, total, total)]))
    for name, low in (("lowest", 0), ("highest", 254)):
        yield f"{name} of 255, 300", Written(calls.range_code([([low] * 300, [low + 1] * 300, [255] * 300)]))
    # every word but the first is all ones before the last symbol carries into them
    carry = [([0], [1], [2])] + [([254], [255], [255])] * 40 + [([1], [2], [2])] * 9
    yield "carries", Written(calls.range_code(carry))
    batches = [symbols(n, n, 100 * n + 1, 9) for n in range(1, 40)]
    yield "batches", Written(calls.range_code(batches))
    ends = [calls.range_code([symbols(n, 1 + n % 5, 1000, 30)]) for n in range(4000)]
    yield "many short ones", Written(b"".join(bytes([len(end)]) + end for end in ends))


def rans() -> Iterator[tuple[str, Written]]:
    table = calls.frequency_tables()["frequency"].reshape(-1, 64)
    most = (table > 0).sum(1)
    for lanes in (1, 2, 64, 1024):
        for count in (0, 1, 63, 2000):
            rows = numbers(lanes, count, below=len(table))
            symbol = numbers(lanes + 1, count, below=1 << 30) % most[rows]
            split = count // 3
            batches = [(rows[:split], symbol[:split]), (rows[split:], symbol[split:])]
            yield f"{lanes} lanes, {count} symbols", Written(calls.ans_code(lanes, batches))
    counts = [1, 1000, (1 << 19) - 1, 1 << 19, 1 << 20, (1 << 21) - 1, 1 << 24, 1 << 28]
    lanes_of = " ".join(str(calls.ans_lanes(count)) for count in counts)
    yield "lanes by symbols", Written(lanes_of.encode())


def tables() -> Iterator[tuple[str, Written]]:
    samples = np.concatenate([np.arange(1, 300), 8190 + np.arange(5), 1 << np.arange(31), (1 << np.arange(1, 32)) - 1])
    found = calls.frequency_tables() | calls.fixed_point_tables(samples.astype(np.int32))
    for name, values in found.items():
        yield name, Written(values.astype("<i8").tobytes())
    rows = found["frequency"].reshape(-1, 64)
    yield "frequency, sum of each table", Written(rows.sum(1).astype("<i8").tobytes())
    yield "noise of steps", Written(bytes(calls.noise_of_step(step) for step in range(16, 2049)))
