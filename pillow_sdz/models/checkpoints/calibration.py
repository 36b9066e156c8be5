"""Calibrating an autoencoder: the step of its codes and its preview matrix, which checkpoints do not hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pillow_sdz.errors import SdzModelError
from pillow_sdz.limits import is_real
from pillow_sdz.models.manifest import MAX_SHIFT
from pillow_sdz.payloads.codes import to_codes
from pillow_sdz.payloads.preview_matrix import binomial, fit_matrix

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from pillow_sdz.models.model import Model

BUEHLMANN_STEP: Final = 0.18215
"""Latent value of one code in Stable Diffusion 1.4 (Bühlmann 2022); its scaling factor is the same number."""

SCALED_STEP: Final = 0.18215**2
"""That step in scaled latents, whose variance is about 1: the 256 codes cover 4.23 standard deviations either way."""

MIN_SCALING: Final = 1e-4
MAX_SCALING: Final = 1e3
"""Range of scaling factors; those in use are 0.13 to 1.6."""

PICTURES: Final = 4
"""How many pictures the preview matrix is fitted on."""

SIDE: Final = 256
"""Width and height of these pictures in pixels."""


def code_step(scaling: float) -> float:
    """The step of an autoencoder's codes: Bühlmann's, converted to latents with this scaling factor.

    >>> code_step(0.18215), round(code_step(0.13025), 5), round(code_step(1.0), 5)
    (0.18215, 0.25473, 0.03318)
    """
    return BUEHLMANN_STEP if scaling == BUEHLMANN_STEP else SCALED_STEP / scaling


def scaling_of(config: Mapping[str, Any], name: str) -> tuple[float, float]:
    """Scaling factor and shift of an autoencoder's latents; the class's defaults if the configuration has none.

    Args:
        config: the autoencoder's.
        name: its class.

    Raises:
        SdzModelError: they are not numbers or out of range, or each channel has its own.
    """
    for field in ("latents_mean", "latents_std"):
        if config.get(field) is not None:
            raise SdzModelError(
                "latents normalised by channel are not supported", field=field, expected="null", found="numbers"
            )
    default = BUEHLMANN_STEP if name == "AutoencoderKL" else 1.0
    scaling, shift = config.get("scaling_factor", default), config.get("shift_factor") or 0.0
    for field, value, low, high in (
        ("scaling_factor", scaling, MIN_SCALING, MAX_SCALING),
        ("shift_factor", shift, -MAX_SHIFT, MAX_SHIFT),
    ):
        if not is_real(value, low, high):
            raise SdzModelError("wrong field", field=field, found=repr(value)[:80], expected=f"{low} to {high:g}")
    return float(scaling), float(shift)


def pictures() -> list[NDArray[np.uint8]]:
    """Generated pictures with the colours and the smoothness of photos: `PICTURES` of (`SIDE`, `SIDE`, 3)."""
    rng = np.random.default_rng(0)
    made = []
    for _ in range(PICTURES):
        total = np.full((SIDE, SIDE, 3), rng.uniform(60, 190))
        for cells in (2, 4, 8, 16, 32):
            grey, colour = rng.normal(0, 1, (cells, cells, 1)), rng.normal(0, 1, (cells, cells, 3))
            total += _enlarged(grey * 40 + colour * 24) * (2 / cells) ** 0.5
        made.append(np.clip(np.rint(total), 0, 255).astype(np.uint8))
    return made


def _enlarged(grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """Enlarge a square grid (n, n, 3) to sides of `SIDE`, by linear interpolation."""
    count = len(grid)
    at = np.clip((np.arange(SIDE) + 0.5) * count / SIDE - 0.5, 0, count - 1)
    weights = np.maximum(0, 1 - np.abs(at[:, None] - np.arange(count)))
    columns: NDArray[np.float64] = np.tensordot(weights, grid, (1, 0))  # one axis after the other needs far fewer sums
    return np.tensordot(columns, weights, (1, 1)).transpose(0, 2, 1)


def fit_preview(model: Model) -> NDArray[np.int8]:
    """The preview matrix of a model, (C + 1, 3), fitted on `pictures`.

    Raises:
        SdzModelError: the autoencoder gives values that are not finite.
    """
    factor, step = model.manifest.codes.factor, model.manifest.codes.step
    codes, colours = [], []
    for picture in pictures():
        smoothed = binomial(to_codes(model.encode(picture), step)) / 16
        codes.append(smoothed.reshape(-1, smoothed.shape[2]))
        blocks = picture.reshape(SIDE // factor, factor, SIDE // factor, factor, 3)
        colours.append(blocks.mean((1, 3)).reshape(-1, 3))
    return fit_matrix(np.concatenate(codes), np.concatenate(colours))
