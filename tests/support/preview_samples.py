"""Preview networks with random weights, their file, and a slow implementation written from the words of the spec."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from pillow_sdz.payloads.preview_networks import LayerShape, PreviewShape

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

CHANNELS = 3

SIZES = ([[3, 4], [3, 3]], [[1, 2], [3, 5], [1, 3]], [[3, 3]], [[1, 3]])
"""Side and width of each layer of the networks for strides 1, 2, 4 and 8."""

SHAPE = PreviewShape(CHANNELS, tuple(tuple(LayerShape(*layer) for layer in network) for network in SIZES))


def preview_file(seed: int = 0, shape: PreviewShape = SHAPE) -> bytes:
    """A preview file whose previews have all kinds of colours, and hidden values of all sizes."""
    rng = np.random.default_rng(seed)
    arrays = [rng.integers(-600, 601, (rows, columns)) * (1 if rows > 1 else 200) for rows, columns in shape.arrays()]
    return b"".join(array.astype("<i4").tobytes() for array in arrays)


def put_preview(folder: Path, file: bytes | None = None, **changes: Any) -> dict[str, Any]:
    """Write a preview file into a model folder; returns the manifest's entry ``preview``, with changes."""
    file = preview_file() if file is None else file
    (folder / "preview.i32").write_bytes(file)
    return {"networks": list(SIZES), "sha256": hashlib.sha256(file).hexdigest(), **changes}


def preview_slowly(codes: NDArray[np.uint8], file: bytes, stride: int) -> list[list[list[int]]]:
    """The preview of a grid of codes: chapter "Preview file" of `spec/sdz.md`, number by number."""
    numbers = iter(np.frombuffer(file, "<i4").tolist())
    height, width, channels = codes.shape
    chosen: list[tuple[int, list[list[int]], list[int]]] = []
    for each, network in zip((1, 2, 4, 8), SIZES, strict=True):
        inputs = channels
        for side, outputs in network:
            weights = [[next(numbers) for _ in range(outputs)] for _ in range(side * side * inputs)]
            bias = [next(numbers) for _ in range(outputs)]
            inputs = outputs
            if each == stride:
                chosen.append((side, weights, bias))

    def values(layer: int, y: int, x: int) -> list[int]:
        """The outputs of a layer, counted from 1, at a position in the grid or outside; of layer 0 the signed codes."""
        if layer == 0:
            row, column = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
            return [int(code) - 128 for code in codes[row, column]]
        side, weights, bias = chosen[layer - 1]
        reach = side // 2
        window = [
            value
            for dy in range(-reach, reach + 1)
            for dx in range(-reach, reach + 1)
            for value in values(layer - 1, y + dy, x + dx)
        ]
        sums = [sum(v * row[k] for v, row in zip(window, weights, strict=True)) + bias[k] for k in range(len(bias))]
        largest = 255 if layer == len(chosen) else 511
        return [min(largest, max(0, total >> 10)) for total in sums]

    return [[values(len(chosen), y, x) for x in range(width)] for y in range(height)]
