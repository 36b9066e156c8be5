"""Cases of the palette payload: palettes, index planes, and layers found for given codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from guard import calls, file_bytes
from guard.inputs import a_palette, codes, numbers, planes_of_indices
from guard.results import Written

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Indices = NDArray[np.uint16]


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


def indices() -> Iterator[tuple[str, Written]]:
    def coded(plane: Indices, palette: Bytes, effort: int, layers: int = 1) -> Written:
        coding, data = calls.code_indices(plane, palette, effort, layers)
        return Written(bytes([coding]) + data, file_bytes.plain_indices(coding, data))

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
            yield f"body {number}, effort {effort}", Written(body, file_bytes.plain_layer(body, 3))


def libimagequant() -> Iterator[tuple[str, Written]]:
    """Layers that start from a palette of libimagequant, whose floating-point results depend on its version."""
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
