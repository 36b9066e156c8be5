"""Every payload kind keeps the contract of `pillow_sdz.payloads.protocol`, on small latents and with a small prior."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scalar_samples import PriorOnly, sample

from pillow_sdz.errors import SdzError, SdzOptionError
from pillow_sdz.payloads import kinds
from pillow_sdz.payloads.palette.payload import PalettePlan
from pillow_sdz.payloads.protocol import Description, Encoded, Latent, Truncation

if TYPE_CHECKING:
    from pillow_sdz.payloads.protocol import Plan, Shape, StoredPayload

MODEL = PriorOnly()
NO_MODEL = PriorOnly(None)
SHAPES = [(1, 1, 4), (1, 40, 4), (6, 5, 4), (15, 11, 4)]
QUALITIES = (0, 60, 97, 100)
PARAMETERS: dict[str, tuple[Any, ...]] = {
    "palette": (16, (9, 7), (2,) * 8),
    "direct": (None,),
    "scalar": (1.0, 4.04, 128.0),
}

each_kind = pytest.mark.parametrize("kind", [kind for kind in kinds.KINDS if kinds.payload(kind).needs_model])
"""Those for latents; `test_pixels_payload` has the one for pixels."""


def latent_of(shape: Shape, seed: int = 0) -> Latent:
    targets = sample(shape, seed)
    return Latent(np.rint(targets + 128).astype(np.uint8), targets)


def encode(latent: Latent, plan: Plan, effort: int = 4) -> Encoded:
    return kinds.payload(plan.kind).encode(latent, plan, MODEL, effort)


def read(encoded: Encoded, plan: Plan, shape: Shape) -> StoredPayload:
    return kinds.payload(plan.kind).read(encoded.layers, shape, encoded.noise)


def plans(kind: str, shape: Shape) -> list[Plan]:
    """Plans of a few qualities, and of the values of the kind's own keyword; they may be of other kinds."""
    payload = kinds.payload(kind)
    found = [payload.plan(quality, None, shape) for quality in QUALITIES]
    return list(dict.fromkeys([*found, *(payload.plan(50, each, shape) for each in PARAMETERS[kind])]))


def rms(latent: Latent, stored: StoredPayload) -> float:
    return float(np.sqrt(np.mean((stored.decode(MODEL) - latent.codes.astype(np.float64)) ** 2)))


def test_kinds_have_the_numbers_of_the_specification() -> None:
    assert kinds.KINDS == ("palette", "direct", "scalar", "pixels")


@pytest.mark.parametrize("kind", kinds.KINDS)
def test_attributes_of_a_kind(kind: str) -> None:
    payload = kinds.payload(kind)
    assert payload is kinds.payload(kind)
    assert 1 <= payload.max_layers <= 15  # a nibble of the header
    assert isinstance(payload.lossless, bool)
    assert payload.keyword is None or payload.keyword.isidentifier()
    keywords = [kinds.payload(each).keyword for each in kinds.KINDS]
    assert payload.keyword is None or keywords.count(payload.keyword) == 1


@each_kind
@pytest.mark.parametrize("shape", [(1, 1, 4), (6, 5, 4), (64, 96, 4), (40, 40, 16)])
def test_every_quality_has_a_plan(kind: str, shape: Shape) -> None:
    payload = kinds.payload(kind)
    found = [payload.plan(quality, None, shape) for quality in range(101)]
    assert found == [payload.plan(quality, None, shape) for quality in range(101)]
    assert len({hash(plan) for plan in found}) == len(set(found))
    assert {plan.kind for plan in found} <= {kind, "direct"}
    lossless = [kinds.payload(plan.kind).lossless for plan in found]
    assert lossless[100]
    assert not any(one and not other for one, other in pairwise(lossless))  # once lossless, always lossless


@each_kind
def test_the_keyword_takes_the_place_of_the_quality(kind: str) -> None:
    payload = kinds.payload(kind)
    for parameter in PARAMETERS[kind] if payload.keyword else ():
        found = {payload.plan(quality, parameter, (6, 5, 4)) for quality in (0, 50, 100)}
        assert len(found) == 1
        assert found.pop().kind == kind


@each_kind
@pytest.mark.parametrize("shape", SHAPES)
def test_round_trip(kind: str, shape: Shape) -> None:
    latent = latent_of(shape)
    for plan in plans(kind, shape):
        encoded = encode(latent, plan)
        assert encoded == encode(latent, plan)
        assert 1 <= len(encoded.layers) <= kinds.payload(plan.kind).max_layers
        assert 0 <= encoded.noise <= 255
        stored = read(encoded, plan, shape)
        stored.check(NO_MODEL)
        codes = stored.decode(MODEL)
        assert codes.shape == shape
        assert codes.dtype == np.uint8
        assert stored.noise == pytest.approx(encoded.noise / 4, abs=0.126)
        if kinds.payload(plan.kind).lossless:
            np.testing.assert_array_equal(codes, latent.codes)
            assert encoded.noise == 0


@each_kind
def test_the_noise_is_the_error_of_the_codes(kind: str) -> None:
    latent = latent_of((15, 11, 4))
    for plan in plans(kind, latent.shape):
        stored = read(encode(latent, plan), plan, latent.shape)
        if plan.kind == "scalar":  # the error is that of exact values, and smaller where predictions are good
            error = stored.decode(MODEL) - 128.0 - latent.targets
            assert np.mean(error**2) < 1.2 * (stored.noise**2 + 1 / 12)
        else:
            assert rms(latent, stored) == pytest.approx(stored.noise, abs=0.126)


