"""Progress of work on several windows, and memory released between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pillow_sdz.models import progress
from pillow_sdz.models.progress import in_turn, listener

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def heard() -> Iterator[list[tuple[str, int, int]]]:
    """What the listener hears."""
    calls: list[tuple[str, int, int]] = []
    token = listener.set(lambda *call: calls.append(call))
    yield calls
    listener.reset(token)


def test_the_listener_hears_of_each_part_after_the_work_on_it(heard: list[tuple[str, int, int]]) -> None:
    before = [(item, len(heard)) for item in in_turn("decoding", "abc")]
    assert before == [("a", 0), ("b", 1), ("c", 2)]
    assert heard == [("decoding", 1, 3), ("decoding", 2, 3), ("decoding", 3, 3)]


def test_parts_of_a_longer_activity(heard: list[tuple[str, int, int]]) -> None:
    assert list(in_turn("refining", "ab", before=2, total=4)) == ["a", "b"]
    assert heard == [("refining", 3, 4), ("refining", 4, 4)]


def test_a_single_part_is_no_progress(heard: list[tuple[str, int, int]]) -> None:
    assert list(in_turn("decoding", "a")) == ["a"]
    assert heard == []


def test_memory_is_released_between_parts_where_the_c_library_can(monkeypatch: pytest.MonkeyPatch) -> None:
    released: list[int] = []

    def trim(pad: int) -> int:
        released.append(pad)
        return 1

    for function, count in ((trim, 3), (None, 0)):
        released.clear()
        monkeypatch.setattr(progress, "_malloc_trim", lambda function=function: function)
        assert list(in_turn("decoding", "abc")) == ["a", "b", "c"]
        assert list(in_turn("decoding", "a")) == ["a"]
        assert len(released) == count
