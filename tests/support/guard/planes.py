"""Cases of the coder of byte planes, which alpha and direct codes share, and of previews."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from guard import calls, file_bytes
from guard.inputs import codes, numbers, samples_of_planes
from guard.results import Written

if TYPE_CHECKING:
    from collections.abc import Iterator


def planes() -> Iterator[tuple[str, Written]]:
    for name, plane in samples_of_planes().items():
        for effort in range(10) if name in ("soft disc", "disc") else (0, 4, 9):
            body = calls.encode_alpha(plane, effort)
            yield f"alpha, {name}, effort {effort}", Written(body, file_bytes.plain_planes(body))
    several = np.stack([samples_of_planes()[name] for name in ("slope", "rows", "soft disc")])
    for effort in (0, 4, 7, 9):
        body = calls.encode_planes(several, effort)
        yield f"three planes, effort {effort}", Written(body, file_bytes.plain_planes(body))
    tall = np.repeat(codes(2, 700, 200, 1)[None, :, :, 0], 12, axis=0)  # the filter is chosen on a part of it
    body = calls.encode_planes(tall, 0)
    yield "twelve large planes, effort 0", Written(body, file_bytes.plain_planes(body))
    for height, width, channels in ((1, 1, 3), (6, 5, 4), (19, 13, 8), (64, 64, 4)):
        for effort in (0, 4, 9):
            body = calls.encode_direct(codes(height, height, width, channels), effort)
            where = f"direct, {height} x {width} x {channels}, effort {effort}"
            yield where, Written(body, file_bytes.plain_planes(body))


def previews() -> Iterator[tuple[str, Written]]:
    for height, width, channels in ((1, 1, 3), (1, 9, 4), (5, 6, 8), (33, 20, 4)):
        matrix = (numbers(channels, channels + 1, 3, below=256) - 128).astype(np.int8)
        mild = (matrix >> 2).astype(np.int8)
        values = codes(channels, height, width, channels, 40)
        for name, one in (("wild", matrix), ("mild", mild)):
            where = f"{height} x {width} x {channels}, {name}"
            yield where, Written(calls.preview_pixels(values, one).tobytes())
