"""Uniform quantisation of latents to 8-bit codes, and back.

A code stands for the latent (code - 127.5) * step, where the step comes from the model's manifest. This is the mapping
of Bühlmann's article of 2022, where the step is 0.18215 in units of the unscaled latent. A *signed code* is a code less
128.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pillow_sdz.errors import SdzModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

ZERO_CODE = 127.5
"""Latent value 0 lies midway between the codes 127 and 128."""

SIGNED_OFFSET = 128
"""What is subtracted from a code to get a signed code, and from a pixel to centre it for the preview matrix."""

LOWEST_TARGET, HIGHEST_TARGET = -SIGNED_OFFSET, 255 - SIGNED_OFFSET
"""Range of signed codes before rounding."""

NOISE_UNIT = 0.25
"""Unit of the header's noise field, in codes."""


def to_codes(latents: NDArray[np.float32], step: float) -> NDArray[np.uint8]:
    """Quantise latents: ``clip(rint(latent / step + 127.5), 0, 255)``, halves to the even code, as numpy rounds.

    Args:
        latents: any shape, usually (h, w, C).
        step: latent units per code, above 0.

    Returns:
        The codes, same shape.

    Raises:
        SdzModelError: a latent is infinite or not a number.

    >>> to_codes(np.array([-9.0, -0.5, 0.0, 0.26, 9.0], np.float32), step=0.5).tolist()
    [110, 126, 128, 128, 146]
    """
    _check_finite(latents)
    scaled = latents.astype(np.float32, copy=True)
    scaled /= np.float32(step)
    scaled += np.float32(ZERO_CODE)
    np.rint(scaled, out=scaled)
    np.clip(scaled, 0, 255, out=scaled)
    return scaled.astype(np.uint8)


def to_targets(latents: NDArray[np.float32], step: float) -> NDArray[np.float32]:
    """Return signed codes before rounding, which a scalar payload quantises: ``clip(latent / step - 0.5, -128, 127)``.

    Args:
        latents: any shape, usually (h, w, C).
        step: latent units per code, above 0.

    Returns:
        The targets, same shape, -128 to 127.

    Raises:
        SdzModelError: a latent is infinite or not a number.

    >>> to_targets(np.array([-99.0, -0.5, 0.0, 0.26, 99.0], np.float32), step=0.5).round(2).tolist()
    [-128.0, -1.5, -0.5, 0.019999999552965164, 127.0]
    """
    _check_finite(latents)
    targets = latents.astype(np.float32, copy=True)
    targets /= np.float32(step)
    targets += np.float32(ZERO_CODE - SIGNED_OFFSET)
    np.clip(targets, LOWEST_TARGET, HIGHEST_TARGET, out=targets)
    return targets


def round_targets(targets: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The codes nearest to targets in their range, same shape; halves to the even code.

    >>> round_targets(np.array([-128.0, -0.5, 0.26, 127.0], np.float32)).tolist()
    [0, 128, 128, 255]
    """
    codes: NDArray[np.uint8] = np.rint(targets + np.float32(SIGNED_OFFSET)).astype(np.uint8)
    return codes


def _check_finite(latents: NDArray[np.float32]) -> None:
    if not np.isfinite(latents).all():
        raise SdzModelError(
            "the autoencoder gave values that are not finite", field="latent", expected="finite numbers",
            remedy="encode in float32 and check the model's files",
        )  # fmt: skip


def to_latents(codes: NDArray[np.uint8], step: float) -> NDArray[np.float32]:
    """Return the latents that codes stand for: ``(code - 127.5) * step``, same shape.

    >>> to_latents(np.array([127, 128, 255], np.uint8), step=0.5).tolist()
    [-0.25, 0.25, 63.75]
    """
    latents = codes.astype(np.float32)
    latents -= np.float32(ZERO_CODE)
    latents *= np.float32(step)
    return latents
