"""Settings of decoding: those of the process, those of an image, and their way to the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from in_memory import opened, opened_sdz
from toy_model import STEP, Denoised, Loaded

import pillow_sdz
from pillow_sdz.errors import SdzOptionError

if TYPE_CHECKING:
    from toy_model import Toy

pytestmark = pytest.mark.usefixtures("toy")


def test_settings_of_the_process_and_of_the_image(data: bytes, toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    decode, model = pillow_sdz.options.decode, toy.model
    for name in ("denoise_steps", "strength", "device", "tile_size", "dtype"):
        monkeypatch.setattr(decode, name, None)  # undone after the test
    opened(data).load()
    decode.denoise_steps, decode.strength, decode.device, decode.tile_size = 3, 0.5, "cpu", 256
    opened(data).load()
    image = opened_sdz(data)
    image.denoise_steps, image.strength, image.dtype = 0, 0.25, "bfloat16"
    image.load()
    assert toy.loaded == [
        Loaded("tiny-99", None, "float32"),  # as the environment of the tests asks
        Loaded("tiny-99", "cpu", "float32"),
        Loaded("tiny-99", "cpu", "bfloat16"),
    ]
    assert model.denoised == [
        Denoised(1.5 * STEP, 1),  # as the file asks
        Denoised(model.noise_at(0.5), 3),
        Denoised(model.noise_at(0.25), 0),
    ]
    assert model.decoding_tiles == [None, 256, 256]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("denoise_steps", -1),
        ("denoise_steps", 256),
        ("denoise_steps", 1.5),
        ("denoise_steps", True),
        ("device", "gpu"),
        ("device", 0),
        ("tile_size", 63),
        ("tile_size", 65536),
        ("dtype", "int8"),
    ],
)
def test_wrong_settings(data: bytes, name: str, value: object) -> None:
    for target in (opened(data), pillow_sdz.options.decode):
        with pytest.raises(SdzOptionError, match=name):
            setattr(target, name, value)
        assert getattr(target, name) is None


def test_misspelt_settings() -> None:
    with pytest.raises(AttributeError):
        pillow_sdz.options.decode.step = 1  # type: ignore[attr-defined]
