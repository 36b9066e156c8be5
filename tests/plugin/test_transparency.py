"""Transparency, saved and opened: nothing visible at all, and palettes with an opacity for each colour."""

from __future__ import annotations

import numpy as np
import pytest
import toy_model
from in_memory import assert_pixels, saved, through
from PIL import Image

pytestmark = pytest.mark.usefixtures("toy")

SIZES = [(40, 24), (1, 1), (7, 5), (1, 500), (300, 2)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "RGBa", "La"])
def test_nothing_is_visible(mode: str, size: tuple[int, int]) -> None:
    image = Image.fromarray(toy_model.blocks(*size)).convert("RGBA")
    image.putalpha(0)
    if mode == "PA":  # Pillow converts to it without transparency
        hidden = Image.new("PA", size)
    else:
        hidden = image.convert("LA").convert(mode) if mode in ("LA", "La") else image.convert(mode)
    again = through(hidden)
    again.load()
    assert again.size == size
    assert again.mode == ("LA" if mode in ("LA", "La") else "RGBA")
    assert again.getchannel("A").getextrema() == (0, 0)
    assert np.asarray(again.resize((1, 1)).getchannel("A")).tolist() == [[0]]


def test_colours_that_nobody_sees_cost_nothing() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (80, 80, 4), np.uint8))
    noise.putalpha(0)
    assert len(saved(noise)) == len(saved(Image.new("RGBA", (80, 80))))


@pytest.mark.parametrize("opacities", [bytes(4), bytes([0, 50, 100, 255]), bytes([255, 0]), b"\0", bytes(range(256))])
def test_palettes_with_an_opacity_for_each_colour(opacities: bytes) -> None:
    """As PNG files have them; colours beyond the end of the list are opaque."""
    image = Image.fromarray(toy_model.blocks(40, 24)).convert("P", palette=Image.Palette.ADAPTIVE, colors=4)
    opened = through(image, "PNG", transparency=opacities)
    assert opened.mode == "P"
    assert isinstance(opened.info["transparency"], int | bytes)
    again = through(opened)
    expected = opened.convert("RGBA")
    assert again.mode == "RGBA"
    assert_pixels(again.getchannel("A"), expected.getchannel("A"))
    visible = np.asarray(expected)[..., 3] > 0
    assert np.array_equal(np.asarray(again.convert("RGB"))[visible], np.asarray(expected)[..., :3][visible])


def test_a_palette_without_transparency_has_none() -> None:
    again = through(Image.fromarray(toy_model.blocks(40, 24)).convert("P"))
    assert again.mode == "RGB"
    assert "transparency" not in again.info
