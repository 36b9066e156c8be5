"""Settings of training stages, and how they change from step to step."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image
from training_setup import TOOLS

from tools.train.data import split_photos
from tools.train.stages import learning_rate, stage_settings

if TYPE_CHECKING:
    from pathlib import Path


def test_a_stage_may_end_at_a_share_of_its_learning_rate() -> None:
    stage = {"learning_rate": 1e-3, "warmup": 10, "steps": 110}
    rates = [learning_rate(step, stage | {"final": 0.5}) for step in (0, 9, 10, 60, 110)]
    assert rates == pytest.approx([1e-4, 1e-3, 1e-3, 7.5e-4, 5e-4])
    assert learning_rate(110, stage) == pytest.approx(1e-5)


def test_a_stage_inherits_the_settings_that_it_leaves_out() -> None:
    stages: dict[str, dict[str, Any]] = {
        "a": {"steps": 3, "crop": 128},
        "b": {"like": "a", "steps": 4},
        "c": {"like": "b", "clip": 1.0},
    }
    assert stage_settings(stages, "c") == {"like": "b", "steps": 4, "crop": 128, "clip": 1.0}
    with pytest.raises(SystemExit, match="no stage 'aa' in the configuration; it has a, b, c, d"):
        stage_settings(stages | {"d": {"like": "aa"}}, "d")
    tiny = tomllib.loads((TOOLS / "configs" / "tiny.toml").read_text())["stages"]
    names = {
        frozenset(stage_settings(tiny, name)) - {"like", "after", "rate_ramp", "shifted"}
        for name in ("codec", "balance")
    }
    assert len(names) == 1, "all settings are inherited"
    with_, without = (stage_settings(tiny, name) | {"like": ""} for name in ("with_unet", "without_unet"))
    assert without.pop("denoise") is False
    assert with_ == without | {"train": {"decoder": 1.0, "unet": 1.0}}, "the two stages differ in the U-Net alone"


def test_photos_are_held_out_by_name_or_by_number(tmp_path: Path) -> None:
    for name in "abcdef":
        Image.new("RGB", (8, 8)).save(tmp_path / f"{name}.png")
    by_name = split_photos(tmp_path, ["c.png", "e.png"], ("a",))
    assert [path.name for path in by_name.held_out] == ["c.png", "e.png"]
    assert [path.name for path in by_name.train] == ["b.png", "d.png", "f.png"]
    assert [path.name for path in split_photos(tmp_path, 2).held_out] == ["b.png", "e.png"]
    with pytest.raises(SystemExit, match=r"lacks photos that are to be held out: x\.png"):
        split_photos(tmp_path, ["x.png"])
