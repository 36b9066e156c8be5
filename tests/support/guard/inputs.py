"""Fixed inputs, computed in whole numbers so that they are the same on every platform and with every NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Indices = NDArray[np.uint16]


def numbers(seed: int, *shape: int, below: int) -> NDArray[np.int64]:
    """Whole numbers that depend only on the raw output of PCG64."""
    count = int(np.prod(shape))
    raw = np.asarray(np.random.PCG64(seed).random_raw(count), np.uint64)
    return (raw >> np.uint64(11)).astype(np.int64).reshape(shape) % below


def smooth(seed: int, height: int, width: int, channels: int, noise: int = 12) -> NDArray[np.int64]:
    """Codes 0 to 255 like those of a photo: slopes, edges, and noise with a triangular distribution."""
    y, x, c = np.ogrid[:height, :width, :channels]
    slopes = 128 + (x * (7 - 3 * c) + y * (2 * c - 5)) // 3
    edge = np.where((x * 3 + y * 2) % 97 < 40, 25 - 9 * c, 0)
    shape = height, width, channels
    grain = numbers(seed, *shape, below=noise) - numbers(seed + 1, *shape, below=noise)
    return np.asarray(np.clip(slopes + edge + grain, 0, 255), np.int64)


def codes(seed: int, height: int, width: int, channels: int, noise: int = 12) -> Bytes:
    """As `smooth`, in bytes."""
    return smooth(seed, height, width, channels, noise).astype(np.uint8)


def targets(seed: int, height: int, width: int, channels: int, noise: int = 12) -> NDArray[np.float32]:
    """As `codes`, minus 128 and in sixteenths, which float32 represents exactly."""
    sixteenths = 16 * (smooth(seed, height, width, channels, noise) - 128) + numbers(
        seed + 2, height, width, channels, below=16
    )
    return np.asarray(np.clip(sixteenths, -2048, 2032) / 16, np.float32)


def samples_to_deflate() -> dict[str, bytes]:
    """Inputs of DEFLATE by name."""
    return {
        "nothing": b"",
        "runs": bytes(range(7)) * 3 + bytes(5000) + b"\xff" * 300,
        "smooth": codes(3, 40, 40, 3).tobytes(),
        "noise": numbers(4, 3000, below=256).astype(np.uint8).tobytes(),
        "text": b"".join(b"line %d of the text\n" % n for n in range(200)),
    }


def a_palette(seed: int, entries: int, channels: int, shift: int = 0) -> Bytes:
    """Distinct entries in no order, around the middle of the range: multiples of 2**shift, plus half of that."""
    values = (
        128
        + numbers(seed, 4 * entries + 8, channels, below=81)
        - numbers(seed + 1, 4 * entries + 8, channels, below=81)
    )
    if shift:
        values = (values >> shift << shift) + (1 << shift >> 1)
    _, first = np.unique(values, axis=0, return_index=True)
    return np.asarray(values[np.sort(first)[:entries]], np.uint8)


def planes_of_indices(height: int, width: int, entries: int, kind: str) -> Indices:
    """A plane of palette indices: "noise", "smooth" or "squares"."""
    y, x = np.ogrid[:height, :width]
    if kind == "noise":
        values = numbers(entries, height, width, below=entries)
    elif kind == "smooth":
        values = (x * entries // max(1, width) + y // 3 + numbers(entries, height, width, below=3)) % entries
    else:
        values = np.broadcast_to(np.asarray((x // 5 + y // 5) % 2), (height, width)) * (entries - 1)
    return np.asarray(values, np.uint16)


def samples_of_planes() -> dict[str, Bytes]:
    """Planes by name, of different predictability along rows and columns."""
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
