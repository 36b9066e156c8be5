"""Options of saving: their ranges, and which exclude each other."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import permutations
from typing import Any

import numpy as np
import pytest

from pillow_sdz.errors import SdzOptionError
from pillow_sdz.options import SaveOptions
from pillow_sdz.payloads import kinds
from pillow_sdz.plugin.save_keywords import save_options


def options(**keywords: Any) -> SaveOptions:
    return save_options(keywords, {})[0]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("quality", (0, 50, 100, np.int64(7))),
        ("colors", (2, 256, 4096, np.uint16(64), (2,), (4096,) * 8)),
        ("model", ("tiny", "tiny-8")),
        ("denoise_steps", (0, 1, 255)),
        ("payload", ("scalar", "palette", "direct")),
        ("step", (4, 4.0, 21.3, 128, np.float32(7.5), np.int64(9), Fraction(9, 2))),
        ("effort", (0, 9)),
        ("target_size", (1, 5000)),
        ("guard", (True, False)),
        ("error", (True, False, "ssimulacra2")),
        ("error_map", (True, False)),
    ],
)
def test_values(name: str, values: tuple[Any, ...]) -> None:
    for value in values:
        kept = getattr(options(**{name: value}), name)
        assert kept == value
        assert type(kept) in (int, str, tuple, float, bool)


def test_only_what_is_asked_for_is_measured_at_any_effort() -> None:
    assert not options().asks_for_error
    assert not options(error=False).asks_for_error
    assert options(error="ssimulacra2").asks_for_error
    assert options(error_map=True).asks_for_error


def test_the_guard_is_on_from_effort_3_unless_it_is_set() -> None:
    assert [options(effort=effort).guarded for effort in range(5)] == [False, False, False, True, True]
    assert options(effort=0, guard=True).guarded
    assert not options(effort=9, guard=False).guarded
    assert not options(profile="buehlmann2022").guarded
    assert not options(profile="buehlmann2022", guard=False).guarded
    with pytest.raises(SdzOptionError, match="guard: cannot be given together with profile"):
        options(profile="buehlmann2022", guard=True)


def test_a_payload_that_is_asked_for_is_kept() -> None:
    assert options(quality=90).may_be_pixels
    assert options(target_size=900, effort=9).may_be_pixels
    for asked in ({"payload": "direct"}, {"payload": "scalar"}, {"colors": 16}, {"step": 20}):
        assert not options(**asked, guard=True).may_be_pixels


def test_sequences_of_colors_become_tuples() -> None:
    assert options(colors=[256, np.int32(64)]).colors == (256, 64)
    assert hash(options(colors=[256, 64]))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("quality", (-1, 101, 50.0, "50", True, "high", (50,))),
        ("colors", (1, 4097, "256", 2.5, True, (), (2,) * 9, (256, 1), ("256",), b"22")),
        ("model", ("", 1, b"tiny")),
        ("denoise_steps", (-1, 256, 1.0, False, "1")),
        ("payload", ("", "raw", 0, "Direct")),
        ("effort", (-1, 10, 4.5, True)),
        ("guard", (1, 0, "yes", "faces")),
        ("error", (1, 0, "yes", "SSIMULACRA2", 1.0, ("ssimulacra2",))),
        ("error_map", (1, 0, "ssimulacra2", "yes")),
        ("target_size", (0, -5, 5e3, "5kB", True)),
        ("step", (0.9, 128.01, 0, -4, float("nan"), float("inf"), "21", True, (21,), 5j)),
    ],
)
def test_wrong_values(name: str, values: tuple[Any, ...]) -> None:
    for value in values:
        with pytest.raises(SdzOptionError, match=f"^{name}: ") as caught:
            options(**{name: value})
        assert caught.value.expected is not None
        with pytest.raises(SdzOptionError):
            SaveOptions(**{name: value})


@pytest.mark.parametrize(
    "together",
    [
        {"target_size": 5000, "quality": 50},
        {"target_size": 5000, "colors": 256},
        {"target_size": 5000, "payload": "direct"},
        {"colors": 256, "payload": "direct"},
        {"colors": 256, "payload": "scalar"},
        {"step": 21, "quality": 50},
        {"step": 21, "target_size": 5000},
        {"step": 21, "colors": 256},
        {"step": 21, "payload": "palette"},
        {"step": 21, "payload": "direct"},
        {"target_size": 5000, "payload": "scalar"},
    ],
)
def test_contradictions(together: dict[str, Any]) -> None:
    with pytest.raises(SdzOptionError, match="together with"):
        options(**together)


def test_a_step_goes_with_its_payload() -> None:
    assert options(step=21, payload="scalar").step == 21
    assert options(quality=80, payload="scalar").quality == 80


KEYWORDS = {keyword: kind for kind in kinds.KINDS if (keyword := kinds.payload(kind).keyword) is not None}
GOOD: dict[str, Any] = {"colors": 64, "step": 21.5}


def test_every_payload_keyword_is_an_option() -> None:
    assert set(KEYWORDS) == set(GOOD)
    for keyword, kind in KEYWORDS.items():
        assert SaveOptions(**{keyword: GOOD[keyword]}).payload_keywords() == {keyword: kind}
    assert SaveOptions(quality=7, payload="palette").payload_keywords() == {}


@pytest.mark.parametrize("keyword", KEYWORDS)
@pytest.mark.parametrize("payload", kinds.KINDS)
def test_a_payload_keyword_goes_with_its_own_payload_only(keyword: str, payload: str) -> None:
    given = {keyword: GOOD[keyword], "payload": payload}
    if payload == KEYWORDS[keyword]:
        assert getattr(SaveOptions(**given), keyword) == GOOD[keyword]
        return
    with pytest.raises(
        SdzOptionError, match=f"^payload='{payload}': cannot be given together with {keyword}; give one"
    ):
        SaveOptions(**given)


@pytest.mark.parametrize(("one", "other"), list(permutations(KEYWORDS, 2)))
def test_keywords_of_two_payloads_exclude_each_other(one: str, other: str) -> None:
    with pytest.raises(SdzOptionError, match="cannot be given together with") as caught:
        SaveOptions(**{one: GOOD[one], other: GOOD[other]})
    assert one in str(caught.value)
    assert other in str(caught.value)


@pytest.mark.parametrize(("name", "value"), [*GOOD.items(), *(("payload", kind) for kind in kinds.KINDS)])
def test_a_target_size_excludes_what_it_would_choose(name: str, value: object) -> None:
    with pytest.raises(SdzOptionError, match=f"^target_size: cannot be given together with {name}; "):
        SaveOptions(target_size=5000, **{name: value})  # type: ignore[arg-type]


def test_pixels_need_nothing_of_a_model() -> None:
    assert SaveOptions(payload="pixels", quality=100).payload == "pixels"
    for option in ({"denoise_steps": 0}, {"step": 2.0}, {"colors": 9}):
        with pytest.raises(SdzOptionError, match=r"^payload='pixels': cannot be given together with"):
            SaveOptions(payload="pixels", **option)


def test_choices_are_listed() -> None:
    with pytest.raises(
        SdzOptionError, match=r"^payload: no such payload .found 'raw', expected palette, direct, scalar or pixels"
    ):
        SaveOptions(payload="raw")
    with pytest.raises(SdzOptionError, match=r"^profile: no such profile .found 'x', expected buehlmann2022\)"):
        SaveOptions(profile="x")


def test_the_deprecated_name_of_denoise_steps() -> None:
    for steps in (0, 255):
        with pytest.warns(DeprecationWarning, match="^steps is deprecated: it is called denoise_steps now$") as seen:
            old = SaveOptions(steps=steps)
        assert seen[0].filename == __file__
        assert old == SaveOptions(denoise_steps=steps)
        assert replace(old, quality=7) == SaveOptions(denoise_steps=steps, quality=7)
    with (
        pytest.warns(DeprecationWarning, match="steps"),
        pytest.raises(SdzOptionError, match=r"^steps: .*together with denoise_steps"),
    ):
        SaveOptions(steps=1, denoise_steps=1)
    with (
        pytest.warns(DeprecationWarning, match="steps"),
        pytest.raises(SdzOptionError, match=r"^denoise_steps: .*found 256"),
    ):
        SaveOptions(steps=256)
