"""``steps``, the old name of ``denoise_steps``: it works everywhere it did, with a warning at the caller's line."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from in_memory import opened_sdz, through
from PIL import Image

import pillow_sdz
from pillow_sdz.errors import SdzOptionError
from pillow_sdz.options import SaveOptions
from pillow_sdz.plugin.save_keywords import save_options

if TYPE_CHECKING:
    from toy_model import Toy

pytestmark = pytest.mark.usefixtures("toy")

MESSAGE = "^steps is deprecated: it is called denoise_steps now$"


def test_saving() -> None:
    stream = io.BytesIO()
    with pytest.warns(DeprecationWarning, match=MESSAGE) as caught:
        Image.new("RGB", (8, 8)).save(stream, "SDZ", steps=3)
    assert [warning.filename for warning in caught] == [__file__]
    assert Image.open(stream).info["denoise_steps"] == 3
    with pytest.warns(DeprecationWarning, match=MESSAGE):
        options, _ = save_options({"steps": 0}, {})
    assert options.denoise_steps == 0
    assert save_options({"steps": None}, {})[0].denoise_steps is None, "None is not given"
    with (
        pytest.warns(DeprecationWarning, match=MESSAGE),
        pytest.raises(SdzOptionError, match="steps: cannot be given together with denoise_steps"),
    ):
        save_options({"steps": 3, "denoise_steps": 3}, {})
    with (
        pytest.warns(DeprecationWarning, match=MESSAGE),
        pytest.raises(SdzOptionError, match="denoise_steps: is out of range"),
    ):
        save_options({"steps": 256}, {})


def test_save_options() -> None:
    with pytest.warns(DeprecationWarning, match=MESSAGE) as caught:
        options = SaveOptions(steps=3)
    assert [warning.filename for warning in caught] == [__file__]
    assert options == SaveOptions(denoise_steps=3)
    with pytest.warns(DeprecationWarning, match=MESSAGE), pytest.raises(SdzOptionError, match="together"):
        SaveOptions(steps=3, denoise_steps=4)


def test_attribute_of_an_image(data: bytes, toy: Toy) -> None:
    image = opened_sdz(data)
    with pytest.warns(DeprecationWarning, match=MESSAGE) as caught:
        image.steps = 7
    with pytest.warns(DeprecationWarning, match=MESSAGE):
        assert image.steps == 7
    assert [warning.filename for warning in caught] == [__file__]
    assert image.denoise_steps == 7
    image.load()
    assert toy.model.denoised[-1].denoise_steps == 7
    with pytest.warns(DeprecationWarning, match=MESSAGE), pytest.raises(SdzOptionError, match="denoise_steps"):
        image.steps = 256


def test_setting_of_the_process(data: bytes, toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    decode = pillow_sdz.options.decode
    monkeypatch.setattr(decode, "denoise_steps", None)  # undone after the test
    with pytest.warns(DeprecationWarning, match=MESSAGE):
        decode.steps = 5
    with pytest.warns(DeprecationWarning, match=MESSAGE):
        assert decode.steps == 5
    opened_sdz(data).load()
    assert toy.model.denoised[-1].denoise_steps == 5


def test_info_has_both_names() -> None:
    image = through(Image.new("RGB", (8, 8)), denoise_steps=9)
    assert image.info["denoise_steps"] == image.info["steps"] == 9
    assert "text:steps" not in through(image).info
    texts = through(Image.new("RGB", (8, 8)), text={"steps": "many", "denoise_steps": "more"}).info
    assert (texts["text:steps"], texts["text:denoise_steps"]) == ("many", "more")
