"""The scalar payload: its layer's body, its noise, and what damage does to it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scalar_samples import PriorOnly

from pillow_sdz import limits
from pillow_sdz.errors import SdzError, SdzFormatError, SdzLimitError, SdzModelError, SdzTruncatedError
from pillow_sdz.limits import MAX_STEP, MIN_STEP
from pillow_sdz.payloads.protocol import Latent
from pillow_sdz.payloads.scalar.payload import PAYLOAD, ScalarPlan, noise_field, rms_of_rounding

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pillow_sdz.payloads.protocol import Shape, StoredPayload

STEP = 100
SHAPE = (6, 5, 4)
MODEL = PriorOnly()
NO_MODEL = PriorOnly(None)


def latent(shape: Shape = SHAPE) -> Latent:
    targets = np.random.default_rng(4).uniform(-128, 127, shape).astype(np.float32)
    return Latent(np.rint(targets + 128).astype(np.uint8), targets)


def body_for(step: int = STEP) -> bytes:
    (body,) = PAYLOAD.encode(latent(), ScalarPlan(step), MODEL, 4).layers
    return body


def read(body: bytes, step: int = STEP) -> StoredPayload:
    return PAYLOAD.read([body], SHAPE, noise_field(step))


def error_of(codes: NDArray[np.uint8], of: Latent) -> NDArray[np.float64]:
    return codes.astype(np.float64) - 128 - of.targets


@pytest.mark.parametrize("step", [MIN_STEP, 65, 336, MAX_STEP])
def test_round_trip(step: int) -> None:
    encoded = PAYLOAD.encode(latent(), ScalarPlan(step), MODEL, 4)
    (body,) = encoded.layers
    assert encoded.noise == noise_field(step)
    assert body[:2] == step.to_bytes(2, "little")
    stored = read(body, step)
    assert stored.describe().info == {"step": step / 16}
    assert stored.noise == rms_of_rounding(step)
    codes = stored.decode(MODEL)
    assert codes.shape == SHAPE
    assert codes.dtype == np.uint8
    assert np.abs(error_of(codes, latent())).max() <= step / 32 + 0.5


def test_noise_is_that_of_rounding() -> None:
    for step in range(MIN_STEP, MAX_STEP + 1):
        assert rms_of_rounding(step) == pytest.approx(step / 16 / math.sqrt(12))
        assert noise_field(step) == round(4 * rms_of_rounding(step)) <= 255
    targets = np.random.default_rng(0).uniform(-60, 60, (100, 250, 4)).astype(np.float32)
    measured = Latent(np.rint(targets + 128).astype(np.uint8), targets)
    encoded = PAYLOAD.encode(measured, ScalarPlan(320), MODEL, 4)
    error = error_of(PAYLOAD.read(encoded.layers, measured.shape, encoded.noise).decode(MODEL), measured)
    assert np.sqrt(np.mean(error**2)) == pytest.approx(rms_of_rounding(320), rel=0.01)


@pytest.mark.parametrize("step", [0, MIN_STEP - 1, MAX_STEP + 1, 65535])
def test_steps_out_of_range(step: int) -> None:
    with pytest.raises(ValueError, match="step of"):
        PAYLOAD.encode(latent(), ScalarPlan(step), MODEL, 4)
    body = step.to_bytes(2, "little") + body_for()[2:]
    with pytest.raises(SdzFormatError, match=rf"^layer 1, step: .*found {step}, expected 16 to 2048"):
        read(body)


def test_a_step_that_contradicts_the_header() -> None:
    with pytest.raises(SdzFormatError, match=r"^noise: contradicts the step 100 .*found 8, expected 7"):
        PAYLOAD.read([body_for()], SHAPE, 8)


@pytest.mark.parametrize("length", [0, 1])
def test_bodies_without_a_step(length: int) -> None:
    with pytest.raises(SdzTruncatedError, match="layer 1, step"):
        read(body_for()[:length])


def test_every_cut_and_every_flipped_bit() -> None:
    """Without the file's checksums: damaged bodies are refused, or decode to codes of the right shape."""
    shape = (2, 3, 4)
    (body,) = PAYLOAD.encode(latent(shape), ScalarPlan(STEP), MODEL, 4).layers
    damaged = [body[:length] for length in range(len(body))]
    damaged += [bytes([*body[: i // 8], body[i // 8] ^ 1 << i % 8, *body[i // 8 + 1 :]]) for i in range(8 * len(body))]
    refused = 0
    for each in [*damaged, body + b"\0"]:
        try:
            codes = PAYLOAD.read([each], shape, noise_field(STEP)).decode(MODEL)
        except SdzError as error:
            assert error.field in ("layer 1, step", "layer 1, values", "noise")  # noqa: PT017
            refused += 1
        else:
            assert codes.shape == shape
    assert refused > len(body)


def test_too_many_values(monkeypatch: pytest.MonkeyPatch) -> None:
    body = body_for()
    monkeypatch.setattr(limits, "MAX_SCALAR_VALUES", math.prod(SHAPE) - 1)
    with pytest.raises(SdzLimitError, match=r"latent: .*found 120 values, expected at most 119.*payload='palette'"):
        PAYLOAD.encode(latent(), ScalarPlan(STEP), MODEL, 4)
    for work in (read(body).decode, read(body).check):
        with pytest.raises(SdzLimitError, match=r"latent: .*found 120 values, expected at most 119\)$"):
            work(NO_MODEL)


def test_no_model_at_hand() -> None:
    with pytest.raises(SdzModelError, match="not installed"):
        PAYLOAD.require(NO_MODEL)
    stored = read(body_for())
    with pytest.raises(SdzModelError, match="not installed"):
        stored.decode(NO_MODEL)
    stored.check(NO_MODEL)
    damaged = read(body_for()[:-2])
    damaged.check(NO_MODEL)
    with pytest.raises(SdzFormatError):
        damaged.check(MODEL)


def test_damage_shows_before_the_prior_is_asked_for() -> None:
    with pytest.raises(SdzFormatError, match="step"):
        read(b"\x01\x00")  # reading is given no model to ask
