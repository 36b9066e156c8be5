"""All groups of cases by name, and the entries that a group gives for its file of pins."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from guard import coders, containers, damage, messages, palettes, planes, plans, readings, saves, scalar
from guard.inputs import codes, samples_to_deflate
from guard.results import Written, short

Cases = Callable[[], Iterator[tuple[str, Any]]]

WRITTEN: dict[str, Cases] = {
    "bitpack": coders.bitpack,
    "deflate": coders.deflate,
    "range coder": coders.range_coder,
    "rANS": coders.rans,
    "tables": coders.tables,
    "scan": scalar.scan,
    "scalar payload": scalar.scalar,
    "palettes": palettes.palettes,
    "index planes": palettes.indices,
    "layers": palettes.layers,
    "libimagequant": palettes.libimagequant,
    "planes": planes.planes,
    "metadata": containers.metadata,
    "headers": containers.headers,
    "containers": containers.containers,
    "previews": planes.previews,
    "ladders": plans.ladders,
    "target sizes": plans.fits,
    "saves": saves.saves,
    "saves by libimagequant": saves.profile,
    "options": messages.option_messages,
    "starts of files": messages.start_messages,
}
"""Groups pinned in ``encodings.json``."""

READ: dict[str, Cases] = {
    "golden files": readings.readings,
    "damaged": damage.damaged,
    "truncated": readings.truncated,
}
"""Groups pinned in ``readings.json``."""

OF_LIBIMAGEQUANT = ("libimagequant", "saves by libimagequant")
"""Groups whose results depend on the version of libimagequant."""


@cache
def zlib_build() -> str:
    """A digest of some deflated data, which differs between builds of zlib that compress differently."""
    found = []
    for data in (*samples_to_deflate().values(), codes(5, 90, 90, 3).tobytes()):
        for strategy in (zlib.Z_DEFAULT_STRATEGY, zlib.Z_RLE, zlib.Z_FILTERED):
            for level in range(1, 10):
                packer = zlib.compressobj(level, zlib.DEFLATED, -15, 9, strategy)
                found.append(packer.compress(data) + packer.flush())
    return short(b"".join(found))


def entries(cases: Cases) -> dict[str, Any]:
    """The entries of a group by the names of its cases."""
    found: dict[str, Any] = {}
    for name, value in cases():
        assert name not in found, f"{name} twice"
        found[name] = value.entry() if isinstance(value, Written) else value
    return found
