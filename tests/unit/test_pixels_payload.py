"""The payload kind for pixels: its plans, its layer, and the choice of coding for a picture."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
import pytest
from PIL import Image
from pixel_samples import CODINGS, letters, smooth
from scalar_samples import PriorOnly

from pillow_sdz.codec.pixels import best_body
from pillow_sdz.errors import SdzError, SdzOptionError
from pillow_sdz.payloads.pixels import streams
from pillow_sdz.payloads.pixels.chroma import subsampling_for
from pillow_sdz.payloads.pixels.payload import PAYLOAD, PixelsPlan, encode_pixels, speed_of
from pillow_sdz.payloads.protocol import Contents, Latent

NO_MODEL = PriorOnly(None)
SHAPE = (53, 70, 3)


@pytest.mark.parametrize("coding", CODINGS)
def test_round_trip(coding: str) -> None:
    rgb = letters()
    latent = Latent(rgb, np.zeros(rgb.shape, np.float32))
    plan = PixelsPlan(coding, 80)
    encoded = PAYLOAD.encode(latent, plan, NO_MODEL, 4)
    assert encoded.noise == 0
    stored = PAYLOAD.read(encoded.layers, SHAPE, 0)
    stored.check(NO_MODEL)
    pixels = stored.decode(NO_MODEL)
    assert pixels.shape == SHAPE
    assert (stored.noise, stored.contents(latent, NO_MODEL)) == (0, Contents())
    np.testing.assert_array_equal(stored.decode(NO_MODEL, 4), pixels[::4, ::4])
    description = stored.describe()
    assert description.layers == ({"bytes": len(encoded.layers[0]), "entries": None, "coding": coding},)
    assert description.sentence.startswith("the pixels, coded as ")
    if coding == "vp8l":
        np.testing.assert_array_equal(pixels, rgb)


def test_plans_of_qualities() -> None:
    found = [PAYLOAD.plan(quality, None, SHAPE) for quality in range(101)]
    assert found == [*(PixelsPlan("av1", quality) for quality in range(100)), PixelsPlan("vp8l", 100)]
    assert PAYLOAD.plan(100, None, (5, 20000, 3)) == PixelsPlan("av1", 100)  # too wide for the lossless coding
    with pytest.raises(SdzOptionError):
        PAYLOAD.plan(101, None, SHAPE)


def test_better_qualities_have_less_error() -> None:
    rgb = smooth()
    errors = []
    for quality in (0, 40, 80, 100):
        body = best_body(rgb, quality, 4)
        pixels = PAYLOAD.read([body], SHAPE, 0).decode(NO_MODEL)
        errors.append(float(((pixels - rgb.astype(float)) ** 2).mean()))
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > errors[-1] == 0


def test_effort_is_the_speed_of_pillows_encoders() -> None:
    assert [speed_of(effort) for effort in range(10)] == [10, 9, 8, 7, 6, 5, 4, 3, 2, 2]
    assert speed_of(4) == 6  # both defaults
    for effort in (0, 9):
        assert PAYLOAD.read([encode_pixels(letters(), PixelsPlan("vp8l", 100), effort)], SHAPE, 0)


@pytest.mark.parametrize("picture", [smooth(), letters()])
def test_targets_are_met(picture: np.ndarray) -> None:
    size_of = cache(lambda plan: 41 + len(encode_pixels(picture, plan)))
    best = PAYLOAD.fit_target(10**6, size_of, SHAPE)
    assert best == PixelsPlan("vp8l", 100)
    target = size_of(PixelsPlan("av1", 30)) + 3
    chosen = PAYLOAD.fit_target(target, size_of, SHAPE)
    assert isinstance(chosen, PixelsPlan)
    assert size_of(chosen) <= target
    assert chosen.coding == "vp8l" or (chosen.quality >= 30 and size_of(PixelsPlan("av1", chosen.quality + 1)) > target)
    with pytest.raises(SdzOptionError, match=r"^target_size: .*found 50 bytes, expected at least \d+ bytes"):
        PAYLOAD.fit_target(50, size_of, SHAPE)


@pytest.mark.parametrize("coding", CODINGS)
def test_cut_bodies_are_refused_or_give_pixels(coding: str) -> None:
    body = encode_pixels(letters(), PixelsPlan(coding, 60))
    for length in {*range(40), *range(40, len(body), 37)}:
        try:
            pixels = PAYLOAD.read([body[:length]], SHAPE, 0).decode(NO_MODEL)
        except SdzError as error:
            assert error.field  # noqa: PT017
        else:
            assert coding == "vp8"  # whose decoder takes what is missing for zeros, up to a point
            assert length > len(body) / 2
            assert pixels.shape == SHAPE


def test_pixel_art_is_stored_losslessly_because_it_is_smaller() -> None:
    tiles = np.random.default_rng(3).integers(0, 4, (16, 16))
    palette = np.array([(0, 0, 0), (240, 240, 200), (200, 40, 40), (30, 60, 200)], np.uint8)
    art = palette[np.kron(np.tile(tiles, (2, 2)), np.ones((4, 4), int))]
    body = best_body(art, 60, 4)
    assert streams.name_of(body[0], "") == "vp8l"
    assert len(body) < len(encode_pixels(art, PixelsPlan("av1", 60)))
    assert streams.name_of(best_body(smooth(200, 200), 60, 4)[0], "") == "av1"


def test_coloured_letters_keep_their_chroma() -> None:
    red = np.full((64, 64, 3), (255, 255, 255), np.uint8)
    red[::4, 8:56] = 220, 0, 0
    assert subsampling_for(red, 60) == "4:4:4"
    assert subsampling_for(smooth(), 60) == "4:2:0"
    assert subsampling_for(smooth(), 90) == "4:4:4"
    assert subsampling_for(smooth(1, 9), 60) == "4:2:0"


def test_pixels_are_those_of_pillows_own_file() -> None:
    rgb = smooth()
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "AVIF", quality=60, speed=6, subsampling="4:2:0")
    stored = PAYLOAD.read([encode_pixels(rgb, PixelsPlan("av1", 60))], SHAPE, 0)
    with Image.open(out) as image:
        np.testing.assert_array_equal(stored.decode(NO_MODEL), np.asarray(image))
