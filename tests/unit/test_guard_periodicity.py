"""Regular structure by its spectrum."""

from __future__ import annotations

import numpy as np
import pytest

from pillow_sdz.codec.guard.periodicity import SIDE, regular


def grey(levels: np.ndarray) -> np.ndarray:
    """(H, W) levels as a picture."""
    return np.repeat(levels.clip(0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def grid(height: int, width: int, period: int) -> np.ndarray:
    """Bright lines on dark ground."""
    rows, columns = np.mgrid[:height, :width]
    return np.where((rows % period < 2) | (columns % period < 2), 210.0, 60.0)


def noise(height: int, width: int, deviation: float) -> np.ndarray:
    return np.random.default_rng(2).normal(128, deviation, (height, width))


@pytest.mark.parametrize("period", [6, 8, 12])
def test_grids_are_regular_and_their_noise_does_not_matter(period: int) -> None:
    levels = grid(160, 200, period)
    assert regular(grey(levels)).all()
    assert regular(grey(levels + noise(160, 200, 8) - 128)).all()


@pytest.mark.parametrize("deviation", [0, 4, 40])
def test_noise_is_not(deviation: float) -> None:
    assert not regular(grey(noise(160, 200, deviation))).any()


def test_edges_and_shading_are_not() -> None:
    levels = np.linspace(0, 255, 200)[None].repeat(160, 0)
    assert not regular(grey(levels)).any()
    levels[:, 90:] = 20
    assert not regular(grey(levels)).any()


def test_faint_structure_is_not() -> None:
    assert not regular(grey(128 + (grid(160, 200, 8) - 128) / 40)).any()


def test_is_where_the_structure_is() -> None:
    levels = noise(256, 320, 3)
    levels[64:192, 128:256] = grid(128, 128, 8)
    found = regular(grey(levels))
    assert found[12:20, 20:28].all()
    assert not found[:4].any()
    assert not found[:, :10].any()


@pytest.mark.parametrize("shape", [(1, 1), (SIDE - 1, 300), (SIDE, SIDE), (97, 131)])
def test_there_is_a_mark_for_each_cell(shape: tuple[int, int]) -> None:
    found = regular(grey(grid(*shape, 8)))
    assert found.shape == (-(-shape[0] // 8), -(-shape[1] // 8))
    assert found.all() == (min(shape) >= SIDE)
