from __future__ import annotations

import numpy as np
import pytest

from pillow_sdz.codec.guard.rectangles import RECTANGLE_COST, cover
from pillow_sdz.container.patches import check_rectangles


def covered(mask: np.ndarray) -> np.ndarray:
    counts = np.zeros(mask.shape, int)
    for each in cover(mask):
        counts[each.y : each.y + each.height, each.x : each.x + each.width] += 1
    return counts


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (37, 53)])
def test_all_marked_cells_are_covered_and_none_twice(shape: tuple[int, int], share: float) -> None:
    mask = np.random.default_rng(7).random(shape) < share
    counts = covered(mask)
    assert counts.max(initial=0) <= 1
    assert (counts[mask] == 1).all()


def test_rectangles_are_those_that_a_file_may_hold() -> None:
    mask = np.random.default_rng(3).random((30, 40)) < 0.05
    check_rectangles(cover(mask), 40 * 8, 30 * 8)


def test_nothing_marked_is_nothing_to_cover() -> None:
    assert cover(np.zeros((5, 5), bool)) == []


def test_words_far_apart_become_rectangles_of_their_own() -> None:
    mask = np.zeros((40, 60), bool)
    mask[3:5, 4:20] = mask[30:33, 40:55] = mask[20, 2:9] = True
    assert sorted(each.area for each in cover(mask)) == [7, 32, 45]


def test_a_gap_that_costs_less_than_a_rectangle_is_kept() -> None:
    mask = np.ones((1, 20), bool)
    mask[0, 4] = False
    assert len(cover(mask)) == 1
    mask[0, 4 : 4 + int(RECTANGLE_COST) + 2] = False
    assert len(cover(mask)) == 2


def test_the_tallest_come_first() -> None:
    mask = np.zeros((40, 60), bool)
    mask[3:4, 4:20] = mask[30:38, 40:55] = mask[15:19, 2:9] = True
    assert [each.height for each in cover(mask)] == [8, 4, 1]
