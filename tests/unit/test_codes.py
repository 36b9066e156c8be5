"""Latents to codes and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillow_sdz.errors import SdzModelError
from pillow_sdz.payloads.codes import to_codes, to_latents

STEP = 6 / 255


def test_every_code_survives_a_round_trip() -> None:
    codes = np.arange(256, dtype=np.uint8).reshape(8, 8, 4)
    latents = to_latents(codes, STEP)
    assert latents.dtype == np.float32
    assert latents.shape == codes.shape
    np.testing.assert_array_equal(to_codes(latents, STEP), codes)


def test_mapping_is_the_documented_one() -> None:
    latents = np.array([[-3.0, 3.0, 0.0, 2.6 * STEP]], np.float32)
    assert to_codes(latents, STEP).tolist() == [[0, 255, 128, 130]]
    np.testing.assert_allclose(to_latents(np.array([0, 127, 255], np.uint8), STEP), [-3, -0.5 * STEP, 3], rtol=1e-6)


def test_latents_beyond_the_range_are_clipped() -> None:
    assert to_codes(np.array([-1e30, 1e30], np.float32), STEP).tolist() == [0, 255]


@given(st.floats(-2.875, 2.875, width=32), st.sampled_from([STEP, 0.18215]))
def test_error_is_at_most_half_a_step(latent: float, step: float) -> None:
    back = to_latents(to_codes(np.array([latent], np.float32), step), step)
    assert abs(float(back[0]) - latent) <= step * 0.5001


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(SdzModelError, match=r"latent: .*not finite"):
        to_codes(np.array([0.0, bad], np.float32), STEP)


def test_the_latents_given_are_not_changed() -> None:
    latents = np.ones((2, 2, 4), np.float32)
    to_codes(latents, STEP)
    assert (latents == 1).all()
