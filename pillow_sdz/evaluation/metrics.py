"""Metrics of image quality: each compares an original with a decoded picture and gives one number."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pillow_sdz.codec.measure import ssimulacra2_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from PIL import Image
    from torch import Tensor

SSIM_SIDE: Final = 11
"""Shortest side in pixels of a picture that SSIM can measure: one window."""

MS_SSIM_SIDE: Final = 161
"""The same for MS-SSIM: one window of 11 pixels after four halvings, as pytorch-msssim requires."""

HIGHEST_PSNR: Final = 100.0
"""Upper limit of PSNR in dB: that of identical pictures is infinite, which JSON cannot express and no mean survives."""


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: key in tables, one of `NAMES`.
        larger_is_better: whether a larger number means a smaller difference.
        measure: takes the original and the decoded picture, RGB and of the same size; returns the number, or None if
            they are too small.
        perceptual: whether it models human perception, rather than errors of pixels.
    """

    name: str
    larger_is_better: bool
    measure: Callable[[Image.Image, Image.Image], float | None]
    perceptual: bool = False


WEIGHTS: Final = {
    "LPIPS-Alex": ("lpips_alex.npz",),
    "LPIPS-VGG": ("lpips_vgg.npz",),
    "DISTS": ("lpips_vgg.npz", "dists_alpha_beta.pt"),
}
"""Metric that is a network -> files of its weights; `pillow_sdz.evaluation.perceptual` says where to download them."""

SHORTEST_SIDES: Final = {"LPIPS-Alex": 35, "LPIPS-VGG": 16, "DISTS": 16}
"""Metric that is a network -> shortest side in pixels: one position must be left at its last stage."""

NAMES: Final = (*WEIGHTS, "SSIMULACRA2", "MS-SSIM", "SSIM", "PSNR")
"""Names of all metrics."""


def available(names: Iterable[str], folder: Path | None = None) -> tuple[list[Metric], list[str]]:
    """The metrics that can be measured here.

    Args:
        names: names of the wanted metrics, of `NAMES`.
        folder: the folder with the files of `WEIGHTS`; without it these metrics cannot be measured.

    Returns:
        The metrics, in the order of `NAMES`, and for each wanted one that cannot be measured a message that says what
        it needs.

    Raises:
        ValueError: there is no metric of that name.
    """
    wanted = set(names)
    if wanted - set(NAMES):
        raise ValueError(f"no such metric: {', '.join(sorted(wanted - set(NAMES)))}")
    found, skipped = [], []
    for name in NAMES:
        if name not in wanted:
            continue
        try:
            found.append(_make(name, folder))
        except (ImportError, FileNotFoundError) as error:
            skipped.append(f"{name} is not measured: {error}")
    return found, skipped


def _make(name: str, folder: Path | None) -> Metric:
    if name in WEIGHTS:
        return Metric(name, False, _network(name, folder), perceptual=True)
    if name == "SSIMULACRA2":
        return Metric(name, True, _ssimulacra2(), perceptual=True)
    return Metric(name, True, psnr if name == "PSNR" else _ssim(name))


def psnr(original: Image.Image, other: Image.Image) -> float:
    """Peak signal-to-noise ratio over all RGB values, in dB; at most `HIGHEST_PSNR`."""
    error = np.asarray(original, np.float64) - np.asarray(other, np.float64)
    square = float((error**2).mean())
    return min(HIGHEST_PSNR, 10 * math.log10(255**2 / square)) if square else HIGHEST_PSNR


def tensor(image: Image.Image) -> Tensor:
    """An RGB picture as a tensor (1, 3, h, w), float32 in [0, 1]."""
    import torch

    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255


def _ssim(name: str) -> Callable[[Image.Image, Image.Image], float | None]:
    try:
        from pytorch_msssim import ms_ssim, ssim
    except ImportError as error:
        raise ImportError("pip install pytorch-msssim") from error
    function, side = (ms_ssim, MS_SSIM_SIDE) if name == "MS-SSIM" else (ssim, SSIM_SIDE)

    def measure(original: Image.Image, other: Image.Image) -> float | None:
        if min(original.size) < side:
            return None
        return float(function(tensor(original), tensor(other), data_range=1))

    return measure


def _ssimulacra2() -> Callable[[Image.Image, Image.Image], float | None]:
    try:
        import ssimulacra2  # noqa: F401
    except ImportError as error:
        raise ImportError("pip install ssimulacra2") from error
    return lambda original, other: ssimulacra2_of(np.asarray(original), np.asarray(other))


def _network(name: str, folder: Path | None) -> Callable[[Image.Image, Image.Image], float | None]:
    if folder is None:
        raise FileNotFoundError("it needs --perceptual, a folder with the weights (pillow_sdz.evaluation.perceptual)")
    for file in WEIGHTS[name]:
        if not (folder / file).is_file():
            raise FileNotFoundError(f"{folder} has no {file} (pillow_sdz.evaluation.perceptual says where to get it)")
    import torch

    from pillow_sdz.evaluation.perceptual import DISTS, LPIPS

    network = DISTS(folder) if name == "DISTS" else LPIPS("alex" if name == "LPIPS-Alex" else "vgg", folder)
    network.eval()
    side = SHORTEST_SIDES[name]

    def measure(original: Image.Image, other: Image.Image) -> float | None:
        if min(original.size) < side:
            return None
        with torch.inference_mode():
            return float(network(tensor(original), tensor(other)))

    return measure
