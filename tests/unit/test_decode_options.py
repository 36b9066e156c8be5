"""Settings of decoding: those of the process, those of an image, and which of the two counts."""

from __future__ import annotations

from dataclasses import asdict, fields
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pillow_sdz.errors import SdzOptionError
from pillow_sdz.options import ComputeSettings, DecodeOptions, DecodeSettings, Setting

SET: dict[str, Any] = {
    "denoise_steps": 7, "strength": 0.25, "device": "cuda:1", "tile_size": 128, "dtype": "bfloat16", "runtime": "torch",
    "patches": True,
}  # fmt: skip
OTHER: dict[str, Any] = {
    "denoise_steps": 0, "strength": 0.0, "device": "cpu", "tile_size": 64, "dtype": "float32", "runtime": "onnx",
    "patches": False,
}  # fmt: skip


def image(**settings: Any) -> SimpleNamespace:
    """The attributes of an image."""
    return SimpleNamespace(**{**dict.fromkeys(SET), **settings})


def options(**settings: Any) -> DecodeOptions:
    made = DecodeOptions()
    for name, value in settings.items():
        setattr(made, name, value)
    return made


def test_there_is_an_option_for_every_setting() -> None:
    names = {name for name, value in vars(DecodeOptions).items() if isinstance(value, Setting)}
    assert names == {field.name for field in fields(DecodeSettings)} == set(SET)


def test_by_default_nothing_is_set() -> None:
    assert DecodeOptions().resolved(image()) == DecodeSettings()
    assert DecodeOptions().compute_settings() == ComputeSettings()


@pytest.mark.parametrize("name", SET)
def test_the_image_comes_before_the_process(name: str) -> None:
    value, other = SET[name], OTHER[name]  # zeros among them: they are settings, too
    for process, own, expected in (
        (None, None, None),
        (value, None, value),
        (None, other, other),
        (value, other, other),
    ):
        found = options(**{name: process}).resolved(image(**{name: own}))
        assert asdict(found) == {**dict.fromkeys(SET), name: expected}


def test_all_at_once() -> None:
    assert asdict(options(**SET).resolved(image())) == SET
    assert asdict(options(**SET).resolved(image(**OTHER))) == OTHER
    assert asdict(options(**SET).resolved(image(strength=1.0))) == {**SET, "strength": 1.0}
    assert options(**SET).compute_settings() == ComputeSettings("cuda:1", "bfloat16", 128)


def test_other_objects_than_images_are_errors() -> None:
    with pytest.raises(AttributeError):
        DecodeOptions().resolved(object())


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("denoise_steps", (-1, 256, 1.0, True, "1")),
        ("strength", (-0.1, 1.1, float("nan"), True, "1")),
        ("device", ("", "gpu", "cuda:", "cpu:0", 0)),
        ("tile_size", (63, 65536, 64.0, False)),
        ("dtype", ("", "float64", np.float32)),
        ("patches", (0, 1, "False", np.True_)),
    ],
)
def test_wrong_values_are_refused_and_change_nothing(name: str, values: tuple[object, ...]) -> None:
    made = options(**SET)
    for value in values:
        with pytest.raises(SdzOptionError, match=f"^{name}: "):
            setattr(made, name, value)
    assert getattr(made, name) == SET[name]
    setattr(made, name, None)
    assert getattr(made, name) is None


def test_unknown_names_are_refused() -> None:
    with pytest.raises(AttributeError):
        options(denoise_step=1)


def test_the_deprecated_name_of_denoise_steps() -> None:
    made = DecodeOptions()
    text = "^steps is deprecated: it is called denoise_steps now$"
    with pytest.warns(DeprecationWarning, match=text) as seen:
        made.steps = 3
    assert made.denoise_steps == 3
    with pytest.warns(DeprecationWarning, match=text) as seen_again:
        assert made.steps == 3
    assert seen[0].filename == seen_again[0].filename == __file__
    with pytest.warns(DeprecationWarning, match=text), pytest.raises(SdzOptionError, match=r"^denoise_steps: "):
        made.steps = 256
    with pytest.warns(DeprecationWarning, match=text):
        made.steps = None
    assert made.denoise_steps is None
