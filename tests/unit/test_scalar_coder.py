"""The coder of scalar payloads: compared with the reference decoder, at extremes, and with damaged streams."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from reference_scalar import decode_slowly
from scalar_samples import PRIOR, SHAPE, plain_prior, prior_file, sample

from pillow_sdz.coding import rans
from pillow_sdz.errors import SdzFormatError
from pillow_sdz.payloads.scalar import decoder as scalar_decoder
from pillow_sdz.payloads.scalar import encoder as scalar_encoder
from pillow_sdz.payloads.scalar import traversal as scalar_traversal
from pillow_sdz.payloads.scalar.prior import LARGEST_WEIGHT, Prior
from pillow_sdz.payloads.scalar.tables import ESCAPE, UNIFORM, tables

if TYPE_CHECKING:
    from numpy.typing import NDArray


def decode(data: bytes, shape: tuple[int, int, int], step: int, prior: Prior = PRIOR) -> NDArray[Any]:
    return scalar_decoder.decode(scalar_decoder.Stream([data], 1), shape, step, prior)


def encode(targets: NDArray[np.float32], step: int, prior: Prior = PRIOR) -> bytes:
    """The stream as one layer."""
    return b"".join(scalar_encoder.encode(targets, step, prior))


def set_lanes(monkeypatch: pytest.MonkeyPatch, lanes: int) -> None:
    for module in (scalar_encoder, scalar_decoder):
        monkeypatch.setattr(module, "lanes_for", lambda _: lanes)


def rms(error: NDArray[Any]) -> float:
    return float(np.sqrt(np.square(error).mean()))


@pytest.mark.parametrize("step", [64, 336, 777, 2048])
@pytest.mark.parametrize("shape", [(1, 1, 4), (1, 40, 4), (5, 7, 4), (17, 33, 4)])
def test_round_trip(shape: tuple[int, int, int], step: int) -> None:
    targets = sample(shape)
    codes = decode(encode(targets, step, PRIOR), shape, step)
    assert codes.shape == shape
    assert codes.dtype == np.uint8
    np.testing.assert_array_equal(codes, scalar_encoder.quantise(targets, step, PRIOR))
    assert np.abs(codes - 128.0 - targets).max() <= step / 16 / 2 + 1 / 2


@pytest.mark.parametrize("step", [64, 500])
def test_equals_the_reference_decoder(step: int) -> None:
    targets = sample((6, 9, 4), seed=2)
    targets[2, 3] = [9000, -9000, 1200, -2310]  # far outside of every table
    data = encode(targets, step, PRIOR)
    arrays = np.frombuffer(prior_file(), "<i4").tolist()
    expected = decode(data, (6, 9, 4), step).reshape(-1, 4).tolist()
    assert decode_slowly(data, (6, 9, 4), step, arrays, (4, 2, 12, 8)) == expected


@pytest.mark.parametrize("step", [16, 32, 48, 160])
def test_errors_are_those_of_rounding_where_nothing_can_be_predicted(step: int) -> None:
    """As small as whole codes allow: with a step of one code they are those of direct codes."""
    targets = np.random.default_rng(step).uniform(-100, 100, (40, 40, 4)).astype(np.float32)
    error = scalar_encoder.quantise(targets, step, PRIOR) - 128.0 - targets
    assert np.abs(error).max() <= (0.5001 if step == 16 else step / 32 + 0.5)
    assert rms(error) == pytest.approx(step / 16 / math.sqrt(12), rel=0.04)


def test_extremes_survive() -> None:
    targets = np.array([[[1e30, -1e30, 0, 4]]], np.float32)
    levels = [each.level.tolist() for each in scalar_encoder.symbols(targets, 64, PRIOR)]
    assert levels == [[[32767, -32767]], [[0, 1]]]
    assert decode(encode(targets, 64, PRIOR), (1, 1, 4), 64).tolist() == [[[255, 0, 128, 132]]]


@pytest.mark.parametrize("digits", [(0, 0, 0), (16, 0, 0), (63, 63, 63)])
def test_escape_codes_of_levels_out_of_range_are_refused(digits: tuple[int, int, int]) -> None:
    encoder = rans.AnsEncoder(1, tables())
    (_, _, table), *_ = scalar_traversal.ScalarTraversal((1, 1, 4), 64, PRIOR).predictions()
    encoder.put(table.ravel(), np.array([ESCAPE, tables().reach[table[0, 1]] + 1]))
    for digit in digits:
        encoder.put(np.array([UNIFORM]), np.array([digit]))
    with pytest.raises(SdzFormatError, match=r"layer 1, values: holds a value out of range .*less than 32768"):
        decode(b"".join(encoder.finish()), (1, 1, 4), 64)


def test_steps_are_counted_from_the_mean_and_codes_clipped() -> None:
    traversal = scalar_traversal.ScalarTraversal((1, 7, 1), 336, PRIOR)
    level = np.array([-9999, -6, -1, 0, 1, 6, 9999])[:, None]
    place = np.arange(7), slice(0, 1)
    assert traversal.reconstruct(place, np.array([[0]]), level).ravel().tolist() == [0, 2, 107, 128, 149, 254, 255]
    assert traversal.reconstruct(place, np.array([[383]]), level).ravel().tolist() == [0, 3, 108, 129, 150, 255, 255]
    assert traversal.reconstruct(place, np.array([[384]]), level).ravel().tolist() == [0, 4, 109, 130, 151, 255, 255]
    assert traversal.reconstructed[:, 0].tolist() == [-128, -124, -19, 2, 23, 127, 127, 0]


@pytest.mark.parametrize("step", [64, 1000])
def test_predictions_are_made_from_reconstructed_values(step: int) -> None:
    """A traversal that starts with all decoded codes predicts what the encoder predicted, and changes no code."""
    targets = sample((13, 21, 4), seed=7)
    codes = decode(encode(targets, step, PRIOR), targets.shape, step)
    traversal = scalar_traversal.ScalarTraversal((13, 21, 4), step, PRIOR)
    traversal.reconstructed[:-1] = codes.reshape(-1, 4) - 128.0
    before, groups = traversal.reconstructed.copy(), list(scalar_encoder.symbols(targets, step, PRIOR))
    for (place, mean, table), each in zip(traversal.predictions(), groups, strict=True):
        np.testing.assert_array_equal(each.place[0], place[0])
        assert each.place[1] == place[1]
        np.testing.assert_array_equal(each.table, table)
        exact = (256 * targets.reshape(-1, 4)[place].astype(float) - mean) / (16 * step)
        np.testing.assert_array_equal(each.level, np.rint(exact))
        np.testing.assert_array_equal(each.code, traversal.reconstruct(place, mean, each.level))
    np.testing.assert_array_equal(traversal.reconstructed, before)


def test_later_passes_do_not_change_the_codes_of_earlier_ones() -> None:
    targets = sample((9, 9, 4), seed=1)
    other = targets.copy()
    other[::2, 1::2] *= -1  # in the last pass
    other[1::2, ::2] *= -1
    one, two = (scalar_encoder.quantise(each, 200, PRIOR) for each in (targets, other))
    earlier = np.add.outer(np.arange(9), np.arange(9)) % 2 == 0
    np.testing.assert_array_equal(one[earlier], two[earlier])
    assert (one != two).any()


def test_steps_from_a_prediction_have_less_error_than_a_fixed_grid() -> None:
    y, x = np.mgrid[:40, :56][..., None]
    wave = np.sin(y / 9 + np.arange(4)) * np.cos(x / 11)
    for prior, step, height, part in ((plain_prior(256 * 37), 1024, 9, 0.3), (plain_prior(), 600, 60, 0.85)):
        smooth = (37 + height * wave).astype(np.float32)
        fixed = np.rint(smooth * 16 / step) * step / 16
        assert rms(scalar_encoder.quantise(smooth, step, prior) - 128.0 - smooth) < part * rms(fixed - smooth)


@pytest.mark.parametrize(("mean", "code"), [(LARGEST_WEIGHT, 255), (-LARGEST_WEIGHT, 0), (32512, 255), (32000, 253)])
def test_means_are_clamped_to_codes(mean: int, code: int) -> None:
    prior = plain_prior(mean)
    targets = np.full((1, 1, 4), code - 128, np.float32)
    assert (scalar_encoder.quantise(targets, 500, prior) == code).all()
    assert all((each.level == 0).all() for each in scalar_encoder.symbols(targets, 500, prior))


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
    prior = Prior.from_bytes(b"".join(arrays), SHAPE)
    traversal = scalar_traversal.ScalarTraversal((18, 20, 4), step, prior)
    for place, mean, table in traversal.predictions():
        assert -(2**15) <= mean.min() <= mean.max() <= 2**15 - 256
        assert 0 <= table.min() <= table.max() < UNIFORM
        traversal.reconstruct(place, mean, np.zeros_like(mean))
    targets = sample((18, 20, 4))
    codes = decode(encode(targets, step, prior), targets.shape, step, prior)
    np.testing.assert_array_equal(codes, scalar_encoder.quantise(targets, step, prior))
    assert np.abs(codes - 128.0 - targets).max() <= step / 16 / 2 + 1 / 2


def test_many_lanes_give_the_same_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    targets = sample((19, 23, 4))
    alone = encode(targets, 200, PRIOR)
    expected = decode(alone, (19, 23, 4), 200)
    set_lanes(monkeypatch, 8)
    data = encode(targets, 200, PRIOR)
    np.testing.assert_array_equal(decode(data, (19, 23, 4), 200), expected)
    assert len(alone) < len(data) <= len(alone) + 8 * 4


@pytest.mark.parametrize("lanes", [1, 4])
def test_every_cut_and_every_flipped_bit_is_an_error(lanes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    set_lanes(monkeypatch, lanes)
    targets = sample((5, 6, 4), seed=1)
    # The last digits of an escape code have uniform frequencies: a changed digit would not be noticed.
    assert not any(each.escaped.any() for each in scalar_encoder.symbols(targets, 500, PRIOR))
    data = encode(targets, 500, PRIOR)
    for length in range(len(data)):
        with pytest.raises(SdzFormatError, match=r"^layer 1, values: "):
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


def test_predictable_values_take_fewer_bytes() -> None:
    """The prior predicts from neighbours: the same values in random order take more bytes."""
    targets = np.repeat(np.repeat(sample((8, 8, 4), seed=5), 4, 0), 4, 1)
    shuffled = np.random.default_rng(0).permutation(targets.reshape(-1, 4)).reshape(targets.shape)
    plain = plain_prior()
    assert len(encode(targets, 200, plain)) < 0.8 * len(encode(shuffled, 200, plain))


def test_large_latents_are_predicted_in_parts_with_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    targets = sample((30, 41, 4))
    data = encode(targets, 160, PRIOR)
    codes = decode(data, targets.shape, 160)
    monkeypatch.setattr(scalar_traversal, "_CHUNK", 37)
    assert encode(targets, 160, PRIOR) == data
    np.testing.assert_array_equal(decode(data, targets.shape, 160), codes)


def test_a_stream_of_the_wrong_length_is_refused_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scalar_decoder, "ScalarTraversal", None)
    states = (rans.LOWEST_STATE).to_bytes(4, "little")
    for data in (b"", states[:3], states + bytes(2 * 4 * 8 * 4 + 2)):
        with pytest.raises(SdzFormatError, match=r"a length that no encoder gives|ends too early"):
            decode(data, (2, 4, 4), 160)


SHAPE_OF_LAYERS = (35, 50, 4)


def layers_of(count: int) -> tuple[list[bytes], NDArray[np.uint8]]:
    """A stream of ``count`` layers, and its codes."""
    targets = sample(SHAPE_OF_LAYERS)
    pieces = scalar_encoder.encode(targets, 300, PRIOR)
    return [*pieces[: count - 1], b"".join(pieces[count - 1 :])], scalar_encoder.quantise(targets, 300, PRIOR)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("stride", [1, 2, 4, 8])
def test_grids_of_streams_in_layers(count: int, stride: int) -> None:
    pieces, codes = layers_of(count)
    grid = scalar_decoder.decode(scalar_decoder.Stream(pieces, count), SHAPE_OF_LAYERS, 300, PRIOR, stride=stride)
    np.testing.assert_array_equal(grid, codes[::stride, ::stride])


@pytest.mark.parametrize(("stride", "needed"), [(8, 1), (4, 1), (2, 2)])
def test_grids_need_the_first_layers_only(stride: int, needed: int) -> None:
    pieces, codes = layers_of(4)
    grid = scalar_decoder.decode(scalar_decoder.Stream(pieces[:needed], 4), SHAPE_OF_LAYERS, 300, PRIOR, stride=stride)
    np.testing.assert_array_equal(grid, codes[::stride, ::stride])


@pytest.mark.parametrize("lanes", [1, 4])
def test_what_did_not_arrive_is_predicted(lanes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values that arrived are right, and there are more of them with each byte."""
    set_lanes(monkeypatch, lanes)
    pieces, codes = layers_of(4)
    right = []
    for layer, piece in enumerate(pieces):
        for length in range(4 * lanes if layer == 0 else 0, len(piece), 97):
            stream = scalar_decoder.Stream([*pieces[:layer], piece[:length]], 4, cut=True)
            right.append((scalar_decoder.decode(stream, SHAPE_OF_LAYERS, 300, PRIOR) == codes).mean())
        stream = scalar_decoder.Stream(pieces[: layer + 1], 4)
        right.append((scalar_decoder.decode(stream, SHAPE_OF_LAYERS, 300, PRIOR) == codes).mean())
    assert right[0] < 0.1
    assert (np.diff(right) > -0.02).all()
    assert right[-1] == 1


def test_words_of_another_layer_are_refused() -> None:
    pieces, _ = layers_of(4)
    moved = [pieces[0] + pieces[1][:2], pieces[1][2:], *pieces[2:]]
    with pytest.raises(SdzFormatError, match="layer 1, values: does not end where its last symbol ends"):
        scalar_decoder.decode(scalar_decoder.Stream(moved, 4), SHAPE_OF_LAYERS, 300, PRIOR)
    moved = [*pieces[:2], pieces[2][:-2], pieces[2][-2:] + pieces[3]]
    with pytest.raises(SdzFormatError, match="layer 3, values: ends too early"):
        scalar_decoder.decode(scalar_decoder.Stream(moved, 4), SHAPE_OF_LAYERS, 300, PRIOR)