@each_kind
def test_better_qualities_have_less_error(kind: str) -> None:
    latent = latent_of((15, 11, 4))
    errors = []
    for quality in QUALITIES:
        plan = kinds.payload(kind).plan(quality, None, latent.shape)
        errors.append(rms(latent, read(encode(latent, plan), plan, latent.shape)))
    assert errors == sorted(errors, reverse=True)


@each_kind
@pytest.mark.parametrize("effort", range(10))
def test_every_effort_encodes(kind: str, effort: int) -> None:
    latent = latent_of((6, 5, 4))
    plan = kinds.payload(kind).plan(30, None, latent.shape)
    codes = read(encode(latent, plan, effort), plan, latent.shape).decode(MODEL)
    assert np.abs(codes - latent.codes.astype(int)).mean() < 30


@each_kind
@pytest.mark.parametrize("shape", SHAPES)
def test_descriptions_decode_nothing(kind: str, shape: Shape) -> None:
    for plan in plans(kind, shape):
        encoded = encode(latent_of(shape), plan)
        stored = read(encoded, plan, shape)
        description = stored.describe()
        assert isinstance(description, Description)
        assert [layer["bytes"] for layer in description.layers] == [len(body) for body in encoded.layers]
        assert all("entries" in layer for layer in description.layers)
        assert description.sentence
        assert description.sentence[-1] != "."
        keyword = kinds.payload(plan.kind).keyword
        assert set(description.info) == ({keyword} if keyword else set())


@each_kind
@pytest.mark.parametrize("shape", SHAPES)
def test_contents_have_the_shape_of_the_latent(kind: str, shape: Shape) -> None:
    latent = latent_of(shape)
    for plan in plans(kind, shape):
        encoded = encode(latent, plan)
        contents = read(encoded, plan, shape).contents(latent, MODEL)
        given = {name for name, value in vars(contents).items() if value is not None}
        assert given == {"palette": {"palette", "indices"}, "direct": set(), "scalar": {"levels", "bits"}}[plan.kind]
        if contents.palette is not None and contents.indices is not None:
            assert contents.palette.shape[1] == shape[2]
            assert contents.indices.shape == shape[:2]
            assert contents.indices.max() < len(contents.palette)
        if contents.levels is not None and contents.bits is not None:
            assert contents.levels.shape == contents.bits.shape == shape
            assert contents.bits.min() > 0
            stream = sum(map(len, encoded.layers)) - 2 - 4  # without the step and the state of one lane
            assert abs(contents.bits.sum() / 8 - stream) <= 2 + 0.01 * stream


@each_kind
def test_the_first_layers_alone_decode(kind: str) -> None:
    latent = latent_of((15, 11, 4))
    for plan in plans(kind, latent.shape):
        encoded = encode(latent, plan)
        payload = kinds.payload(plan.kind)
        total = len(encoded.layers)
        stored = [
            payload.read(encoded.layers[:count], latent.shape, encoded.noise, Truncation(total - count))
            for count in range(1, total)
        ]
        errors = [rms(latent, each) for each in (*stored, read(encoded, plan, latent.shape))]
        assert errors == sorted(errors, reverse=True)


@each_kind
def test_cut_bodies_are_refused_or_give_codes(kind: str) -> None:
    latent = latent_of((6, 5, 4))
    payload = kinds.payload(kind)
    plan = payload.plan(30, PARAMETERS[kind][0], latent.shape)
    encoded = encode(latent, plan)
    (body,) = encoded.layers
    refused = 0
    for length in range(len(body)):
        try:
            codes = payload.read([body[:length]], latent.shape, encoded.noise).decode(MODEL)
        except SdzError as error:
            assert error.file is None  # noqa: PT017
            assert error.field  # noqa: PT017
            refused += 1
        else:
            assert codes.shape == latent.shape
    assert refused >= 0.9 * len(body)


@each_kind
def test_targets_are_met(kind: str) -> None:
    latent = latent_of((12, 10, 4))
    payload = kinds.payload(kind)
    sizes: dict[Plan, int] = {}

    def size_of(plan: Plan) -> int:
        assert plan not in sizes, "encoded twice"
        sizes[plan] = 100 + sum(map(len, encode(latent, plan).layers))
        return sizes[plan]

    best = payload.fit_target(10**6, size_of, latent.shape)
    assert kinds.payload(best.kind).lossless
    largest = sizes[best]
    sizes.clear()
    if kind != "direct":
        target = 100 + (largest - 100) // 2
        chosen = payload.fit_target(target, size_of, latent.shape)
        assert sizes[chosen] <= target
        assert chosen.kind == kind
        sizes.clear()
    with pytest.raises(SdzOptionError, match=r"^target_size: .*found 100 bytes, expected at least \d+ bytes"):
        payload.fit_target(100, size_of, latent.shape)


def test_dithered_palettes() -> None:
    latent = latent_of((15, 11, 4))
    plan = PalettePlan((64,), dithered=True)
    encoded = encode(latent, plan)
    assert encoded == encode(latent, plan, 0)  # whatever the effort
    stored = read(encoded, plan, latent.shape)
    assert rms(latent, stored) == pytest.approx(stored.noise, abs=0.126)
    assert len(encoded.layers) == 1
