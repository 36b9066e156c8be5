"""The scalar payload's coding: passes, prior, tables and rANS, against slow readings of the specification."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_scalar import decode_slowly

from pillow_sdz import ans, scalar_coding
from pillow_sdz.errors import SdzFormatError, SdzModelError
from pillow_sdz.passes import MOST_KEPT, NEIGHBOURS, passes
from pillow_sdz.prior import LARGEST_WEIGHT, MANY_ROWS, UNTHREADED, Prior, PriorShape
from pillow_sdz.prior_tables import EVEN, PRECISION, SYMBOLS, tables

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


def sample(shape: tuple[int, int, int], step: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rough = rng.laplace(0, 25, shape).astype(np.float32)
    smooth = (rough + np.roll(rough, 1, 0) + np.roll(rough, 1, 1)) / 2
    return scalar_coding.quantise(np.clip(smooth, -128, 127), step)


def decode(data: bytes, shape: tuple[int, int, int], step: int) -> np.ndarray:
    return scalar_coding.decode(data, shape, step, PRIOR, file="a.sdz", field="layer 1")


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


def test_tables_sum_and_peak_where_the_mean_is() -> None:
    frequency = tables().frequency.reshape(-1, SYMBOLS)
    assert (frequency.sum(1) == 1 << PRECISION).all()
    assert len(tables().slots) == (EVEN + 1) << PRECISION
    for scale, reach in enumerate(tables().reach):
        used = frequency[8 * scale : 8 * scale + 8, : 2 * reach + 2]
        assert (used > 0).all()
        if scale < 20:  # above, neighbouring frequencies are equal after rounding
            assert (used[:4].argmax(1) == reach + 1).all()
            assert (used[5:].argmax(1) == reach + 2).all()


@pytest.mark.parametrize("scale", [0, 8, 16, 24, 30])
@pytest.mark.parametrize("fraction", [0, 3, 7])
def test_tables_are_logistic(scale: int, fraction: int) -> None:
    reach = int(tables().reach[scale])
    found = tables().frequency.reshape(-1, SYMBOLS)[8 * scale + fraction, 1 : 2 * reach + 2] / 4096
    edges = (np.arange(-reach, reach + 2) - 0.5 - fraction / 8) / 2 ** (scale / 4 - 4)
    expected = np.diff(1 / (1 + np.exp(-edges)))
    np.testing.assert_allclose(found, expected, atol=0.012)


@pytest.mark.parametrize("step", [64, 336, 777, 2048])
@pytest.mark.parametrize("shape", [(1, 1, 4), (1, 40, 4), (5, 7, 4), (17, 33, 4)])
def test_round_trip(shape: tuple[int, int, int], step: int) -> None:
    values = sample(shape, step)
    data = scalar_coding.encode(values, step, PRIOR)
    np.testing.assert_array_equal(decode(data, shape, step), values)


@pytest.mark.parametrize("step", [64, 500])
def test_equals_the_slow_reading_of_the_specification(step: int) -> None:
    values = sample((6, 9, 4), step, seed=2)
    values[2, 3] = [3000, -3000, 40, -77]  # far outside of every table
    data = scalar_coding.encode(values, step, PRIOR)
    arrays = np.frombuffer(prior_file(), "<i4").tolist()
    assert decode_slowly(data, (6, 9, 4), step, arrays, (4, 2, 12, 8)) == values.reshape(-1, 4).tolist()


def test_extremes_survive() -> None:
    values = np.array([[[32767, -32767, 0, 1]]], np.int16)
    assert (decode(scalar_coding.encode(values, 64, PRIOR), (1, 1, 4), 64) == values).all()


def test_codes_are_clipped_multiples() -> None:
    values = np.array([-9999, -6, -1, 0, 1, 6, 9999], np.int16)
    assert scalar_coding.to_codes(values, 336).tolist() == [0, 2, 107, 128, 149, 254, 255]


def test_many_lanes_give_the_same_values(monkeypatch: pytest.MonkeyPatch) -> None:
    values = sample((19, 23, 4), 200)
    alone = scalar_coding.encode(values, 200, PRIOR)
    monkeypatch.setattr(scalar_coding, "lanes_for", lambda _: 8)
    data = scalar_coding.encode(values, 200, PRIOR)
    np.testing.assert_array_equal(decode(data, (19, 23, 4), 200), values)
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
    values = sample((5, 6, 4), 300)
    data = scalar_coding.encode(values, 300, PRIOR)
    for length in range(len(data)):
        with pytest.raises(SdzFormatError, match=r"a\.sdz.*layer 1"):
            decode(data[:length], (5, 6, 4), 300)
    missed = 0
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            decode(bytes(damaged), (5, 6, 4), 300)
        except SdzFormatError:
            continue
        missed += 1
    assert missed == 0
    with pytest.raises(SdzFormatError):
        decode(data + b"\0\0", (5, 6, 4), 300)


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
    values = np.repeat(np.repeat(sample((8, 8, 4), 200, seed=5), 4, 0), 4, 1)
    shuffled = np.random.default_rng(0).permutation(values.reshape(-1, 4)).reshape(values.shape)
    flat = b"".join(
        np.zeros((rows, columns), "<i4").tobytes()
        if index
        else np.array([[0] * columns, [900] * columns], "<i4").tobytes()
        for index, (rows, columns) in enumerate(SHAPE.arrays())
    )
    plain = Prior.from_bytes(flat, SHAPE, file="prior")  # the mean of the four nearest neighbours, and nothing else
    assert len(scalar_coding.encode(values, 200, plain)) < 0.8 * len(scalar_coding.encode(shuffled, 200, plain))


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
    values = sample((30, 41, 4), 160)
    data = scalar_coding.encode(values, 160, PRIOR)
    monkeypatch.setattr(scalar_coding, "_PART", 37)
    assert scalar_coding.encode(values, 160, PRIOR) == data
    np.testing.assert_array_equal(decode(data, values.shape, 160), values)


def test_a_stream_of_the_wrong_length_is_refused_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scalar_coding, "Walk", None)
    states = (ans.LOWEST).to_bytes(4, "little")
    for data in (b"", states[:3], states + bytes(2 * 4 * 8 * 4 + 2)):
        with pytest.raises(SdzFormatError, match="a length that no encoder gives"):
            decode(data, (2, 4, 4), 160)


def test_the_passes_of_large_latents_are_not_kept() -> None:
    assert passes(16, 16) is passes(16, 16)
    assert passes(1, MOST_KEPT + 1) is not passes(1, MOST_KEPT + 1)
