"""Colour spaces by name: which profiles are recognised, what they become, and what comes back."""

from __future__ import annotations

from itertools import product
from typing import Any

import icc_profiles
import in_memory
import numpy as np
import pytest
import toy_model
from hypothesis import given, settings
from hypothesis import strategies as st
from icc_profiles import HOSTILE, OTHERS, USUAL
from PIL import Image, ImageCms

from pillow_sdz.codec.file import read
from pillow_sdz.container.colour_spaces import COLOUR_SPACES, GREY_SPACES
from pillow_sdz.plugin.colour.build import profile_of
from pillow_sdz.plugin.colour.recognise import recognise
from pillow_sdz.plugin.colour.spaces import FIXED, SPACES

pytestmark = pytest.mark.usefixtures("toy")


@pytest.fixture
def image() -> Image.Image:
    return Image.fromarray(toy_model.blocks(40, 20))


def to_srgb(profile: bytes, grey: bool) -> np.ndarray[Any, Any]:
    """Colours of the corners, edges and inside of the cube (or all greys) in sRGB, as LittleCMS converts them."""
    steps = [0, 1, 2, 8, 40, 90, 128, 200, 254, 255]
    colours = [(v, v, v) for v in range(256)] if grey else list(product(steps, steps, steps))
    pixels = np.array(colours, np.uint8)[None]
    picture = Image.fromarray(pixels[..., 0] if grey else pixels)
    target = ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(picture, icc_profiles.opened(profile), target, outputMode="RGB")
    assert converted is not None
    return np.asarray(converted).astype(int)


@pytest.mark.parametrize("name", USUAL)
def test_usual_profiles_are_recognised_and_keep_their_colours(name: str) -> None:
    space, profile = USUAL[name]
    assert recognise(profile) == space
    grey = space in GREY_SPACES
    assert np.abs(to_srgb(profile, grey) - to_srgb(profile_of(space), grey)).max() <= 1


@pytest.mark.parametrize("name", OTHERS)
def test_other_profiles_are_not(name: str) -> None:
    assert recognise(OTHERS[name]) is None


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_profiles_are_not_and_are_kept(image: Image.Image, name: str) -> None:
    assert recognise(HOSTILE[name]) is None
    picture = image.convert("L" if HOSTILE[name][16:20] == b"GRAY" else "RGB")
    picture.info["icc_profile"] = HOSTILE[name]
    assert in_memory.through(picture).info.get("icc_profile", b"") == HOSTILE[name]


@settings(deadline=None)
@given(st.data())
def test_damaged_profiles_do_no_harm(data: st.DataObject) -> None:
    profile = bytearray(USUAL[data.draw(st.sampled_from(sorted(USUAL)))][1][:1500])
    for _ in range(data.draw(st.integers(1, 8))):
        profile[data.draw(st.integers(0, len(profile) - 1))] = data.draw(st.integers(0, 255))
    assert recognise(bytes(profile[: data.draw(st.integers(0, len(profile)))])) in COLOUR_SPACES


@pytest.mark.parametrize("by", [-0.0005, 0.0005])
@pytest.mark.parametrize("channel", range(3))
@pytest.mark.parametrize("axis", range(3))
def test_colorants_beyond_the_tolerance(by: float, channel: int, axis: int) -> None:
    for part, space in ((1.0, None), (0.5, "sRGB")):
        colorants = [[value / FIXED for value in colorant] for colorant in SPACES["sRGB"].colorants or ()]
        colorants[channel][axis] += by * part
        changed = tuple((x, y, z) for x, y, z in colorants)
        assert recognise(icc_profiles.rgb(changed, icc_profiles.SRGB_PARAMETRIC)) == space


