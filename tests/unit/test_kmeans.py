"""k-means for palettes: nearest entries, Lloyd's iterations, exchanges and splitting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from latents import latent_like, nearest_by_definition, squared_error

from pillow_sdz.payloads.palette import kmeans
from pillow_sdz.payloads.palette.kmeans import EntryConstraints, assign, by_splitting, exchange, lloyd, nearest, refine

if TYPE_CHECKING:
    import pytest


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_nearest_is_exact_and_ties_go_to_the_lowest_index(data: st.DataObject) -> None:
    channels = data.draw(st.sampled_from([1, 4, 16, 64]))
    span = data.draw(st.sampled_from([2, 256]))  # a span of 2 is full of ties
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    points = generator.integers(0, span, (data.draw(st.integers(1, 200)), channels), np.uint8)
    entries = generator.integers(0, span, (data.draw(st.integers(1, 40)), channels), np.int16)
    np.testing.assert_array_equal(nearest(points, entries), nearest_by_definition(points, entries))


def test_nearest_is_exact_beyond_float32() -> None:
    points = np.array([[20000] * 64], np.int16)
    entries = np.array([[20000] * 63 + [19999], [20000] * 63 + [20000]], np.int16)
    assert nearest(points, entries).tolist() == [1]


def test_nearest_in_blocks_equals_nearest_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    points, entries = latent_like(30, 31).reshape(-1, 4), latent_like(5, 5, seed=2).reshape(-1, 4)
    at_once = nearest(points, entries)
    monkeypatch.setattr(kmeans, "MAX_MULTIPLICATIONS", 100)
    np.testing.assert_array_equal(nearest(points, entries), at_once)


def test_lloyd_revives_entries_without_points() -> None:
    points = np.array([[0], [1], [100], [101], [200]], np.uint8)
    entries = lloyd(points, np.array([[1], [250], [251]], np.int16), 5, EntryConstraints(0, 255))
    counts = assign(points, entries).counts
    assert (counts > 0).all()


def test_lloyd_leaves_pinned_entries_alone() -> None:
    points = np.array([[3], [4], [90], [92]], np.int16)
    assert lloyd(points, np.array([[0], [50]], np.int16), 3, EntryConstraints(-128, 127, pinned=1)).tolist() == [
        [0],
        [91],
    ]


def test_exchange_moves_an_entry_where_it_is_worth_more() -> None:
    # Three entries share one tight group, one entry has two distant groups: Lloyd alone stays there for ever.
    points = np.array([[10], [11], [12], [100], [101], [200], [201]], np.int16)
    start = np.array([[10], [11], [12], [150]], np.int16)
    rules = EntryConstraints(0, 255)
    np.testing.assert_array_equal(lloyd(points, start, 9, rules), start)
    moved = exchange(points, assign(points, start), start, 1.0, 0)
    assert not np.array_equal(moved, start)
    improved = refine(points, start, 2, rules)
    assert squared_error(points, improved, nearest(points, improved)) < 1


def test_refine_never_gets_worse_than_its_start() -> None:
    points = latent_like(40, 40).reshape(-1, 4)
    start = by_splitting(points, 50, EntryConstraints(0, 255))
    before = squared_error(points, start, nearest(points, start))
    for rounds in (0, 1, 5):
        after = refine(points, start, rounds, EntryConstraints(0, 255))
        assert squared_error(points, after, nearest(points, after)) <= before


def test_splitting_gives_the_entries_asked_for() -> None:
    points = latent_like(20, 20, 6).reshape(-1, 6)
    for colors in (1, 2, 3, 17, 64):
        assert by_splitting(points, colors, EntryConstraints(0, 255)).shape == (colors, 6)
    zero = np.zeros((1, 6), np.int16)
    grown = by_splitting(points.astype(np.int16) - 128, 9, EntryConstraints(-128, 127, pinned=1), zero)
    assert grown.shape == (9, 6)
    assert (grown[0] == 0).all()
