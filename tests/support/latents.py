"""Codes like those of an autoencoder, and the definition of a nearest entry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def latent_like(height: int, width: int, channels: int = 4, seed: int = 1) -> NDArray[np.uint8]:
    """Codes with neighbours, channels and amplitudes related roughly as in an autoencoder's latent."""
    generator = np.random.default_rng(seed)
    noise = generator.normal(size=(height + 2, width + 2, channels))
    noise = noise[1:-1, 1:-1] + noise[:-2, 1:-1] + noise[1:-1, :-2] + noise[2:, 1:-1] + noise[1:-1, 2:]
    amplitude = 0.3 + generator.gamma(2.0, 0.5, (height, width, 1))
    mixed = noise * amplitude @ (np.eye(channels) + 0.3 * generator.normal(size=(channels, channels)))
    codes: NDArray[np.uint8] = np.clip(np.rint(128 + 38 * mixed / mixed.std()), 0, 255).astype(np.uint8)
    return codes


def nearest_by_definition(points: NDArray[Any], entries: NDArray[Any]) -> NDArray[np.intp]:
    """For each point the index of the entry with the smallest squared distance; ties go to the first."""
    difference = points[:, None].astype(np.int64) - entries[None].astype(np.int64)
    nearest: NDArray[np.intp] = (difference * difference).sum(axis=2).argmin(axis=1)
    return nearest


def squared_error(codes: NDArray[Any], palette: NDArray[Any], indices: NDArray[Any]) -> float:
    """Mean squared difference of codes and the entries that stand for them."""
    return float(np.mean((codes.astype(float) - palette[indices]) ** 2))
