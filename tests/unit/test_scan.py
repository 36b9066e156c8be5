"""The scan of scalar payloads."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pillow_sdz.payloads.scalar.scan import MAX_CACHED, scan


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
    last = scan(4, 4)[-1]
    corner = last.positions.tolist().index(1)  # row 0, column 1: nothing above it
    assert last.neighbours[corner, :4].tolist() == [5, 0, 2, 5]


def test_passes_of_large_latents_are_not_cached() -> None:
    assert scan(16, 16) is scan(16, 16)
    assert scan(1, MAX_CACHED + 1) is not scan(1, MAX_CACHED + 1)
