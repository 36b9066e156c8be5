"""A second implementation of the error and error map sections, written from the words of ``spec/sdz.md``.

It works number by number and checks nothing: it is only for comparison.
"""

from __future__ import annotations

import struct
from math import log10
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Picture = Sequence[Sequence[Sequence[int]]]
    """Rows of pixels of samples."""

NAMES = ("psnr", "ms_ssim", "ssimulacra2", "synthesised", "patched", "whole")


def figures(body: bytes) -> dict[str, float | None]:
    """The numbers of an error section: PSNR in dB, shares as fractions; 100 dB where the pixels are the same."""
    psnr, ms_ssim, ssimulacra2, *shares = struct.unpack("<HHh3B", body)
    return {
        "psnr": None if psnr == 65535 else psnr / 100,
        "ms_ssim": None if ms_ssim == 65535 else 1.0 if ms_ssim == 10000 else 1 - 10 ** (ms_ssim / -1000),
        "ssimulacra2": None if ssimulacra2 == -32768 else ssimulacra2 / 100,
        **dict(zip(NAMES[3:], (share / 100 for share in shares), strict=True)),
    }


def same(one: Mapping[str, float | None], other: Mapping[str, float | None]) -> bool:
    """Whether two sets of figures are the same but for the last digits."""

    def close(a: float | None, b: float | None) -> bool:
        return a is b if a is None or b is None else abs(a - b) < 1e-12

    return one.keys() == other.keys() and all(close(one[name], other[name]) for name in one)


def side(width: int, height: int) -> int:
    """The side of a cell of an error map."""
    cell = 32
    while -(width // -cell) * -(height // -cell) > 4096:
        cell *= 2
    return cell


def squares(original: Picture, decoded: Picture) -> Iterator[list[int]]:
    """The mean square difference of each cell, rounded down, row by row."""
    height, width = len(original), len(original[0])
    cell = side(width, height)
    for top in range(0, height, cell):
        row = []
        for left in range(0, width, cell):
            differences = [
                (one - other) ** 2
                for y in range(top, min(top + cell, height))
                for x in range(left, min(left + cell, width))
                for one, other in zip(original[y][x], decoded[y][x], strict=True)
            ]
            row.append(sum(differences) // len(differences))
        yield row


def levels(original: Picture, decoded: Picture) -> list[list[int]]:
    """The levels of an error map."""
    return [[min(15, len(f"{square:b}") if square else 0) for square in row] for row in squares(original, decoded)]


def psnr(original: Picture, decoded: Picture) -> float:
    """PSNR in dB of pictures that are not the same."""
    pairs = [
        (one, other)
        for rows in zip(original, decoded, strict=True)
        for pixels in zip(*rows, strict=True)
        for one, other in zip(*pixels, strict=True)
    ]
    return 10 * log10(255**2 * len(pairs) / sum((one - other) ** 2 for one, other in pairs))
