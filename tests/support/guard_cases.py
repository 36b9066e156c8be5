"""What the encoding guard pins: fixed inputs, made of whole numbers alone, and what the package writes for them."""

from __future__ import annotations

import hashlib
import io
import json
import re
import warnings
import zlib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import guard_bytes
import guard_calls as calls
import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Indices = NDArray[np.uint16]


@dataclass(frozen=True)
class Written:
    """What one case gives.

    Attributes:
        data: the bytes.
        plain: the same with its DEFLATE streams inflated (see `guard_bytes`); None where there can be none.
        notices: the texts of the warnings on the way.
    """

    data: bytes
    plain: bytes | None = None
    notices: tuple[str, ...] = ()

    def entry(self) -> dict[str, Any]:
        entry: dict[str, Any] = {"bytes": len(self.data), "sha256": hashlib.sha256(self.data).hexdigest()}
        if self.plain is not None:
            entry["plain"] = short(self.plain)
        if self.notices:
            entry["notices"] = list(self.notices)
        return entry


def short(data: bytes) -> str:
    """Half a SHA-256, for what is pinned besides."""
    return hashlib.sha256(data).hexdigest()[:32]


def told(error: Exception) -> str:
    """Class and message of a failure, without the address of an object."""
    return re.sub(r" at 0x[0-9a-f]+", "", f"{type(error).__name__}: {error}")


# Inputs ---------------------------------------------------------------------------------------------------------------


def numbers(seed: int, *shape: int, below: int) -> NDArray[np.int64]:
    """Whole numbers that depend on nothing but PCG64's raw output."""
    count = int(np.prod(shape))
    raw = np.asarray(np.random.PCG64(seed).random_raw(count), np.uint64)
    return (raw >> np.uint64(11)).astype(np.int64).reshape(shape) % below


def smooth(seed: int, height: int, width: int, channels: int, noise: int = 12) -> NDArray[np.int64]:
    """Codes 0 to 255 as of a photo: slopes, an edge, and noise that is strongest around zero."""
    y, x, c = np.ogrid[:height, :width, :channels]
    slopes = 128 + (x * (7 - 3 * c) + y * (2 * c - 5)) // 3
    edge = np.where((x * 3 + y * 2) % 97 < 40, 25 - 9 * c, 0)
    shape = height, width, channels
    grain = numbers(seed, *shape, below=noise) - numbers(seed + 1, *shape, below=noise)
    return np.asarray(np.clip(slopes + edge + grain, 0, 255), np.int64)


def codes(seed: int, height: int, width: int, channels: int, noise: int = 12) -> Bytes:
    return smooth(seed, height, width, channels, noise).astype(np.uint8)


def targets(seed: int, height: int, width: int, channels: int, noise: int = 12) -> NDArray[np.float32]:
    """As `codes`, less 128 and in sixteenths, which float32 holds exactly."""
    sixteenths = 16 * (smooth(seed, height, width, channels, noise) - 128) + numbers(
        seed + 2, height, width, channels, below=16
    )
    return np.asarray(np.clip(sixteenths, -2048, 2032) / 16, np.float32)


TOY = {"channels": 3, "groups": 3, "wide": 5, "deep": 2}
WIDER = {"channels": 4, "groups": 2, "wide": 12, "deep": 7}


@cache
def prior_bytes(channels: int, groups: int, wide: int, deep: int) -> bytes:
    """A prior of weights that predict something, though nothing sensible."""
    pieces = []
    for number, (rows, columns) in enumerate(calls.prior_arrays(channels, groups, wide, deep)):
        most = 3000 if number % (2 + 4 * groups) != 1 else 400
        values = numbers(1000 + number, rows, columns, below=2 * most + 1) - most
        if number == 0:
            values[1] = 1500 + values[1] // 10  # scales of the first pass
        pieces.append(values.astype("<i4").tobytes())
    return b"".join(pieces)


@cache
def priors() -> dict[str, tuple[calls.Prior, int]]:
    """Priors and their channels by name."""
    made = {name: (calls.prior(prior_bytes(**s), **s), s["channels"]) for name, s in (("toy", TOY), ("wider", WIDER))}
    return {**made, "tiny-8": (calls.shipped_prior(), 8)}


# Coders ---------------------------------------------------------------------------------------------------------------


def bitpack() -> Iterator[tuple[str, Written]]:
    for bits in (1, 2, 3, 4, 5, 7, 8, 9, 11, 12, 16):
        for count in (1, 7, 1000):
            values = numbers(bits, count, below=1 << bits).astype(np.uint16)
            yield f"{bits} bits, {count}", Written(calls.pack_bits(values, bits))


def samples_to_deflate() -> dict[str, bytes]:
    return {
        "nothing": b"",
        "runs": bytes(range(7)) * 3 + bytes(5000) + b"\xff" * 300,
        "smooth": codes(3, 40, 40, 3).tobytes(),
        "noise": numbers(4, 3000, below=256).astype(np.uint8).tobytes(),
        "text": b"".join(b"line %d of the text\n" % n for n in range(200)),
    }


def deflate() -> Iterator[tuple[str, Written]]:
    for name, data in samples_to_deflate().items():
        for effort in range(10):
            packed = calls.deflate(data, effort)
            yield f"{name}, effort {effort}", Written(packed, guard_bytes.inflated(packed))


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


# The scalar payload ---------------------------------------------------------------------------------------------------

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


# The palette payload --------------------------------------------------------------------------------------------------


