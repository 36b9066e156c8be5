"""The body of a scalar layer: its box, its noise, and what damage does to it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import toy_scalar
from sample_files import header

from pillow_sdz.errors import SdzError, SdzFormatError, SdzModelError, SdzTruncatedError
from pillow_sdz.limits import MAX_STEP, MIN_STEP
from pillow_sdz.payloads.palette.layers import decode_codes
from pillow_sdz.payloads.scalar.layer import decode_scalar, encode_scalar, noise_field, read_step, rms_of_rounding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pillow_sdz.container.header import Header

STEP = 100


@pytest.fixture(autouse=True, scope="module")
def scalar_coding() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        toy_scalar.install(patch)
        yield


def head_for(step: int = STEP, **changes: object) -> Header:
    fields = {"width": 40, "height": 48, "latent_width": 5, "latent_height": 6, "mode": "RGB", "layer_count": 1}
    return header(**{**fields, "payload": "scalar", "noise": noise_field(step), **changes})


def body_for(step: int = STEP) -> bytes:
    return encode_scalar(targets(), step, toy_scalar.PRIOR)


def targets() -> np.ndarray:
    return np.random.default_rng(4).uniform(-128, 127, (6, 5, 4)).astype(np.float32)


@pytest.mark.parametrize("step", [MIN_STEP, 65, 336, MAX_STEP])
def test_round_trip(step: int) -> None:
    body = body_for(step)
    assert body[:2] == step.to_bytes(2, "little")
    assert read_step(body, head_for(step)) == step
    codes = decode_scalar(body, head_for(step), lambda: toy_scalar.PRIOR)
    assert (codes.shape, codes.dtype) == ((6, 5, 4), np.uint8)
    assert np.abs(codes.astype(float) - 128 - targets()).max() <= step / 32 + 0.5


def test_noise_is_that_of_rounding() -> None:
    for step in range(MIN_STEP, MAX_STEP + 1):
        assert rms_of_rounding(step) == pytest.approx(step / 16 / math.sqrt(12))
        assert noise_field(step) == round(4 * rms_of_rounding(step)) <= 255
    measured = np.random.default_rng(0).uniform(-60, 60, (100, 250, 4)).astype(np.float32)
    body = encode_scalar(measured, 320, toy_scalar.PRIOR)
    head = head_for(320, latent_height=100, latent_width=250, height=800, width=2000)
    error = decode_scalar(body, head, lambda: toy_scalar.PRIOR) - 128.0 - measured
    assert np.sqrt(np.mean(error**2)) == pytest.approx(rms_of_rounding(320), rel=0.01)


@pytest.mark.parametrize("step", [0, MIN_STEP - 1, MAX_STEP + 1, 65535])
def test_steps_out_of_range(step: int) -> None:
    with pytest.raises(ValueError, match="step of"):
        encode_scalar(targets(), step, toy_scalar.PRIOR)
    body = step.to_bytes(2, "little") + body_for()[2:]
    with pytest.raises(SdzFormatError, match=rf"a\.sdz: layer 1, step: .*found {step}, expected 16 to 2048"):
        read_step(body, head_for(), file="a.sdz")


def test_a_step_that_contradicts_the_header() -> None:
    with pytest.raises(SdzFormatError, match=r"a\.sdz: noise: contradicts the step 100 .*found 8, expected 7"):
        read_step(body_for(), head_for(noise=8), file="a.sdz")


@pytest.mark.parametrize("length", [0, 1])
def test_bodies_without_a_step(length: int) -> None:
    with pytest.raises(SdzTruncatedError, match="layer 1, step"):
        read_step(body_for()[:length], head_for())


def test_every_cut_and_every_flipped_bit() -> None:
    """The checksum is not there to help: what decodes all the same has the right shape, and the step it says."""
    body = body_for()
    damaged = [body[:length] for length in range(len(body))]
    damaged += [bytes([*body[: i // 8], body[i // 8] ^ 1 << i % 8, *body[i // 8 + 1 :]]) for i in range(8 * len(body))]
    refused = 0
    for each in [*damaged, body + b"\0"]:
        try:
            codes = decode_scalar(each, head_for(), lambda: toy_scalar.PRIOR, file="a.sdz")
        except SdzError as error:
            assert error.file == "a.sdz"  # noqa: PT017
            assert error.field in ("layer 1, step", "layer 1, values", "noise")  # noqa: PT017
            refused += 1
        else:
            assert codes.shape == (6, 5, 4)
    assert refused > len(body)


def test_no_model_at_hand() -> None:
    from pillow_sdz.container.sections import Container

    with pytest.raises(SdzModelError, match=r"a\.sdz: layer 1: .*prior.*found fingerprint 0011223344556677.*install"):
        decode_codes(Container(head_for(), [body_for()]), file="a.sdz")


def test_damage_shows_before_the_prior_is_asked_for() -> None:
    def asked() -> toy_scalar.Prior:
        raise AssertionError("asked")

    with pytest.raises(SdzFormatError, match="step"):
        decode_scalar(b"\x01\x00", head_for(), asked)
