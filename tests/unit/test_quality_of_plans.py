"""The quality that a plan stands for, whatever option it came from: the guard's tables are by quality."""

from __future__ import annotations

import pytest

from pillow_sdz.payloads import kinds

SHAPE = (64, 64, 4)
PIXELS = (512, 512, 3)


@pytest.mark.parametrize("quality", [0, 1, 20, 49, 50, 51, 75, 98, 99])
def test_of_steps_is_that_they_were_made_for(quality: int) -> None:
    scalar = kinds.payload("scalar")
    assert scalar.quality_of(scalar.plan(quality, None, SHAPE), SHAPE) == pytest.approx(quality, abs=0.6)


def test_of_steps_rises_as_they_get_finer() -> None:
    scalar = kinds.payload("scalar")
    found = [scalar.quality_of(scalar.plan(50, step, SHAPE), SHAPE) for step in (128.0, 90.0, 40.0, 27.0, 5.0, 1.0)]
    assert found == sorted(found)
    assert (found[0], found[-1]) == (0, 99)


@pytest.mark.parametrize("quality", [0, 3, 30, 50, 60, 95, 97])
def test_of_palettes_is_the_lowest_with_as_many_entries(quality: int) -> None:
    palette = kinds.payload("palette")
    plan = palette.plan(quality, None, SHAPE)
    found = palette.quality_of(plan, SHAPE)
    assert found <= quality
    assert palette.plan(int(found), None, SHAPE) == plan


@pytest.mark.parametrize("colors", [2, 256, (256,), (16, 16), (4096,) * 8])
def test_of_any_palettes_is_a_quality(colors: int | tuple[int, ...]) -> None:
    palette = kinds.payload("palette")
    assert 0 <= palette.quality_of(palette.plan(50, colors, SHAPE), SHAPE) <= 100


def test_of_direct_codes_is_the_highest() -> None:
    direct = kinds.payload("direct")
    assert direct.quality_of(direct.plan(3, None, SHAPE), SHAPE) == 100
    scalar = kinds.payload("scalar")
    highest = scalar.plan(100, None, SHAPE)
    assert kinds.payload(highest.kind).quality_of(highest, SHAPE) == 100


@pytest.mark.parametrize("quality", [0, 50, 100])
def test_of_pixels_is_that_of_their_coding(quality: int) -> None:
    pixels = kinds.payload("pixels")
    assert pixels.quality_of(pixels.plan(quality, None, PIXELS), PIXELS) == quality