def a_palette(seed: int, entries: int, channels: int, shift: int = 0) -> Bytes:
    """Different entries, in no order, around the middle of the range."""
    values = (
        128
        + numbers(seed, 4 * entries + 8, channels, below=81)
        - numbers(seed + 1, 4 * entries + 8, channels, below=81)
    )
    if shift:
        values = (values >> shift << shift) + (1 << shift >> 1)
    _, first = np.unique(values, axis=0, return_index=True)
    return np.asarray(values[np.sort(first)[:entries]], np.uint8)


def palettes() -> Iterator[tuple[str, Written]]:
    def coded(palette: Bytes) -> Written:
        coding, data = calls.code_palette(palette)
        return Written(bytes([coding]) + data)

    none = np.zeros((1, 1), np.uint16)
    for channels in (1, 3, 4, 8, 64):
        for entries in (2, 5, 64, 256, 470, 4096):
            palette = a_palette(channels, entries, channels)
            if (channels == 1 and entries > 64) or (entries > 470 and channels != 4):
                continue
            where = f"{channels} channels, {entries} entries"
            yield f"{where}, unsorted", coded(palette)
            indices = numbers(entries, 6, 7, below=len(palette)).astype(np.uint16)
            ordered, places = calls.sort_palette(palette, indices, keep_first=False)
            yield f"{where}, order", Written(ordered.tobytes() + places.astype("<u2").tobytes())
            yield f"{where}, sorted", coded(ordered)
    for shift in range(8):
        palette = a_palette(20 + shift, 90, 4, shift)
        yield f"multiples of {1 << shift}", coded(calls.sort_palette(palette, none, keep_first=False)[0])
        residual = np.concatenate([np.full((1, 4), 128, np.uint8), a_palette(40 + shift, 60, 4, shift)])
        yield f"residuals, multiples of {1 << shift}", coded(calls.sort_palette(residual, none, keep_first=True)[0])
    for name, palette in (
        ("doubled entries", np.repeat(a_palette(5, 30, 3), 3, axis=0)),
        ("all equal", np.full((9, 4), 17, np.uint8)),
        ("extremes", (numbers(6, 40, 4, below=2) * 255).astype(np.uint8)),
        ("zero first, not sorted", np.concatenate([np.full((1, 3), 128, np.uint8), a_palette(8, 30, 3)[::-1]])),
    ):
        yield name, coded(palette)
        yield f"{name}, sorted", coded(calls.sort_palette(palette, none, keep_first=False)[0])


