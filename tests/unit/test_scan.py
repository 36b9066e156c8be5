"""The scan of scalar payloads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pillow_sdz.payloads.scalar.scan import LAST_PASSES, MAX_CACHED, by_layer, scan


@given(st.integers(1, 40), st.integers(1, 40))
@settings(max_examples=30, deadline=None)
def test_the_scan_covers_the_latent_and_its_neighbours_are_coded_before(height: int, width: int) -> None:
    coded = {height * width}
    for each in scan(height, width):
        assert set(each.neighbours.ravel().tolist()) <= coded
        assert coded.isdisjoint(each.positions.tolist())
        coded |= set(each.positions.tolist())
    assert coded == set(range(height * width + 1))


def test_neighbours_outside_the_latent_are_replaced_by_those_on_the_opposite_side() -> None:
    *_, last = scan(4, 4)
    corner = last.positions.tolist().index(1)  # row 0, column 1: nothing above it
    assert last.neighbours[corner, :4].tolist() == [5, 0, 2, 5]


def test_passes_of_large_latents_are_not_cached() -> None:
    assert scan(16, 16) is scan(16, 16)
    assert scan(1, MAX_CACHED + 1) is not scan(1, MAX_CACHED + 1)


@pytest.mark.parametrize("finest", [2, 4, 8])
def test_a_grid_is_scanned_as_the_latent_is_up_to_its_stride(finest: int) -> None:
    height, width = 37, 21
    columns = -(-width // finest)
    on_grid = np.append(np.full(height * width, -1), -(-height // finest) * columns)  # outside stays outside
    rows = np.arange(0, height, finest)
    on_grid[(rows[:, None] * width + np.arange(0, width, finest)).ravel()] = range(len(rows) * columns)
    passes = [each for each in scan(height, width) if each.number <= 8 - 2 * (finest.bit_length() - 1)]
    for whole, coarse in zip(passes, scan(len(rows), columns, finest), strict=True):
        assert (whole.number, whole.network) == (coarse.number, coarse.network)
        np.testing.assert_array_equal(on_grid[whole.positions], coarse.positions)
        np.testing.assert_array_equal(on_grid[whole.neighbours], coarse.neighbours)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_layers_hold_the_passes_in_order_and_the_last_one_the_rest(count: int) -> None:
    layers = [[each.number for each in passes] for _, passes in by_layer(scan(40, 40), count)]
    assert [number for numbers in layers for number in numbers] == list(range(9))
    assert [numbers[-1] for numbers in layers] == [*LAST_PASSES[: count - 1], 8]