def test_curves_beyond_the_tolerance() -> None:
    for exponent, space in ((2.4, "sRGB"), (2.404, "sRGB"), (2.42, None), (2.38, None)):
        curve = icc_profiles.parametric(3, exponent, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
        assert recognise(icc_profiles.rgb(icc_profiles.SRGB, curve)) == space


@pytest.mark.parametrize("name", SPACES)
def test_our_profiles_are_small_valid_and_recognised(name: str) -> None:
    profile = profile_of(name)
    assert len(profile) <= 500
    assert recognise(profile) == name
    opened = icc_profiles.opened(profile)
    assert ImageCms.getProfileDescription(opened).strip() == name
    assert opened.profile.is_matrix_shaper
    assert opened.profile.xcolor_space == ("GRAY" if name in GREY_SPACES else "RGB ")
    assert opened.profile.profile_id != bytes(16)


def test_all_names_have_a_space() -> None:
    assert [None, *SPACES] == list(COLOUR_SPACES)


@pytest.mark.parametrize("name", USUAL)
def test_a_usual_profile_costs_nothing(image: Image.Image, name: str) -> None:
    space, profile = USUAL[name]
    picture = image.convert("L") if space in GREY_SPACES else image
    plain = in_memory.saved(picture)
    picture.info["icc_profile"] = profile
    data = in_memory.saved(picture)
    assert len(data) == len(plain)
    assert read(data).header.colour_space == space
    again = in_memory.opened(data)
    assert again.info["colour_space"] == space
    assert again.info["icc_profile"] == profile_of(space)
    assert in_memory.saved(again) == data
    assert in_memory.saved(again, metadata="all") == data
    assert in_memory.saved(again, metadata="essential") == data
    assert in_memory.saved(again, metadata="none") == plain


@pytest.mark.parametrize("name", ["ProPhoto", "dot gain"])
def test_other_profiles_are_kept_and_compressed(image: Image.Image, name: str) -> None:
    picture = image.convert("L") if name == "dot gain" else image
    plain = in_memory.saved(picture)
    picture.info["icc_profile"] = OTHERS[name]
    data = in_memory.saved(picture)
    assert len(data) - len(plain) < len(OTHERS[name])
    again = in_memory.opened(data)
    assert again.info["icc_profile"] == OTHERS[name]
    assert "colour_space" not in again.info


@pytest.mark.parametrize("level", ["useful", "all", "essential", "none"])
def test_a_profile_that_is_given_is_stored_exactly(image: Image.Image, level: str) -> None:
    given_profile = icc_profiles.lcms("sRGB")
    again = in_memory.through(image, icc_profile=given_profile, metadata=level)
    assert again.info["icc_profile"] == given_profile
    assert "colour_space" not in again.info
    ours = in_memory.through(image, icc_profile=profile_of("sRGB"), metadata=level)
    assert ours.info["colour_space"] == "sRGB"
    assert ours.info["icc_profile"] == profile_of("sRGB")


def test_all_keeps_the_bytes_of_a_usual_profile(image: Image.Image) -> None:
    image.info["icc_profile"] = icc_profiles.lcms("sRGB")
    assert in_memory.through(image, metadata="all").info["icc_profile"] == icc_profiles.lcms("sRGB")


def test_grey_pictures_may_have_profiles_of_colour(image: Image.Image) -> None:
    picture = image.convert("LA")
    picture.info["icc_profile"] = icc_profiles.lcms("sRGB")
    again = in_memory.through(picture)
    assert (again.mode, again.info["colour_space"]) == ("LA", "sRGB")


def test_a_grey_profile_does_not_fit_a_picture_of_colour(image: Image.Image) -> None:
    grey = profile_of("grey gamma 2.2")
    image.info["icc_profile"] = grey
    with pytest.warns(UserWarning, match="describes GRAY"):
        assert "icc_profile" not in in_memory.through(image).info
    assert in_memory.through(image, icc_profile=grey).info["icc_profile"] == grey  # as it was given


def test_the_name_is_no_text(image: Image.Image) -> None:
    image.info["icc_profile"] = icc_profiles.lcms("sRGB")
    again = in_memory.through(in_memory.through(image))
    assert read(in_memory.saved(again)).metadata().text == {}
    again.info["icc_profile"] = None
    assert "colour_space" not in in_memory.through(again).info
