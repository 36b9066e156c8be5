"""Cases of the scalar payload: the passes of its scan, and its streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from guard import calls
from guard.inputs import numbers, targets
from guard.models import priors
from guard.results import Written

if TYPE_CHECKING:
    from collections.abc import Iterator


STEPS = (16, 17, 40, 63, 64, 100, 432, 771, 1376, 2048)
SHAPES = ((1, 1), (1, 9), (9, 1), (2, 2), (6, 8), (17, 23), (64, 64))


def scan() -> Iterator[tuple[str, Written]]:
    for height, width in (*SHAPES, (3, 40), (33, 31), (70, 129), (300, 230)):
        found = calls.scan(height, width)
        arrays = [np.array([network]) for network, _, _ in found] + [a for one in found for a in one[1:]]
        data = b"".join(np.array(a.shape, "<i8").tobytes() + a.astype("<i8").tobytes() for a in arrays)
        yield f"{height} x {width}, {len(found)} passes", Written(data)


def scalar() -> Iterator[tuple[str, Written]]:
    for name, (prior, channels) in priors().items():
        for height, width in SHAPES:
            for step in STEPS if (height, width) != (64, 64) else (64, 432):
                values = targets(height + width, height, width, channels)
                where = f"{name}, {height} x {width}, step {step}"
                yield where, Written(calls.scalar_stream(values, step, prior))
                if step in (16, 432):
                    yield f"{where}, codes", Written(calls.scalar_codes(values, step, prior).tobytes())
        # from one end of the range to the other: in fine steps nothing but escapes
        wild = (numbers(9, 17, 23, channels, below=2) * 255 - 128).astype(np.float32)
        for step in (16, 64, 200, 2048):
            where = f"{name}, 17 x 23, extremes, step {step}"
            yield where, Written(calls.scalar_stream(wild, step, prior))
            yield f"{where}, codes", Written(calls.scalar_codes(wild, step, prior).tobytes())
        flat = np.zeros((20, 20, channels), np.float32)
        yield f"{name}, 20 x 20, flat, step 432", Written(calls.scalar_stream(flat, 432, prior))
        yield f"{name}, body", Written(calls.scalar_body(targets(5, 6, 8, channels), 432, prior))
    prior, channels = priors()["toy"]
    many = targets(7, 430, 410, channels)
    yield "toy, 430 x 410, many lanes, step 432", Written(calls.scalar_stream(many, 432, prior))