def planes_of_indices(height: int, width: int, entries: int, kind: str) -> Indices:
    y, x = np.ogrid[:height, :width]
    if kind == "noise":
        values = numbers(entries, height, width, below=entries)
    elif kind == "smooth":
        values = (x * entries // max(1, width) + y // 3 + numbers(entries, height, width, below=3)) % entries
    else:
        values = np.broadcast_to(np.asarray((x // 5 + y // 5) % 2), (height, width)) * (entries - 1)
    return np.asarray(values, np.uint16)


def indices() -> Iterator[tuple[str, Written]]:
    def coded(plane: Indices, palette: Bytes, effort: int, layers: int = 1) -> Written:
        coding, data = calls.code_indices(plane, palette, effort, layers)
        return Written(bytes([coding]) + data, guard_bytes.plain_indices(coding, data))

    def palette_of(entries: int, channels: int = 4) -> Bytes:
        return calls.sort_palette(a_palette(entries, entries, channels), np.zeros((1, 1), np.uint16), keep_first=False)[
            0
        ]

    for entries in (2, 3, 17, 256, 257, 470, 4096):
        for height, width in ((1, 1), (12, 9), (19, 30)):
            for kind in ("noise", "smooth", "squares") if entries < 257 else ("smooth",):
                plane = planes_of_indices(height, width, entries, kind)
                for effort in (0, 4) if kind == "smooth" else (4,):
                    where = f"{entries} entries, {height} x {width}, {kind}, effort {effort}"
                    yield where, coded(plane, palette_of(entries), effort)
    for effort in range(10):
        yield (
            f"64 entries, 30 x 40, smooth, effort {effort}",
            coded(planes_of_indices(30, 40, 64, "smooth"), palette_of(64), effort),
        )
    for entries, channels in ((2, 1), (40, 3), (256, 8), (470, 4), (1024, 4), (1500, 4)):
        for height, width in ((24, 31), (31, 24)) if entries < 470 else ((13, 19),):
            plane = planes_of_indices(height, width, entries, "smooth")
            data = calls.code_indices_by_context(plane, palette_of(entries, channels))
            yield f"by context, {entries} entries of {channels}, {height} x {width}", Written(data)
    residual = np.concatenate([np.full((1, 4), 128, np.uint8), a_palette(3, 63, 4)])
    data = calls.code_indices_by_context(planes_of_indices(24, 31, 64, "squares"), residual)
    yield "by context, residuals", Written(data)
    wide = planes_of_indices(600, 700, 3, "squares")  # eight layers like this one are beyond the context coder's limits
    yield "many layers of 1024 entries", coded(wide, palette_of(1024), 4, 8)


def layers() -> Iterator[tuple[str, Written]]:
    def found(pairs: list[tuple[Bytes, Indices]]) -> Written:
        data = b"".join(np.array(p.shape, "<i8").tobytes() + p.tobytes() + i.astype("<u2").tobytes() for p, i in pairs)
        return Written(data)

    small = codes(1, 20, 30, 3)
    for effort in range(10):
        yield f"3 channels, 16, effort {effort}", found(calls.layers_of(small, (16,), effort))
        yield f"3 channels, 16 8 5, effort {effort}", found(calls.layers_of(small, (16, 8, 5), effort))
    for channels in (1, 2, 3, 5, 8):
        values = codes(channels, 24, 20, channels)
        for colors in ((2,), (64,), (24, 9), (12, 12, 12), (2, 2, 2, 2, 2, 2, 2, 2)):
            where = f"{channels} channels, {' '.join(map(str, colors))}"
            yield where, found(calls.layers_of(values, colors, 4))
    large = codes(6, 200, 190, 3)  # more positions than a palette is found on
    yield "200 x 190, 40 8, effort 1", found(calls.layers_of(large, (40, 8), 1))
    for name, values in (
        ("one pixel", codes(1, 1, 1, 3)),
        ("all equal", np.full((5, 6, 3), 255, np.uint8)),
        ("few different", codes(2, 6, 7, 3) // 128 * 200),
        ("noise", numbers(8, 30, 30, 3, below=256).astype(np.uint8)),
        ("extremes", (numbers(9, 12, 12, 3, below=2) * 255).astype(np.uint8)),
    ):
        yield f"{name}, 300", found(calls.layers_of(values, (300,), 4))
        yield f"{name}, 4 3", found(calls.layers_of(values, (4, 3), 4))
    made = calls.layers_of(codes(3, 24, 30, 3), (60, 20), 4)
    for number, (palette, plane) in enumerate(made):
        for effort in (0, 1, 2, 4, 9):
            body = calls.layer_body(palette, plane, effort, len(made))
            yield f"body {number}, effort {effort}", Written(body, guard_bytes.plain_layer(body, 3))


def libimagequant() -> Iterator[tuple[str, Written]]:
    """What starts from a palette of libimagequant, which is floating-point arithmetic of another project."""
    for height, width in ((20, 30), (64, 64)):
        values = codes(height, height, width, 4)
        for colors, effort in (((16,), 0), ((64,), 4), ((64,), 9), ((24, 9), 4), ((470,), 2)):
            pairs = calls.layers_of(values, colors, effort)
            data = b"".join(palette.tobytes() + plane.astype("<u2").tobytes() for palette, plane in pairs)
            yield f"{height} x {width}, {' '.join(map(str, colors))}, effort {effort}", Written(data)
    for name, values in (
        ("smooth", codes(11, 64, 64, 4)),
        ("grainy", codes(12, 64, 64, 4, 60)),
        ("flat", np.full((64, 64, 4), 100, np.uint8)),
    ):
        palette, plane = calls.dithered_layer(values)
        yield f"dithered as in 2022, {name}", Written(palette.tobytes() + plane.astype("<u2").tobytes())


# Planes ---------------------------------------------------------------------------------------------------------------


def samples_of_planes() -> dict[str, Bytes]:
    y, x = np.ogrid[:40, :48]
    noise = numbers(1, 40, 48, below=256)
    disc = (x - 20) ** 2 + (y - 17) ** 2 < 200
    found = {
        "constant": np.full((40, 48), 255),
        "noise": noise,
        "few values in no order": noise // 64 * 80,
        "rows": np.broadcast_to(numbers(2, 1, 48, below=256), (40, 48)) + y % 2,
        "columns": np.broadcast_to(numbers(3, 40, 1, below=256), (40, 48)) + x % 2,
        "slope": (numbers(5, 40, 1, below=256) + numbers(6, 1, 48, below=256)) % 256,
        "disc": disc * 255,
        "soft disc": np.clip(300 - ((x - 20) ** 2 + (y - 17) ** 2), 0, 255),
        "two greys": disc * 3 + 100,
        "one pixel": np.full((1, 1), 7),
        "one row": x % 7 * 30,
        "odd width": (disc * 255)[:, :43],
    }
    return {name: np.asarray(values, np.uint8) for name, values in found.items()}


def planes() -> Iterator[tuple[str, Written]]:
    for name, plane in samples_of_planes().items():
        for effort in range(10) if name in ("soft disc", "disc") else (0, 4, 9):
            body = calls.encode_alpha(plane, effort)
            yield f"alpha, {name}, effort {effort}", Written(body, guard_bytes.plain_planes(body))
    several = np.stack([samples_of_planes()[name] for name in ("slope", "rows", "soft disc")])
    for effort in (0, 4, 7, 9):
        body = calls.encode_planes(several, effort)
        yield f"three planes, effort {effort}", Written(body, guard_bytes.plain_planes(body))
    tall = np.repeat(codes(2, 700, 200, 1)[None, :, :, 0], 12, axis=0)  # the filter is chosen on a part of it
    body = calls.encode_planes(tall, 0)
    yield "twelve large planes, effort 0", Written(body, guard_bytes.plain_planes(body))
    for height, width, channels in ((1, 1, 3), (6, 5, 4), (19, 13, 8), (64, 64, 4)):
        for effort in (0, 4, 9):
            body = calls.encode_direct(codes(height, height, width, channels), effort)
            where = f"direct, {height} x {width} x {channels}, effort {effort}"
            yield where, Written(body, guard_bytes.plain_planes(body))


# Metadata, header, container, preview ---------------------------------------------------------------------------------

TEXTS: dict[str, dict[str, str]] = {
    "nothing": {},
    "one": {"Title": "Coffee \u2615"},
    "order is kept": {"b": "2", "a": "1", "\u00e4": "", "k" * 255: "x" * 20},
    "long": {"Description": "a line of the text\n" * 300, "Author": "\U0001f600"},
    "many": {f"key {n}": f"value {n * n}" for n in range(1024)},
}

BLOBS: dict[str, bytes] = {
    "one byte": b"\x00",
    "short": b"MM\0*",
    "no shorter deflated": bytes(range(256)),
    "runs": b"II*\0" + bytes(2000),
    "xmp": b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>" * 30,
}


def metadata() -> Iterator[tuple[str, Written]]:
    for name, data in BLOBS.items():
        body = calls.encode_blob(data)
        yield f"blob, {name}", Written(body, guard_bytes.plain_blob(body))
    for name, text in TEXTS.items():
        body = calls.text_section(text)
        yield f"text, {name}", Written(body, guard_bytes.plain_blob(body))


HEADER: dict[str, Any] = {
    "mode": "RGB",
    "payload": "direct",
    "layer_count": 1,
    "width": 48,
    "height": 40,
    "factor": 8,
    "channels": 4,
    "latent_width": 6,
    "latent_height": 5,
    "fingerprint": bytes.fromhex("0123456789abcdef"),
    "noise": 0,
    "steps": 1,
}


def headers() -> Iterator[tuple[str, Written]]:
    def written(**changes: Any) -> Written:
        return Written(calls.head_bytes(calls.header(**{**HEADER, **changes})))

    for mode in ("L", "LA", "RGB", "RGBA"):
        for payload in ("palette", "direct", "scalar"):
            yield f"{mode}, {payload}", written(mode=mode, payload=payload)
    for count in range(1, 9):
        yield f"{count} layers", written(payload="palette", layer_count=count)
    for factor in (1, 2, 4, 8, 16, 32, 64):
        sides = {"latent_width": -(-65535 // factor), "latent_height": -(-3 // factor)}
        yield f"65535 x 3, factor {factor}", written(width=65535, height=3, factor=factor, channels=1, **sides)
    yield "64 channels", written(channels=64)
    yield "noise 255, steps 255", written(noise=255, steps=255)
    yield "nothing synthesised", written(synthesised=False)


def containers() -> Iterator[tuple[str, Written]]:
    def written(head: dict[str, Any], bodies: list[bytes], **sections: Any) -> Written:
        return Written(calls.container_bytes(calls.header(**{**HEADER, **head}), bodies, **sections))

    values = codes(4, 5, 6, 4, 3)
    alpha = calls.encode_alpha(samples_of_planes()["constant"])
    matrix = bytes(range(15))
    every: dict[str, Any] = {
        "preview": matrix,
        "icc": b"\0profile",
        "exif": b"\0MM\0*",
        "xmp": b"\0<x/>",
        "text": calls.text_section({"Title": "cat"}),
        "unknown": [(0x90, b"later"), (0xFF, b""), (0x86, bytes(200))],
    }
    wide = np.arange(30, dtype=np.uint16).reshape(5, 6) % 5
    first, second = (calls.layer_body(a_palette(seed, 5, 4), wide, 0) for seed in (1, 2))
    yield "direct", written({}, [calls.encode_direct(values)])
    yield "direct, every section", written({}, [calls.encode_direct(values)], **every)
    yield (
        "direct, every section and alpha",
        written({"mode": "RGBA"}, [calls.encode_direct(values)], alpha=alpha, **every),
    )
    yield "palette, two layers", written({"payload": "palette", "mode": "L", "noise": 9}, [first, second])
    yield "palette, eight layers", written({"payload": "palette", "mode": "LA"}, [first] * 8, alpha=alpha)
    prior, _ = priors()["wider"]
    body = calls.scalar_body(targets(3, 5, 6, 4), 432, prior)
    yield "scalar", written({"payload": "scalar", "noise": calls.noise_of_step(432)}, [body], preview=matrix)
    yield "a section of 128 bytes", written({}, [calls.encode_direct(values)], icc=bytes(128))
    yield "a section of 16384 bytes", written({}, [calls.encode_direct(values)], icc=bytes(16384))


def previews() -> Iterator[tuple[str, Written]]:
    for height, width, channels in ((1, 1, 3), (1, 9, 4), (5, 6, 8), (33, 20, 4)):
        matrix = (numbers(channels, channels + 1, 3, below=256) - 128).astype(np.int8)
        mild = (matrix >> 2).astype(np.int8)
        values = codes(channels, height, width, channels, 40)
        for name, one in (("wild", matrix), ("mild", mild)):
            where = f"{height} x {width} x {channels}, {name}"
            yield where, Written(calls.preview_pixels(values, one).tobytes())


# Quality and size -----------------------------------------------------------------------------------------------------


def plan_text(plan: calls.Plan) -> str:
    if isinstance(plan, calls.ScalarPlan):
        return f"step {plan.step}"
    return "+".join(map(str, plan.colors)) if isinstance(plan, calls.PalettePlan) else "direct"


def step_of(plan: calls.Plan) -> int | None:
    return plan.step if isinstance(plan, calls.ScalarPlan) else None


def ladders() -> Iterator[tuple[str, str]]:
    """Plans of all qualities, one after the other."""
    yield "steps", " ".join(str(step_of(calls.plan_by_steps(quality))) for quality in range(101))
    for positions in (1, 4, 30, 247, 1410, 4096, 6144, 1 << 20):
        for channels in (3, 4, 8, 16):
            plans = [plan_text(calls.plan_by_palettes(quality, positions, channels)) for quality in range(101)]
            texts = [f"{plan} from {plans.index(plan)}" for plan in dict.fromkeys(plans)]
            rising = all(plans[i] == plans[i - 1] or plans[i] not in plans[:i] for i in range(1, 101))
            assert rising, "a plan comes back"
            if channels != 4:
                texts = [hashlib.sha256(" ".join(plans).encode()).hexdigest()]
            yield f"palettes, {positions} positions, {channels} channels", ", ".join(texts)


def size_of(plan: calls.Plan) -> int:
    """Bytes of a file by its plan: roughly as they are, and here and there a little larger for a coarser plan."""
    if isinstance(plan, calls.ScalarPlan):
        return 150 + 3_000_000 // (plan.step + 40) + plan.step % 7 * 3
    if not isinstance(plan, calls.PalettePlan):
        return 33_000
    return 120 + sum(900 + 9 * count + count % 5 * 4 for count in plan.colors)


def jumpy_size_of(plan: calls.Plan) -> int:
    """Bytes that rise and fall by a tenth from step to step."""
    return size_of(plan) * (100 + (step_of(plan) or 0) * 37 % 11) // 100


def fits() -> Iterator[tuple[str, str]]:
    """Plans found for target sizes, and how many sizes were asked for on the way."""
    for target in (100, 1000, 1500, 1700, 2000, 2600, 3000, 5000, 8000, 12000, 20000, 32000, 40000, 60000):
        for name, positions, channels in (("steps", 0, 0), ("palettes", 4096, 4), ("palettes", 247, 8)):
            asked: list[str] = []

            def size(plan: calls.Plan, asked: list[str] = asked) -> int:
                asked.append(plan_text(plan))
                return size_of(plan)

            try:
                if positions:
                    plan = calls.fit_by_palettes(target, size, positions, channels)
                else:
                    plan = calls.fit_by_steps(target, size)
                found = plan_text(plan)
            except Exception as error:
                found = told(error)
            where = f"{name}, {positions} positions" if positions else name
            yield f"{where}, {target} bytes", f"{found}; asked for {', '.join(asked)}"
    every = range(1600, 40_000, 160)
    yield "steps, every 160 bytes", " ".join(str(step_of(calls.fit_by_steps(target, size_of))) for target in every)
    steps = [step_of(calls.fit_by_steps(target, jumpy_size_of)) for target in every[3:]]
    yield "steps, every 160 bytes, jumpy", " ".join(map(str, steps))


# Saving ---------------------------------------------------------------------------------------------------------------


class Networks:
    """In place of a model's networks: latents are sums over blocks of pixels, in whole numbers until the last step."""

    unet = None

    def __init__(self, manifest: Any) -> None:
        self.manifest = manifest

    def encode(self, rgb: Bytes, tile: int) -> NDArray[np.float32]:
        mapping = self.manifest.codes
        factor = mapping.factor
        height, width = rgb.shape[:2]
        padded = np.pad(rgb.astype(np.int64), ((0, -height % factor), (0, -width % factor), (0, 0)), mode="edge")
        rows, columns = padded.shape[0] // factor, padded.shape[1] // factor
        sums = padded.reshape(rows, factor, columns, factor, 3).sum((1, 3)) * 16 // factor**2  # sixteenths
        planes = []
        for channel in range(mapping.channels):
            own, other = sums[:, :, channel % 3], sums[:, :, (channel + 1) % 3]
            planes.append(own if channel < 3 else 2040 + (own - other) // channel)
        sixteenths = np.stack(planes, axis=2).astype(np.float32)
        return (sixteenths / np.float32(16) - np.float32(127.5)) * np.float32(mapping.step)

    def encode_sample(self, rgb: Bytes, seed: int) -> NDArray[np.float32]:
        return self.encode(rgb, 0)


MODELS: dict[str, dict[str, Any]] = {
    "toy": {"channels": 3, "step": 1 / 64, "prior": TOY},
    "noprior": {"channels": 5, "step": 1 / 64, "prior": None},
    "four": {"channels": 4, "step": 0.18215, "prior": None},
}
"""Models made for the guard: with a prior, without one, and one that takes the profile of 2022."""


def write_models(folder: Path) -> None:
    """Write the manifests of `MODELS`, and the prior of the one that has one."""
    for name, model in MODELS.items():
        place = folder / name
        place.mkdir(parents=True)
        prior, channels = model["prior"], model["channels"]
        if prior is not None:
            data = prior_bytes(**prior)
            (place / "prior.i32").write_bytes(data)
            prior = {key: prior[key] for key in ("groups", "wide", "deep")}
            prior["sha256"] = hashlib.sha256(data).hexdigest()
        fields = {
            "format": "pillow_sdz model",
            "name": name,
            "version": 1,
            "fingerprint": hashlib.sha256(name.encode()).hexdigest(),
            "codes": {"step": model["step"], "bound": None, "channels": channels, "factor": 8, "prior": prior},
            "context": {"encoder": 1, "decoder": 1, "unet": 1},
            "latent_scaling": 1.0,
            "steps": 2,
            "preview_matrix": [
                [(7 * row * (column + 1)) % 90 - 40 for column in range(3)] for row in range(channels + 1)
            ],
        }
        (place / "model.json").write_text(json.dumps(fields))


def saved(image: Image.Image, model: str, **options: Any) -> Written:
    """A file as ``Image.save`` writes it, or the failure."""
    stream = io.BytesIO()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        image.save(stream, "SDZ", model=model, **calls.new_names(options))
    data = stream.getvalue()
    return Written(data, guard_bytes.plain_file(data), tuple(str(each.message) for each in caught))


def a_picture(height: int = 40, width: int = 48, seed: int = 1) -> Image.Image:
    return Image.fromarray(codes(seed, height, width, 3))


def pictures() -> Iterator[tuple[str, Image.Image]]:
    """One or more of each mode of Pillow's, from bytes, so that no conversion of Pillow's is pinned with it."""
    size = 48, 40
    for mode, channels in (
        ("L", 1), ("LA", 2), ("La", 2), ("RGB", 3), ("RGBA", 4), ("RGBa", 4), ("RGBX", 4), ("CMYK", 4), ("YCbCr", 3),
        ("LAB", 3), ("HSV", 3),
    ):  # fmt: skip
        data = codes(channels, 40, 48, channels)
        if mode == "La":
            data = np.sort(data, axis=2)
        if mode == "RGBa":
            data = np.minimum(data, data[:, :, 3:])
        if mode in ("LA", "RGBA"):
            data[10:20, 5:30, -1] = 0
            data[20:30, :, -1] = 255
        yield mode, Image.frombytes(mode, size, data.tobytes())
    yield "1", Image.frombytes("1", size, numbers(3, 240, below=256).astype(np.uint8).tobytes())
    palette = numbers(4, 768, below=256).astype(np.uint8).tobytes()
    places = (smooth(5, 40, 48, 1)[:, :, 0] // 4).astype(np.uint8)
    image = Image.frombytes("P", size, places.tobytes())
    image.putpalette(palette)
    yield "P", image
    image = image.copy()
    image.info["transparency"] = 40
    yield "P, a transparent entry", image
    image = image.copy()
    image.info["transparency"] = bytes(range(0, 256, 4))
    yield "P, opacities", image
    grey = codes(6, 40, 48, 1)[:, :, 0]
    image = Image.frombytes("PA", size, np.stack([places, grey], axis=2).tobytes())
    image.putpalette(palette)
    yield "PA", image
    image = Image.fromarray(grey)
    image.info["transparency"] = 128
    yield "L, a transparent grey", image
    image = a_picture()
    image.info["transparency"] = (128, 120, 110)
    yield "RGB, a transparent colour", image
    yield "I", Image.fromarray(grey.astype(np.int32))
    yield "I, beyond 255", Image.fromarray(grey.astype(np.int32) * 3 - 100)
    yield "F", Image.fromarray(grey.astype(np.float32) / np.float32(2))
    yield "F, beyond 255", Image.fromarray(grey.astype(np.float32) * np.float32(2) - np.float32(9))
    deep = Image.fromarray(grey.astype(np.uint16) * 256 + 255)
    yield "I;16", deep
    deep = deep.copy()
    deep.info["transparency"] = 128 * 256 + 255
    yield "I;16, a transparent grey", deep
    yield "RGBA, all transparent", Image.new("RGBA", size, (10, 20, 30, 0))
    yield "RGBA, all opaque", Image.new("RGBA", size, (10, 20, 30, 255))
    yield "RGB, one pixel", Image.new("RGB", (1, 1), (200, 100, 50))
    yield "RGB, one row", a_picture(1, 48)
    yield "RGB, 17 x 23", a_picture(23, 17)


EXIF = b"Exif\0\0II*\0" + bytes(130)
ICC = bytes(16) + b"RGB " + bytes(range(200))


def option_sets() -> Iterator[dict[str, Any]]:
    yield {}
    yield from ({"quality": quality} for quality in (0, 1, 20, 49, 51, 75, 90, 95, 96, 99, 100))
    yield from ({"colors": colors} for colors in (2, 5, 16, 64, 4096, (16,), (9, 4), [12, 6, 3], (2,) * 8))
    yield from ({"step": step} for step in (1, 1.5, 4, 4.04, 27, 60.5, 128))
    yield from ({"payload": payload} for payload in ("scalar", "palette", "direct"))
    yield from ({"payload": "palette", "quality": quality} for quality in (0, 10, 60, 97, 100))
    yield from ({"payload": "scalar", "quality": quality} for quality in (0, 99, 100))
    yield {"payload": "direct", "quality": 3}
    yield {"colors": 6, "quality": 3}
    for effort in range(10):
        yield {"effort": effort, "colors": (20, 7)}
        yield {"effort": effort, "payload": "direct"}
    yield {"effort": 0}
    yield from ({"target_size": size} for size in (1, 150, 200, 260, 100_000))
    yield from ({"steps": steps} for steps in (0, 1, 50, 255))
    yield {"steps": 9, "payload": "direct"}
    yield {"text": {"Title": "Coffee \u2615", "step": "one"}}
    yield {"exif": EXIF}
    yield {"exif": EXIF[6:], "xmp": "<x:xmpmeta/>", "icc_profile": ICC, "text": {"a": "b" * 900}}
    yield {"xmp": b"<x:xmpmeta/>", "icc_profile": None, "exif": b"", "text": {}}
    yield {"speed": 4, "optimize": True, "dpi": (72, 72)}
    yield {"lossless": True, "quality": 80}


def saves() -> Iterator[tuple[str, Written | str]]:
    """Files by ``Image.save``; a model's networks are stood in for, nothing else is."""

    def attempt(image: Image.Image, model: str, **options: Any) -> Written | str:
        try:
            return saved(image, model, **options)
        except Exception as error:
            return told(error)

    for name, image in pictures():
        yield f"mode {name}", attempt(image, "toy")
        yield f"mode {name}, colors 12", attempt(image, "noprior", colors=12, effort=1)
        yield f"mode {name}, direct, tiny-8", attempt(image, "tiny", payload="direct")
    for options in option_sets():
        where = ", ".join(f"{name} {value}" for name, value in options.items()).replace("'", "")
        where = where if len(where) < 70 else ", ".join(options)
        yield f"toy, {where or 'no options'}", attempt(a_picture(), "toy", **options)
        if not set(options) & {"effort", "steps"}:
            yield f"tiny-8, {where or 'no options'}", attempt(a_picture(), "tiny-8", **options)
        if set(options) <= {"quality", "colors", "payload", "target_size"}:
            yield f"noprior, {where or 'no options'}", attempt(a_picture(), "noprior", **options)
    yield "noprior, step 27", attempt(a_picture(), "noprior", step=27)
    rgba = a_picture().convert("RGBA")
    rgba.putalpha(Image.fromarray(samples_of_planes()["soft disc"]))
    for effort in (0, 4, 9):
        yield f"toy, alpha, effort {effort}", attempt(rgba, "toy", effort=effort)
        yield f"toy, alpha, target 900, effort {effort}", attempt(rgba, "toy", effort=effort, target_size=900)
    large = a_picture(200, 270, 3)
    for options in ({}, {"quality": 70}, {"colors": (40, 9)}, {"target_size": 900}):
        for model in ("toy", "noprior", "tiny-8") if "target_size" not in options else ("tiny-8",):
            yield f"{model}, 270 x 200, {options}".replace("'", ""), attempt(large, model, **options)
    for name, info in infos().items():
        image = a_picture(16, 16)
        image.info.update(info)
        yield f"info, {name}", attempt(image, "toy")
    for name, space in (("RGB", b"RGB "), ("grey", b"GRAY"), ("CMYK", b"CMYK"), ("unknown", b"what")):
        for mode in ("RGB", "L", "CMYK"):
            image = Image.frombytes(mode, (8, 8), codes(1, 8, 8, len(Image.new(mode, (1, 1)).getbands())).tobytes())
            image.info["icc_profile"] = bytes(16) + space + bytes(40)
            yield f"profile of {name} in mode {mode}", attempt(image, "toy")


def infos() -> dict[str, dict[Any, Any]]:
    """What images of several formats have in their info."""
    raw = "\nexif\n  10\n" + b"MM\0*\0\0\0\x08\0\0".hex()
    ours = {"fingerprint": "00", "payload": "scalar", "bpp": 1.5, "noise": 2.0, "model": "toy-1", "steps": 3}
    return {
        "text": {"Title": "cat", "Author": "me"},
        "comment of JPEG": {"comment": b"caf\xc3\xa9"},
        "xmp": {"xmp": b"<x/>"},
        "xmp of PNG": {"XML:com.adobe.xmp": "<x/>"},
        "exif": {"exif": EXIF},
        "exif twice prefixed": {"exif": b"Exif\0\0" + EXIF},
        "exif of ImageMagick": {"Raw profile type exif": raw},
        "exif of ImageMagick, damaged": {"Raw profile type exif": raw + "x"},
        "facts of our own": ours | {"text:step": "one", "note": "kept"},
        "facts without ours": {"model": "camera", "steps": "many"},
        "not text": {"dpi": (72, 72), 5: "five", "compression": "lzw", "gamma": 0.45},
        "text that does not fit": {"": "empty", "k" * 256: "long", "bad": "\udc80"},
    }


def profile() -> Iterator[tuple[str, Written]]:
    """The profile of 2022; its palette is libimagequant's."""
    options = {"profile": "buehlmann2022"}
    image = Image.fromarray(np.kron(codes(7, 64, 64, 3), np.ones((8, 8, 1), np.uint8)))
    yield "512 x 512", saved(image, "four", **options)
    yield "four, quality 20", saved(a_picture(), "four", quality=20)
    yield "four, colors 16 8", saved(a_picture(200, 270), "four", colors=(16, 8))


# What is said ---------------------------------------------------------------------------------------------------------


def option_messages() -> Iterator[tuple[str, str]]:
    """Options that are refused or warned of, by themselves."""
    given: list[dict[str, Any]] = [
        {name: value}
        for name, values in {
            "quality": (-1, 101, 50.5, "50", True),
            "colors": (1, 4097, 2.5, "many", (), (2,) * 9, (16, 1), (16, "x")),
            "model": ("", 5),
            "steps": (-1, 256, 1.5),
            "payload": ("pallete", 1),
            "effort": (-1, 10, "4"),
            "target_size": (0, 1 << 28, 1e3),
            "step": (0.99, 128.1, "5", float("nan"), True),
            "profile": ("buehlmann", 1),
            "exif": ("text", 5),
            "icc_profile": ("text",),
            "xmp": (5, "\udc80"),
            "text": (5, {"a": 1}, {1: "a"}, {"": "x"}, {"k" * 256: "x"}, {"a": "\udc80"}),
        }.items()
        for value in values
    ]
    given += [
        {"target_size": 900, "colors": 5},
        {"target_size": 900, "payload": "direct"},
        {"target_size": 900, "quality": 5},
        {"target_size": 900, "step": 5},
        {"step": 5, "quality": 5},
        {"step": 5, "colors": 5},
        {"step": 5, "payload": "direct"},
        {"step": 5, "payload": "palette"},
        {"colors": 5, "payload": "direct"},
        {"colors": 5, "payload": "scalar"},
        *({"profile": "buehlmann2022", name: 5} for name in ("quality", "colors", "effort", "target_size", "step")),
        {"profile": "buehlmann2022", "payload": "palette"},
        *({name: 1} for name in ("qualty", "colours", "Quality", "target-size", "icc", "effor", "zebra", "speed")),
        *({name: 1} for name in ("method", "compress_level", "lossless", "comment", "pnginfo", "optimize")),
        {"quality": 5, "colors": 5},
        {"quality": 5, "payload": "direct"},
        {"quality": None, "colors": None},
    ]
    for keywords in given:
        where = ", ".join(f"{name}={value!r}" for name, value in keywords.items())
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                options, metadata = calls.check_options(calls.new_names(keywords), {})
                said = f"{options} {metadata}"
            except Exception as error:
                said = told(error)
        yield where[:80], "; ".join([said, *(f"warns: {each.message}" for each in caught)])


def start_messages() -> Iterator[tuple[str, str]]:
    """Files that do not start as ours do, or have a header that cannot be."""
    whole = calls.container_bytes(calls.header(**HEADER), [calls.encode_direct(codes(4, 5, 6, 4, 3))])
    starts = {
        "nothing": b"",
        "a part of the magic": whole[:5],
        "the magic": whole[:8],
        "a part of the header": whole[:20],
        "only a header": whole[:33],
        "a ZIP archive": b"PK\x03\x04" + bytes(40),
        "a lost high bit": b"\x09" + whole[1:],
        "changed line ends": whole.replace(b"\r\n", b"\n"),
        "recoded": whole.decode("latin-1").encode(),
        "a PNG": b"\x89PNG\r\n\x1a\n" + bytes(40),
        "text": b"just a text that is long enough",
        "bytes after the end": whole + b"\0",
    }
    for offset, name in (
        (8, "version"),
        (9, "flags"),
        (10, "mode"),
        (11, "payload"),
        (22, "quantiser"),
        (16, "factor"),
    ):
        starts[f"another {name}"] = whole[:offset] + b"\xf5" + whole[offset + 1 :]
    for offset, name in ((12, "width"), (14, "height"), (17, "channels"), (18, "latent width"), (20, "latent height")):
        starts[f"no {name}"] = whole[:offset] + b"\0\0" + whole[offset + 2 :]
        starts[f"a large {name}"] = whole[:offset] + b"\xff\xff" + whole[offset + 2 :]
    head, parts = guard_bytes.apart(whole)
    layer = parts[0]
    forged = {
        "two layers of one": [layer, layer],
        "no layer": [],
        "alpha without need": [(guard_bytes.ALPHA, b"\x01\xff"), layer],
        "a wrong preview": [(guard_bytes.PREVIEW, bytes(14)), layer],
        "an icc profile twice": [(guard_bytes.ICC, b"\0a"), (guard_bytes.ICC, b"\0a"), layer],
        "a section that must be known": [(0x07, b""), layer],
        "an unknown coding": [(guard_bytes.LAYER, b"\x09" + layer[1][1:])],
    }
    starts |= {name: guard_bytes.assemble(head, sections) for name, sections in forged.items()}
    starts["no alpha where the mode has it"] = guard_bytes.assemble(head[:10] + b"\x03" + head[11:], [layer])
    starts["a length in too many bytes"] = head + b"\x01" + b"\x80" * 5 + b"\x01" + bytes(9)
    starts["a length not in its shortest form"] = head + b"\x01\x82\x00" + bytes(9)
    for name, data in starts.items():
        try:
            said = "is read"
            calls.parse_file(data)
            calls.file_codes(data)
        except Exception as error:
            said = told(error)
        yield name, said


# All of it ------------------------------------------------------------------------------------------------------------

WRITTEN: dict[str, Callable[[], Iterator[tuple[str, Any]]]] = {
    "bitpack": bitpack,
    "deflate": deflate,
    "range coder": range_coder,
    "rANS": rans,
    "tables": tables,
    "scan": scan,
    "scalar payload": scalar,
    "palettes": palettes,
    "index planes": indices,
    "layers": layers,
    "libimagequant": libimagequant,
    "planes": planes,
    "metadata": metadata,
    "headers": headers,
    "containers": containers,
    "previews": previews,
    "ladders": ladders,
    "target sizes": fits,
    "saves": saves,
    "saves by libimagequant": profile,
    "options": option_messages,
    "starts of files": start_messages,
}

OF_LIBIMAGEQUANT = ("libimagequant", "saves by libimagequant")


def zlib_build() -> str:
    """Tells one build of zlib's deflate from another, by what it makes of some data."""
    found = []
    for data in (*samples_to_deflate().values(), codes(5, 90, 90, 3).tobytes()):
        for strategy in (zlib.Z_DEFAULT_STRATEGY, zlib.Z_RLE, zlib.Z_FILTERED):
            for level in range(1, 10):
                packer = zlib.compressobj(level, zlib.DEFLATED, -15, 9, strategy)
                found.append(packer.compress(data) + packer.flush())
    return short(b"".join(found))


def entries(group: str) -> dict[str, Any]:
    """What the cases of a group give, by name."""
    found: dict[str, Any] = {}
    for name, value in WRITTEN[group]():
        assert name not in found, f"{group}: {name} twice"
        found[name] = value.entry() if isinstance(value, Written) else value
    return found
