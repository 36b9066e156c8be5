"""Which of two pictures is closer to a third, as the guard asks the shipped model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
import toy_scalar
from PIL import Image, ImageFilter
from pixel_samples import letters

from pillow_sdz.codec.guard import comparison
from pillow_sdz.codec.guard.comparison import LARGEST, SQUARE, Comparison, Distances
from pillow_sdz.container.patches import Rectangle
from pillow_sdz.models import registry
from pillow_sdz.options import ComputeSettings
from pillow_sdz.refinement.structure import statistics, structure_distance

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SETTINGS = ComputeSettings("cpu", "float32")


@pytest.fixture(scope="module")
def photo(astronaut: Image.Image) -> NDArray[np.uint8]:
    """160x128, a face."""
    return np.array(astronaut.crop((150, 30, 310, 158)))


def structure_distance_of_equals() -> float:
    """Not 0, since its root is rounded off where it would have no slope."""
    same = statistics(torch.zeros(1, 3, 64, 64))
    return float(structure_distance(same, same).mean())


def blurred(rgb: NDArray[np.uint8], radius: float) -> NDArray[np.uint8]:
    return np.array(Image.fromarray(rgb).filter(ImageFilter.GaussianBlur(radius)))


@pytest.mark.parametrize("shape", [(1, 1), (9, 7), (1, 200), (63, 65), (128, 160)])
def test_the_same_picture_is_at_distance_0(photo: NDArray[np.uint8], shape: tuple[int, int]) -> None:
    rgb = photo[: shape[0], : shape[1]]
    least = Distances(structure_distance_of_equals(), 0)
    assert Comparison(rgb, SETTINGS).distances(rgb.copy()) == pytest.approx(least, abs=1e-5)


@pytest.mark.parametrize("shape", [(20, 30), (128, 160)])
def test_more_blur_is_further_away(photo: NDArray[np.uint8], shape: tuple[int, int]) -> None:
    rgb = photo[: shape[0], : shape[1]]
    found = [Comparison(rgb, SETTINGS).distances(blurred(rgb, radius)) for radius in (0.7, 1.5, 4)]
    for distances in zip(*found, strict=True):
        assert list(distances) == sorted(distances)
        assert distances[0] > 0


def test_both_distances_must_be_shorter(photo: NDArray[np.uint8]) -> None:
    close, far = blurred(photo, 0.7), blurred(photo, 2)
    compared = Comparison(photo, SETTINGS)
    assert compared.pixels_are_closer(close, far, 1.0)
    assert not compared.pixels_are_closer(far, close, 1.0)
    assert not compared.pixels_are_closer(far, close, np.inf)
    ratio = compared.distances(close).features / compared.distances(far).features
    assert not compared.pixels_are_closer(close, far, 0.99 * ratio)
    assert compared.pixels_are_closer(close, far, 1.01 * ratio)


def test_features_are_compared_in_a_part(photo: NDArray[np.uint8]) -> None:
    compared, close, far = Comparison(photo, SETTINGS), photo.copy(), blurred(photo, 2)
    close[64:] = blurred(photo, 4)[64:]
    assert compared.features_in(close, far, Rectangle(0, 0, 20, 8)) == pytest.approx(0, abs=1e-3)
    assert compared.features_in(close, far, Rectangle(0, 8, 20, 8)) > 1.2
    assert compared.features_in(far, far, Rectangle(3, 5, 1, 1)) == 1
    assert compared.features_in(photo, photo, Rectangle(19, 15, 1, 1)) == 0


def test_of_large_parts_the_middle_is_compared() -> None:
    assert comparison._middle(100, 5100, 1024) == slice(2088, 3112)
    assert comparison._middle(8, 40, 1024) == slice(8, 40)


def test_large_pictures_are_compared_by_squares(photo: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = comparison._pieces(4000, 3000)
    assert len({(rows.start, columns.start) for rows, columns in pieces}) == len(pieces)
    assert sum((rows.stop - rows.start) * (columns.stop - columns.start) for rows, columns in pieces) <= LARGEST
    assert (pieces[0][0].start, pieces[0][1].start) == (0, 0)
    assert (pieces[-1][0].stop, pieces[-1][1].stop) == (4000, 3000)
    assert comparison._pieces(1024, 1024) == [(slice(0, 1024), slice(0, 1024))]
    whole = Comparison(photo, SETTINGS).distances(blurred(photo, 2))
    monkeypatch.setattr(comparison, "LARGEST", 128 * 128)
    monkeypatch.setattr(comparison, "SQUARE", 64)
    assert len(comparison._pieces(*photo.shape[:2])) == 4
    squares = Comparison(photo, SETTINGS).distances(blurred(photo, 2))
    assert squares.features == pytest.approx(whole.features, rel=0.3)
    assert squares.features != whole.features


@pytest.mark.parametrize("size", [(65_000, 17), (5, 300_000)])
def test_squares_of_narrow_pictures_stay_inside(size: tuple[int, int]) -> None:
    for rows, columns in comparison._pieces(*size):
        assert 0 <= rows.start < min(rows.stop, size[0])
        assert 0 <= columns.start < min(columns.stop, size[1])
        assert rows.stop - rows.start <= SQUARE


def test_narrow_pictures_can_be_compared() -> None:
    rgb = np.tile(letters(5, 64), (1, 1, 1)).repeat(4000, 0)[:250_000]
    assert Comparison(rgb, SETTINGS).distances(255 - rgb).structure > 0


def test_a_users_model_of_the_same_name_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy_scalar.model_folder(tmp_path / "models" / "tiny", name="tiny", version=99)
    monkeypatch.setenv(registry.MODELS_VARIABLE, str(tmp_path / "models"))
    assert registry.find("tiny").version == 99
    rgb = letters(64, 64)
    assert Comparison(rgb, SETTINGS).distances(255 - rgb).features > 0


def test_the_programs_settings_of_torch_do_not_matter(photo: NDArray[np.uint8]) -> None:
    from pillow_sdz.codec.guard.detector import _network, detect

    other = blurred(photo, 2)
    expected = Comparison(photo, SETTINGS).distances(other), detect(photo)
    _network.cache_clear()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.autocast("cpu", torch.bfloat16), torch.enable_grad():
            found = Comparison(photo, SETTINGS).distances(other), detect(photo)
    finally:
        torch.set_default_dtype(torch.float32)
    assert found[0] == expected[0]
    np.testing.assert_array_equal(found[1], expected[1])
