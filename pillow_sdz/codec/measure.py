"""How far a decoded picture is from the original: what the sections ``error`` and ``error map`` of a file say.

Pixels are compared as a reader shows them: a grey picture in grey, and a picture with alpha in the colours before alpha
applies, also where it is transparent. Without torch, since files of pixels are encoded without it.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from pillow_sdz.codec.ms_ssim import ms_ssim
from pillow_sdz.container import stored_error
from pillow_sdz.container.stored_error import HIGHEST_DB, HIGHEST_LEVEL, StoredError
from pillow_sdz.errors import require_installed
from pillow_sdz.payloads import kinds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pillow_sdz.container.header import Header
    from pillow_sdz.container.patches import Patches

SSIMULACRA2_SIDE: Final = 8
"""Shortest side in pixels of a picture that SSIMULACRA 2 can measure."""

PACKAGE: Final = {"ssimulacra2": "ssimulacra2"}
"""The module that measures SSIMULACRA 2 -> its package."""


@dataclass(frozen=True)
class Measures:
    """What `measure` found.

    Attributes:
        psnr: in dB, 0 to 100; 100 if the pictures are the same.
        ms_ssim: 0 to 1; None if a side is shorter than 161 pixels.
        ssimulacra2: at most 100; None if it was not asked for, or a side is shorter than 8 pixels.
        levels: the error map, (rows, columns) uint8; see `pillow_sdz.container.stored_error.level_of_square`.
    """

    psnr: float
    ms_ssim: float | None
    ssimulacra2: float | None
    levels: NDArray[np.uint8]


@dataclass(frozen=True)
class Shares:
    """How the parts of a picture's area are stored, 0 to 1 each; see `StoredError`."""

    synthesised: float = 0.0
    patched: float = 0.0
    whole: float = 0.0


def measure(
    original: NDArray[np.uint8], decoded: NDArray[np.uint8], *, grey: bool = False, ssimulacra2: bool = False
) -> Measures:
    """Compare two pictures.

    Args:
        original: (H, W, 3), uint8.
        decoded: of the same shape.
        grey: whether the file's mode is grey, so that readers show the luma of ``decoded``.
        ssimulacra2: whether to measure SSIMULACRA 2, too, which takes ten times as long as all the rest.

    Raises:
        SdzDependencyError: SSIMULACRA 2 is asked for, and its package is missing.
        ValueError: the shapes differ.
    """
    if original.shape != decoded.shape or original.ndim != 3 or original.shape[2] != 3:
        raise ValueError(f"pictures must be of one shape (H, W, 3), not {original.shape} and {decoded.shape}")
    if grey:
        original, decoded = _luma(original), _luma(decoded)
    height, width, channels = original.shape
    squares, values = _squares(original, decoded, stored_error.cell_side(width, height))
    total = int(squares.sum())
    score = ssimulacra2_of(original, decoded) if ssimulacra2 else None
    return Measures(
        psnr=_psnr(total, height * width * channels),
        ms_ssim=ms_ssim(original, decoded),
        ssimulacra2=score,
        levels=_levels(squares // values),
    )


def error_sections(measures: Measures, shares: Shares, *, error_map: bool) -> tuple[bytes, bytes | None]:
    """The bodies of the sections ``error`` and ``error map``; None in place of a map that is not asked for."""
    error = StoredError(
        measures.psnr,
        measures.ms_ssim,
        measures.ssimulacra2,
        synthesised=shares.synthesised,
        patched=shares.patched,
        whole=shares.whole,
    )
    return stored_error.build_error(error), stored_error.build_error_map(measures.levels) if error_map else None


def shares_of(header: Header, patches: Patches | None) -> Shares:
    """How the parts of a picture's area are stored.

    Args:
        header: of the file.
        patches: its patches, if any; pixels that fade from the one into the other count as patched.
    """
    if not kinds.payload(header.payload).needs_model:
        return Shares(whole=1.0)
    patched = 0.0 if patches is None else patches.share(header.width, header.height)
    return Shares(synthesised=1 - patched if header.synthesised else 0.0, patched=patched)


def require_ssimulacra2() -> None:
    """Check that SSIMULACRA 2 can be measured.

    Raises:
        SdzDependencyError: its package is missing.
    """
    require_installed("measuring SSIMULACRA 2", PACKAGE, "pip install ssimulacra2, or store the error without it")


def _luma(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 1) of (H, W, 3), as `pillow_sdz.plugin.pixels.to_raw`."""
    return np.asarray(Image.fromarray(rgb).convert("L"))[:, :, None]


def _squares(
    original: NDArray[np.uint8], decoded: NDArray[np.uint8], side: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The sum of squared differences in each cell of side x side pixels, and the number of values in it; exact."""
    height, width, channels = original.shape
    columns = np.arange(0, width, side)
    sums = []
    for top in range(0, height, side):
        one, other = original[top : top + side], decoded[top : top + side]
        differences = np.subtract(one, other, dtype=np.int32).reshape(len(one), width * channels)
        np.square(differences, out=differences)
        down = differences.sum(axis=0, dtype=np.int64)
        sums.append(np.add.reduceat(down, columns * channels))
    broad = np.minimum(side, width - columns)
    tall = np.minimum(side, height - np.arange(0, height, side))
    return np.stack(sums), channels * tall[:, None] * broad


def _psnr(total: int, values: int) -> float:
    """PSNR in dB of a sum of squared differences; that of pictures that are not the same is at most 99.99."""
    if total == 0:
        return HIGHEST_DB
    return min(HIGHEST_DB - 0.01, 10 * math.log10(255**2 * values / total))


def _levels(squares: NDArray[np.int64]) -> NDArray[np.uint8]:
    """`pillow_sdz.container.stored_error.level_of_square` of an array."""
    bounds = 1 << np.arange(HIGHEST_LEVEL)
    return np.searchsorted(bounds, squares, side="right").astype(np.uint8)


def ssimulacra2_of(original: NDArray[np.uint8], decoded: NDArray[np.uint8]) -> float | None:
    """SSIMULACRA 2 of two pictures, (H, W, 3) or (H, W, 1); None if a side is shorter than `SSIMULACRA2_SIDE`.

    Raises:
        SdzDependencyError: its package is missing.
    """
    require_ssimulacra2()
    if min(original.shape[:2]) < SSIMULACRA2_SIDE:
        return None
    from ssimulacra2 import compute_ssimulacra2

    def stream(pixels: NDArray[np.uint8]) -> io.BytesIO:
        buffer = io.BytesIO()
        Image.fromarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3))).save(buffer, "PPM")
        buffer.seek(0)
        return buffer

    return float(compute_ssimulacra2(stream(original), stream(decoded)))
