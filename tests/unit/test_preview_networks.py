"""Preview networks: compared with the words of the specification, and the checks of their file."""

from __future__ import annotations

import numpy as np
import pytest
from preview_samples import CHANNELS, SHAPE, preview_file, preview_slowly

from pillow_sdz.coding import threads
from pillow_sdz.errors import SdzModelError
from pillow_sdz.payloads import preview_networks as module
from pillow_sdz.payloads.preview_networks import STRIDES, LayerShape, PreviewNetworks, PreviewShape

NETWORKS = PreviewNetworks.from_bytes(preview_file(), SHAPE)

SMALL = PreviewShape(1, ((LayerShape(1, 2), LayerShape(1, 3)),))
"""One network of 4 + 9 numbers: weights and biases of two outputs, then of three; see `small`."""


def small(weight: int, bias: int = 0) -> bytes:
    """A file of `SMALL` whose first layer has this weight and this bias, twice; all other numbers are 0."""
    return np.array([weight, weight, bias, bias, *[0] * 9], "<i4").tobytes()


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("size", [(1, 1), (1, 6), (5, 4)])
def test_previews_are_those_of_the_specification(size: tuple[int, int], stride: int) -> None:
    codes = np.random.default_rng(stride).integers(0, 256, (*size, CHANNELS), np.uint8)
    picture = NETWORKS.preview(codes, stride)
    assert picture.dtype == np.uint8
    assert picture.tolist() == preview_slowly(codes, preview_file(), stride)
    assert len(np.unique(picture)) > min(3, picture.size - 3)


def test_large_previews_are_made_in_bands_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = np.random.default_rng(0).integers(0, 256, (23, 7, CHANNELS), np.uint8)
    whole = NETWORKS.preview(codes, 1)
    for band in (1, 7, 21, 70):
        monkeypatch.setattr(module, "BAND_POSITIONS", band)
        for few in (1, 99):
            monkeypatch.setattr(threads, "FEW", few)
            assert (NETWORKS.preview(codes, 1) == whole).all()


def test_sums_are_exact_up_to_the_largest() -> None:
    rng = np.random.default_rng(3)
    shape = PreviewShape(64, ((LayerShape(1, 3),),))
    weights = rng.integers(0, 2, (64, 3)) * 4094 - 2047  # 128 * 64 * 2047 + 8192 is 2**24
    bias = np.array([8192, -8192, 1])
    file = np.concatenate([weights.ravel(), bias]).astype("<i4").tobytes()
    codes = rng.integers(0, 256, (40, 40, 64), np.uint8)
    codes[0, 0] = np.where(weights[:, 0] > 0, 255, 0)
    picture = PreviewNetworks.from_bytes(file, shape).preview(codes, 1)
    expected = ((codes.astype(np.int64) - 128) @ weights + bias) >> 10
    assert expected.max() > 2**13
    assert ((expected > 0) & (expected < 255)).mean() > 0.05
    assert np.array_equal(picture, expected.clip(0, 255))


def test_files_are_checked() -> None:
    for data in (preview_file()[:-4], preview_file() + bytes(4)):
        with pytest.raises(SdzModelError, match="size"):
            PreviewNetworks.from_bytes(data, SHAPE)
    PreviewNetworks.from_bytes(small(2**17), SMALL)
    PreviewNetworks.from_bytes(small(2**17 - 1, bias=-128), SMALL)
    for data in (small(2**17 + 1), small(-(2**17), bias=1), small(-(2**31)), small(0, bias=-(2**31))):
        with pytest.raises(SdzModelError, match=r"sums of layer 1: .*expected at most 16777216"):
            PreviewNetworks.from_bytes(data, SMALL)


def test_hidden_values_bound_the_sums_of_later_layers() -> None:
    numbers = np.zeros(13, "<i4")
    numbers[4] = numbers[7] = 16416  # 2 * 511 * 16416 is just below 2**24
    PreviewNetworks.from_bytes(numbers.tobytes(), SMALL)
    numbers[7] += 1
    with pytest.raises(SdzModelError, match="sums of layer 2"):
        PreviewNetworks.from_bytes(numbers.tobytes(), SMALL)
