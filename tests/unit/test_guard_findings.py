from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageFilter

from pillow_sdz.codec.guard import findings
from pillow_sdz.codec.guard.components import components
from pillow_sdz.codec.guard.detector import FACE, LATTICE, TEXT
from pillow_sdz.codec.guard.failure import contrast, structural_error
from pillow_sdz.codec.guard.findings import find

if TYPE_CHECKING:
    from pillow_sdz.container.patches import Rectangle

SIDE = 128


def texture(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def marks(kind: int, rows: slice, columns: slice) -> np.ndarray:
    probabilities = np.zeros((SIDE // 8, SIDE // 8, 3), np.float32)
    probabilities[rows, columns, kind] = 0.9
    return probabilities


class TestStructuralError:
    def test_of_the_same_picture_is_0(self) -> None:
        assert structural_error(texture(), texture()).max() == pytest.approx(0, abs=1e-5)

    def test_of_another_brightness_is_0_and_of_an_unrelated_texture_about_1(self) -> None:
        one = texture() // 2
        assert structural_error(one, one + 40).max() < 0.01
        assert structural_error(one, texture(2)).mean() == pytest.approx(1, abs=0.3)

    def test_of_the_negative_is_2(self) -> None:
        assert structural_error(texture(), 255 - texture()).mean() == pytest.approx(2, abs=0.05)

    def test_is_where_the_pictures_differ(self) -> None:
        other = texture()
        other[64:80, 32:48] = 128
        error = structural_error(texture(), other)
        assert error[8:10, 4:6].min() > 0.3
        assert error[:7].max() < 0.01

    @pytest.mark.parametrize("shape", [(1, 1), (9, 7), (17, 40)])
    def test_has_a_value_for_each_cell_also_at_the_edge(self, shape: tuple[int, int]) -> None:
        picture = texture()[: shape[0], : shape[1]]
        expected = (-(-shape[0] // 8), -(-shape[1] // 8))
        assert structural_error(picture, picture).shape == contrast(picture).shape == expected

    def test_contrast_is_the_standard_deviation_of_luma(self) -> None:
        grey = np.repeat(np.tile(np.array([100, 140], np.uint8), (SIDE, SIDE // 2))[:, :, None], 3, axis=2)
        assert contrast(grey) == pytest.approx(20, abs=0.01)


NOTHING = np.zeros((SIDE // 8, SIDE // 8), bool)


def blurred(picture: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(3)))


def places(found: findings.Findings) -> list[tuple[int, int, int, int]]:
    return [(each.x, each.y, each.width, each.height) for each in found.rectangles]


class TestFind:
    def test_faces_that_came_out_wrong_are_bought(self) -> None:
        found = find(texture(), blurred(texture()), marks(FACE, slice(4, 6), slice(3, 9)), NOTHING)
        assert places(found) == [(3, 4, 6, 2)]
        assert found.faces == 1

    def test_lettering_is_bought_with_a_cell_around_it(self) -> None:
        found = find(texture(), blurred(texture()), marks(TEXT, slice(4, 6), slice(3, 9)), NOTHING)
        assert places(found) == [(2, 3, 8, 4)]
        assert found.faces == 0

    def test_lattices_that_came_out_wrong_are_bought(self) -> None:
        probabilities = marks(LATTICE, slice(4, 6), slice(3, 9))
        found = find(texture(), blurred(texture()), probabilities, probabilities[:, :, LATTICE] > 0)
        assert places(found) == [(3, 4, 6, 2)]
        assert found.lattices == pytest.approx(12 / 256)
        assert found.wrong == 0

        assert not found.doubtful

    def test_what_the_detector_alone_finds_is_a_doubtful_lattice(self) -> None:
        found = find(texture(), blurred(texture()), marks(LATTICE, slice(4, 6), slice(3, 9)), NOTHING)
        assert places(found) == [(3, 4, 6, 2)]
        assert found.doubtful == set(found.order) == {1}
        assert found.lattices == found.regular == 0

    def test_what_the_spectrum_alone_finds_is_a_doubtful_lattice(self) -> None:
        found = find(texture(), blurred(texture()), marks(TEXT, slice(0), slice(0)), ~NOTHING)
        assert places(found) == [(0, 0, 16, 16)]
        assert found.doubtful == set(found.order) == {1}
        assert (found.regular, found.lattices) == (1, 0)

    def test_around_a_lattice_that_both_find_the_rest_is_doubtful(self) -> None:
        regular = NOTHING.copy()
        regular[4:8] = True
        found = find(texture(), blurred(texture()), marks(LATTICE, slice(4, 8), slice(3, 9)), regular)
        assert set(np.unique(found.regions[4:8, 3:9])) == {1}
        assert found.doubtful == {2, 3}
        assert set(np.unique(found.regions[4:8])) == {1, 2, 3}

    def test_what_is_in_doubt_may_be_accepted_and_makes_faces_fewer_then(self) -> None:
        regular = NOTHING.copy()
        regular[8:] = True
        found = find(texture(), blurred(texture()), marks(FACE, slice(1, 3), slice(2, 6)), regular)
        assert [found.regions[1, 2], found.regions[12, 2]] == [1, 2]
        assert found.doubtful == set(found.in_doubt().order) == {2}
        without, accepted = found.settled(), found.settled(found.in_doubt())
        assert not without.doubtful
        assert not accepted.doubtful
        assert (without.order, sorted(accepted.order)) == ((1,), [1, 2])
        assert without.faces == 1
        assert accepted.faces == pytest.approx(8 / (8 + 128))

    @pytest.mark.parametrize("kind", [TEXT, FACE])
    def test_a_region_is_certain_by_one_cell(self, kind: int) -> None:
        probabilities = 0.95 * np.maximum(
            marks(kind, slice(1, 3), slice(2, 6)), marks(kind, slice(10, 12), slice(2, 6))
        )
        found = find(texture(), blurred(texture()), probabilities, NOTHING)
        assert found.doubtful == {1, 2}
        probabilities[10, 3, kind] = findings.CERTAIN[kind]
        found = find(texture(), blurred(texture()), probabilities, NOTHING)
        assert found.regions[11, 5] == 1
        assert found.doubtful == {found.regions[2, 5]} == {2}

    def test_what_is_marked_and_came_out_right_is_not(self) -> None:
        probabilities = marks(TEXT, slice(4, 6), slice(3, 9))
        assert find(texture(), texture(), probabilities, ~NOTHING).order == ()

    def test_what_came_out_wrong_and_is_not_marked_is_not(self) -> None:
        found = find(texture(), blurred(texture()), marks(TEXT, slice(0), slice(0)), NOTHING)
        assert found.order == ()
        assert found.wrong == found.faces == 0

    def test_large_faces_are_left_to_the_model(self) -> None:
        side = findings.LARGEST_FACE + 1
        probabilities = marks(FACE, slice(2, 2 + side), slice(2, 2 + side))
        assert find(texture(), blurred(texture()), probabilities, NOTHING).order == ()
        probabilities[2, :, FACE] = probabilities[:, 2, FACE] = 0
        assert len(find(texture(), blurred(texture()), probabilities, NOTHING).order) == 1

    def test_the_most_harmful_come_first(self) -> None:
        picture = texture()
        picture[:64] = 64 + picture[:64] // 4  # little contrast
        probabilities = np.maximum(marks(FACE, slice(1, 3), slice(2, 6)), marks(FACE, slice(12, 13), slice(2, 6)))
        found = find(picture, blurred(picture), probabilities, NOTHING)
        assert [found.regions[1, 2], found.regions[12, 2]] == [1, 2]
        assert found.order == (2, 1)
        assert replace(found, order=(2, 1, 1)).without_the_last_third().order == (2, 1)

    def test_cells_beside_marked_ones_need_less(self) -> None:
        probabilities = marks(LATTICE, slice(4, 6), slice(3, 9))
        probabilities[4:6, 9 : 9 + findings.GROWTH, LATTICE] = probabilities[0, 0, LATTICE] = findings.BESIDE
        found = find(texture(), blurred(texture()), probabilities, NOTHING)
        assert places(found) == [(3, 4, 6 + findings.GROWTH, 2)]

    def test_counts_flat_cells_and_marked_ones(self) -> None:
        picture = texture()
        picture[:64] = 77
        found = find(picture, blurred(picture), marks(TEXT, slice(8, 16), slice(0, 8)), NOTHING)
        assert found.flat == pytest.approx(7 / 16, abs=0.001)  # the window of a cell reaches into the next one
        assert found.wrong == pytest.approx(0.5, abs=0.1)


def test_patches_that_help_little_are_not_worth_it() -> None:
    probabilities = np.maximum(marks(FACE, slice(1, 3), slice(2, 6)), marks(FACE, slice(12, 13), slice(2, 6)))
    decoded = blurred(texture())
    found = find(texture(), decoded, probabilities, NOTHING)
    patched = decoded.copy()
    patched[88:112, :64] = texture()[88:112, :64]
    assert [each.y for each in found.worth_it(texture(), patched).rectangles] == [12]
    assert found.worth_it(texture(), texture()).order == found.order


DOUBT = findings.WORTH_IT_IN_DOUBT


@pytest.mark.parametrize(("features", "left"), [(DOUBT, 1), (DOUBT + 0.01, 0)])
def test_patches_of_doubtful_regions_must_help_by_features_too(features: float, left: int) -> None:
    probabilities = np.maximum(marks(FACE, slice(1, 3), slice(2, 6)), marks(TEXT, slice(10, 12), slice(3, 7)))
    found = find(texture(), blurred(texture()), probabilities, NOTHING)
    asked = []

    def ask(part: Rectangle) -> float:
        asked.append((part.x, part.y, part.width, part.height))
        return features

    assert len(found.in_doubt().looking_closer(ask).order) == left
    assert asked == [(2, 9, 6, 4)]


def test_of_many_doubtful_regions_the_least_harmful_are_left_as_they_are() -> None:
    side = 16 * (findings.MOST_IN_DOUBT + 3)
    picture = np.random.default_rng(1).integers(0, 256, (side, 64, 3), dtype=np.uint8)
    probabilities = np.zeros((side // 8, 8, 3), np.float32)
    probabilities[::2, 3, LATTICE] = 0.9
    found = find(picture, blurred(picture), probabilities, np.zeros((side // 8, 8), bool)).in_doubt()
    assert len(found.order) > findings.MOST_IN_DOUBT
    assert found.looking_closer(lambda _part: 0.0).order == found.order[: findings.MOST_IN_DOUBT]


class TestComponents:
    def test_are_those_of_a_flood(self) -> None:
        mask = np.random.default_rng(5).random((23, 31)) < 0.35
        labels = components(mask)
        assert ((labels > 0) == mask).all()
        for number in range(1, labels.max() + 1):
            flooded = np.zeros(mask.shape, bool)
            flooded[tuple(np.argwhere(labels == number)[0])] = True
            for _ in range(mask.size):
                grown = findings._widened(flooded) & mask
                if (grown == flooded).all():
                    break
                flooded = grown
            assert (flooded == (labels == number)).all()

    @pytest.mark.parametrize("mask", [np.zeros((3, 4), bool), np.zeros((0, 0), bool)])
    def test_of_nothing_are_none(self, mask: np.ndarray) -> None:
        assert not components(mask).any()

    def test_that_meet_at_the_end_are_one(self) -> None:
        mask = np.array([[1, 0, 1, 0, 1], [1, 0, 1, 0, 1], [1, 1, 1, 1, 1]], bool)
        assert (components(mask) == mask).all()
