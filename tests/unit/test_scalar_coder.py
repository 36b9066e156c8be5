"""The scalar payload's coding: passes, prior, tables and rANS, against slow readings of the specification."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_scalar import decode_slowly

from pillow_sdz.coding import rans as ans
from pillow_sdz.errors import SdzFormatError, SdzModelError
from pillow_sdz.payloads.scalar import coder as scalar_coding
from pillow_sdz.payloads.scalar.prior import LARGEST_WEIGHT, MANY_ROWS, UNTHREADED, Prior, PriorShape
from pillow_sdz.payloads.scalar.scan import MOST_KEPT, NEIGHBOURS, passes
from pillow_sdz.payloads.scalar.tables import ESCAPE, EVEN, PRECISION, SYMBOLS, tables

SHAPE = PriorShape(channels=4, groups=2, wide=12, deep=8)


def prior_file(seed: int = 0, shape: PriorShape = SHAPE) -> bytes:
    """Random weights of the size that trained ones have, so that means and scales differ from position to position."""
    rng = np.random.default_rng(seed)
    arrays = []
    for index, (rows, columns) in enumerate(shape.arrays()):
        spread = 60 if rows == 12 * shape.channels + 1 else 1200 if rows > 1 else 0
        arrays.append(
            np.rint(rng.normal(0, spread, (rows, columns))) if index else np.full((2, columns), [[0], [1000]])
        )
    return b"".join(a.astype("<i4").tobytes() for a in arrays)


PRIOR = Prior.from_bytes(prior_file(), SHAPE, file="prior")


def plain_prior(mean: int = 0) -> Prior:
    """Expects the mean of the four nearest neighbours, and at first ``mean``, in 256ths of a code."""
    arrays = [
        np.zeros((rows, columns)) if index else np.full((2, columns), [[mean], [900]])
        for index, (rows, columns) in enumerate(SHAPE.arrays())
    ]
    return Prior.from_bytes(b"".join(a.astype("<i4").tobytes() for a in arrays), SHAPE, file="prior")


def sample(shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rough = rng.laplace(0, 25, shape).astype(np.float32)
    smooth = (rough + np.roll(rough, 1, 0) + np.roll(rough, 1, 1)) / 2
    return np.clip(smooth, -128, 127)


def decode(data: bytes, shape: tuple[int, int, int], step: int, prior: Prior = PRIOR) -> np.ndarray:
    return scalar_coding.decode(data, shape, step, prior, file="a.sdz", field="layer 1")


def rms(error: np.ndarray) -> float:
    return float(np.sqrt(np.square(error).mean()))


@given(st.integers(1, 40), st.integers(1, 40))
@settings(max_examples=30, deadline=None)
def test_passes_fill_the_grid_from_known_positions(height: int, width: int) -> None:
    known = {height * width}
    for each in passes(height, width):
        assert set(each.neighbours.ravel().tolist()) <= known
        assert known.isdisjoint(each.positions.tolist())
        known |= set(each.positions.tolist())
    assert known == set(range(height * width + 1))


def test_neighbours_outside_are_the_opposite_ones() -> None:
    last = passes(4, 4)[-1]
    corner = last.positions.tolist().index(1)  # row 0, column 1: nothing above it
    assert last.neighbours[corner, :4].tolist() == [5, 0, 2, 5]


def test_tables_sum_and_peak_in_the_middle() -> None:
    frequency = tables().frequency.reshape(-1, SYMBOLS)
    assert (frequency.sum(1) == 1 << PRECISION).all()
    assert len(tables().slots) == (EVEN + 1) << PRECISION
    for scale, reach in enumerate(tables().reach):
        used = frequency[scale, : 2 * reach + 2]
        assert (used > 0).all()
        assert not frequency[scale, 2 * reach + 2 :].any()
        if scale < 20:  # above, neighbouring frequencies are equal after rounding
            assert used[1:].argmax() == reach
            assert np.abs(used[1:] - used[:0:-1]).max() <= 1


@pytest.mark.parametrize("scale", [0, 8, 16, 24, 30])
def test_tables_are_logistic(scale: int) -> None:
    reach = int(tables().reach[scale])
    found = tables().frequency.reshape(-1, SYMBOLS)[scale, 1 : 2 * reach + 2] / 4096
    edges = (np.arange(-reach, reach + 2) - 0.5) / 2 ** (scale / 4 - 4)
    expected = np.diff(1 / (1 + np.exp(-edges)))
    np.testing.assert_allclose(found, expected, atol=0.012)


@pytest.mark.parametrize("step", [64, 336, 777, 2048])
@pytest.mark.parametrize("shape", [(1, 1, 4), (1, 40, 4), (5, 7, 4), (17, 33, 4)])
def test_round_trip(shape: tuple[int, int, int], step: int) -> None:
    targets = sample(shape)
    codes = decode(scalar_coding.encode(targets, step, PRIOR), shape, step)
    assert (codes.shape, codes.dtype) == (shape, np.uint8)
    np.testing.assert_array_equal(codes, scalar_coding.quantise(targets, step, PRIOR))
    assert np.abs(codes - 128.0 - targets).max() <= step / 16 / 2 + 1 / 2


@pytest.mark.parametrize("step", [64, 500])
def test_equals_the_slow_reading_of_the_specification(step: int) -> None:
    targets = sample((6, 9, 4), seed=2)
    targets[2, 3] = [9000, -9000, 1200, -2310]  # far outside of every table
    data = scalar_coding.encode(targets, step, PRIOR)
    arrays = np.frombuffer(prior_file(), "<i4").tolist()
    expected = decode(data, (6, 9, 4), step).reshape(-1, 4).tolist()
    assert decode_slowly(data, (6, 9, 4), step, arrays, (4, 2, 12, 8)) == expected


@pytest.mark.parametrize("step", [16, 32, 48, 160])
def test_errors_are_those_of_rounding_where_nothing_can_be_foreseen(step: int) -> None:
    """As small as whole codes allow: with a step of one code they are those of direct codes."""
    targets = np.random.default_rng(step).uniform(-100, 100, (40, 40, 4)).astype(np.float32)
    error = scalar_coding.quantise(targets, step, PRIOR) - 128.0 - targets
    assert np.abs(error).max() <= (0.5001 if step == 16 else step / 32 + 0.5)
    assert rms(error) == pytest.approx(step / 16 / math.sqrt(12), rel=0.04)


def test_extremes_survive() -> None:
    targets = np.array([[[1e30, -1e30, 0, 4]]], np.float32)
    values = [each.value.tolist() for each in scalar_coding.symbols(targets, 64, PRIOR)]
    assert values == [[[32767, -32767]], [[0, 1]]]
    assert decode(scalar_coding.encode(targets, 64, PRIOR), (1, 1, 4), 64).tolist() == [[[255, 0, 128, 132]]]


@pytest.mark.parametrize("digits", [(0, 0, 0), (16, 0, 0), (63, 63, 63)])
def test_values_out_of_range_that_digits_can_say_are_refused(digits: tuple[int, int, int]) -> None:
    encoder = ans.AnsEncoder(1)
    (_, _, table), *_ = scalar_coding.Walk((1, 1, 4), 64, PRIOR).batches()
    encoder.put(table.ravel(), np.array([ESCAPE, tables().reach[table[0, 1]] + 1]))
    for digit in digits:
        encoder.put(np.array([EVEN]), np.array([digit]))
    with pytest.raises(SdzFormatError, match=r"layer 1: holds a value out of range .*less than 32768"):
        decode(encoder.finish(), (1, 1, 4), 64)


def test_steps_are_counted_from_the_mean_and_codes_clipped() -> None:
    walk = scalar_coding.Walk((1, 7, 1), 336, PRIOR)
    value = np.array([-9999, -6, -1, 0, 1, 6, 9999])[:, None]
    place = np.arange(7), slice(0, 1)
    assert walk.put(place, np.array([[0]]), value).ravel().tolist() == [0, 2, 107, 128, 149, 254, 255]
    assert walk.put(place, np.array([[383]]), value).ravel().tolist() == [0, 3, 108, 129, 150, 255, 255]
    assert walk.put(place, np.array([[384]]), value).ravel().tolist() == [0, 4, 109, 130, 151, 255, 255]
    assert walk.known[:, 0].tolist() == [-128, -124, -19, 2, 23, 127, 127, 0]


@pytest.mark.parametrize("step", [64, 1000])
def test_predictions_are_made_from_what_comes_back(step: int) -> None:
    """A walk that knows the decoded codes from the start predicts what the encoder predicted, and nothing changes."""
    targets = sample((13, 21, 4), seed=7)
    codes = decode(scalar_coding.encode(targets, step, PRIOR), targets.shape, step)
    walk = scalar_coding.Walk((13, 21, 4), step, PRIOR)
    walk.known[:-1] = codes.reshape(-1, 4) - 128.0
    before, groups = walk.known.copy(), list(scalar_coding.symbols(targets, step, PRIOR))
    for (place, mean, table), each in zip(walk.batches(), groups, strict=True):
        np.testing.assert_array_equal(each.place[0], place[0])
        assert each.place[1] == place[1]
        np.testing.assert_array_equal(each.table, table)
        wanted = (256 * targets.reshape(-1, 4)[place].astype(float) - mean) / (16 * step)
        np.testing.assert_array_equal(each.value, np.rint(wanted))
        np.testing.assert_array_equal(each.code, walk.put(place, mean, each.value))
    np.testing.assert_array_equal(walk.known, before)


def test_nothing_that_comes_later_changes_what_came_before() -> None:
    targets = sample((9, 9, 4), seed=1)
    other = targets.copy()
    other[::2, 1::2] *= -1  # in the last pass
    other[1::2, ::2] *= -1
    one, two = (scalar_coding.quantise(each, 200, PRIOR) for each in (targets, other))
    earlier = np.add.outer(np.arange(9), np.arange(9)) % 2 == 0
    np.testing.assert_array_equal(one[earlier], two[earlier])
    assert (one != two).any()


def test_what_is_foreseen_has_less_error_than_on_a_fixed_grid() -> None:
    y, x = np.mgrid[:40, :56][..., None]
    wave = np.sin(y / 9 + np.arange(4)) * np.cos(x / 11)
    for prior, step, height, part in ((plain_prior(256 * 37), 1024, 9, 0.3), (plain_prior(), 600, 60, 0.85)):
        smooth = (37 + height * wave).astype(np.float32)
        fixed = np.rint(smooth * 16 / step) * step / 16
        assert rms(scalar_coding.quantise(smooth, step, prior) - 128.0 - smooth) < part * rms(fixed - smooth)


@pytest.mark.parametrize(("mean", "code"), [(LARGEST_WEIGHT, 255), (-LARGEST_WEIGHT, 0), (32512, 255), (32000, 253)])
def test_means_are_clamped_to_codes(mean: int, code: int) -> None:
    prior = plain_prior(mean)
    targets = np.full((1, 1, 4), code - 128, np.float32)
    assert (scalar_coding.quantise(targets, 500, prior) == code).all()
    assert all((each.value == 0).all() for each in scalar_coding.symbols(targets, 500, prior))


@pytest.mark.parametrize("step", [16, 2048])
@pytest.mark.parametrize("signs", [(1, 1), (1, -1), (-1, 1), (0, 0)])
def test_a_hostile_prior_neither_overflows_nor_crashes(signs: tuple[int, int], step: int) -> None:
    """Weights and biases as large as a file can have them; (0, 0) stands for random signs."""
    rng = np.random.default_rng(step)
    arrays = []
    for rows, columns in SHAPE.arrays():
        weight, bias = signs if signs[0] else rng.choice([-1, 1], (2, rows, columns))
        large = np.full((rows, columns), LARGEST_WEIGHT * weight if rows > 1 else (2**31 - 1) * bias)
        arrays.append(large.astype("<i4").tobytes())
    prior = Prior.from_bytes(b"".join(arrays), SHAPE, file="prior")
    walk = scalar_coding.Walk((18, 20, 4), step, prior)
    for place, mean, table in walk.batches():
        assert -(2**15) <= mean.min() <= mean.max() <= 2**15 - 256
        assert 0 <= table.min() <= table.max() < EVEN
        walk.put(place, mean, np.zeros_like(mean))
    targets = sample((18, 20, 4))
    codes = decode(scalar_coding.encode(targets, step, prior), targets.shape, step, prior)
    np.testing.assert_array_equal(codes, scalar_coding.quantise(targets, step, prior))
    assert np.abs(codes - 128.0 - targets).max() <= step / 16 / 2 + 1 / 2


def test_many_lanes_give_the_same_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    targets = sample((19, 23, 4))
    alone = scalar_coding.encode(targets, 200, PRIOR)
    expected = decode(alone, (19, 23, 4), 200)
    monkeypatch.setattr(scalar_coding, "lanes_for", lambda _: 8)
    data = scalar_coding.encode(targets, 200, PRIOR)
    np.testing.assert_array_equal(decode(data, (19, 23, 4), 200), expected)
    assert len(alone) < len(data) <= len(alone) + 8 * 4


@pytest.mark.parametrize("lanes", [1, 2, 16])
def test_lanes_read_back_any_symbols(lanes: int) -> None:
    rng = np.random.default_rng(lanes)
    batches = []
    encoder = ans.AnsEncoder(lanes)
    for count in (0, 1, 5, 16, 200):
        table = rng.integers(0, EVEN + 1, count)
        weights = tables().frequency.reshape(-1, SYMBOLS)[table] / 4096
        symbol = np.array([rng.choice(SYMBOLS, p=row) for row in weights], np.int64)
        encoder.put(table, symbol)
        batches.append((table, symbol))
    data = encoder.finish()
    decoder = ans.AnsDecoder(data, lanes, 222, file="f", field="x")
    for table, symbol in batches:
        np.testing.assert_array_equal(decoder.get(table), symbol)
    decoder.finish()


@pytest.mark.parametrize("lanes", [1, 4])
def test_every_cut_and_every_flipped_bit_is_an_error(lanes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scalar_coding, "lanes_for", lambda _: lanes)
    targets = sample((5, 6, 4), seed=1)
    # The last digits of an escape are bits as they are: nothing that follows would show that one has changed.
    assert not any(each.escaped.any() for each in scalar_coding.symbols(targets, 500, PRIOR))
    data = scalar_coding.encode(targets, 500, PRIOR)
    for length in range(len(data)):
        with pytest.raises(SdzFormatError, match=r"a\.sdz.*layer 1"):
            decode(data[:length], (5, 6, 4), 500)
    missed = 0
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            decode(bytes(damaged), (5, 6, 4), 500)
        except SdzFormatError:
            continue
        missed += 1
    assert missed == 0
    with pytest.raises(SdzFormatError):
        decode(data + b"\0\0", (5, 6, 4), 500)


def test_prior_files_are_checked() -> None:
    data = prior_file()
    with pytest.raises(SdzModelError, match="size"):
        Prior.from_bytes(data[:-4], SHAPE, file="prior.i32")
    large = np.frombuffer(data, "<i4").copy()
    large[2 * 4] = -LARGEST_WEIGHT - 1
    with pytest.raises(SdzModelError, match="weights"):
        Prior.from_bytes(large.tobytes(), SHAPE, file="prior.i32")


def test_a_better_prior_needs_fewer_bytes() -> None:
    """The context matters: the same values in another order cost more."""
    targets = np.repeat(np.repeat(sample((8, 8, 4), seed=5), 4, 0), 4, 1)
    shuffled = np.random.default_rng(0).permutation(targets.reshape(-1, 4)).reshape(targets.shape)
    plain = plain_prior()
    assert len(scalar_coding.encode(targets, 200, plain)) < 0.8 * len(scalar_coding.encode(shuffled, 200, plain))


BLOCK = UNTHREADED // (NEIGHBOURS * SHAPE.channels * SHAPE.wide)


@pytest.mark.parametrize("count", [1, BLOCK - 1, BLOCK, 3 * BLOCK + 1, MANY_ROWS + 1])
def test_predictions_do_not_depend_on_how_many_are_made_at_once(count: int) -> None:
    rng = np.random.default_rng(count)
    context = rng.integers(-128, 128, (count, NEIGHBOURS, SHAPE.channels)).astype(np.float64)
    near, own = context[:, :4].sum(1), context[:, 0].copy()

    def predict(rows: slice) -> tuple[np.ndarray, np.ndarray]:
        return PRIOR.predict(1, 1, PRIOR.share(1, context[rows], 40), near[rows], own[rows])

    whole, last = predict(slice(None)), predict(slice(max(0, count - 3), None))
    for ours, theirs in zip(whole, last, strict=True):
        assert len(ours) == count
        assert np.array_equal(ours[max(0, count - 3) :], theirs)


def test_large_latents_are_predicted_in_parts_with_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    targets = sample((30, 41, 4))
    data = scalar_coding.encode(targets, 160, PRIOR)
    codes = decode(data, targets.shape, 160)
    monkeypatch.setattr(scalar_coding, "_PART", 37)
    assert scalar_coding.encode(targets, 160, PRIOR) == data
    np.testing.assert_array_equal(decode(data, targets.shape, 160), codes)


def test_a_stream_of_the_wrong_length_is_refused_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scalar_coding, "Walk", None)
    states = (ans.LOWEST).to_bytes(4, "little")
    for data in (b"", states[:3], states + bytes(2 * 4 * 8 * 4 + 2)):
        with pytest.raises(SdzFormatError, match="a length that no encoder gives"):
            decode(data, (2, 4, 4), 160)


def test_the_passes_of_large_latents_are_not_kept() -> None:
    assert passes(16, 16) is passes(16, 16)
    assert passes(1, MOST_KEPT + 1) is not passes(1, MOST_KEPT + 1)
