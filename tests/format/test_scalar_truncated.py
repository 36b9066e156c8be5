"""Files with a scalar payload whose end is missing: refused, or shown as far as they arrived."""

from __future__ import annotations

import io
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
import toy_scalar
from PIL import Image, ImageFile
from toy_scalar import error_of, saved

from pillow_sdz.codec.file import read
from pillow_sdz.container.sections import parse
from pillow_sdz.errors import SdzFormatError, SdzTruncatedError
from pillow_sdz.payloads.protocol import Truncation

if TYPE_CHECKING:
    from pathlib import Path

STEP_AND_STATE = 6
"""Bytes of the first layer before its first word."""


@pytest.fixture(autouse=True)
def model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    toy_scalar.install_model(monkeypatch, tmp_path)


@pytest.fixture
def photo(chelsea: Image.Image) -> Image.Image:
    return chelsea.resize((400, 304))


def test_a_cut_of_any_length_is_refused_and_shows_what_arrived_on_request(
    photo: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = saved(photo, step=4.0, text={"Title": "cat"}).getvalue()
    layers = parse(data).layers
    assert len(layers) == 4
    first = data.index(layers[0])
    ends = [data.index(body) + len(body) + 4 for body in layers]
    for length in [*range(9, first), *range(first, len(data), 7)]:
        with pytest.raises(SdzTruncatedError) as error:
            Image.open(io.BytesIO(data[:length]))
        assert ("LOAD_TRUNCATED_IMAGES" in str(error.value)) == (length > first)
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    for length in range(9, first + STEP_AND_STATE):
        with pytest.raises(SdzTruncatedError):
            Image.open(io.BytesIO(data[:length]))
    errors = []
    for length in range(first + STEP_AND_STATE, len(data), 101):
        opened = Image.open(io.BytesIO(data[:length]))
        assert opened.info["Title"] == "cat"
        whole = sum(end <= length for end in ends)
        assert (opened.info["layers"], opened.info["missing_layers"]) == (whole, 4 - whole)
        with pytest.warns(UserWarning, match=rf"truncated or damaged: decoding {whole} of 4 layers"):
            errors.append(error_of(io.BytesIO(data[:length]), photo))
        opened = Image.open(io.BytesIO(data[:length]))
        with pytest.raises(SdzTruncatedError):
            opened.verify()
    assert errors[-1] < 0.3 * errors[0]
    assert all(later < 1.05 * earlier + 0.5 for earlier, later in pairwise(errors))


def test_thumbnails_of_cut_files_need_the_layers_of_their_grid(
    photo: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = saved(photo, step=4.0).getvalue()
    cut = data[: data.index(parse(data).layers[2])]  # two of four layers: the grid of every second position
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    np.testing.assert_array_equal(read(cut, allow_truncated=True).codes(2), read(data).codes()[::2, ::2])
    assert (read(cut, allow_truncated=True).codes() != read(data).codes()).any()


def test_damaged_layers_are_not_shown(photo: Image.Image) -> None:
    """A wrong checksum, unlike a missing end, makes a layer unusable, and those after it."""
    data = bytearray(saved(photo).getvalue())
    data[-20] ^= 1
    truncation = read(bytes(data), allow_truncated=True).container.truncation
    assert truncation == Truncation(1)
    data[data.index(parse(saved(photo).getvalue()).layers[0]) + 9] ^= 1
    with pytest.raises(SdzFormatError, match="checksum"):
        read(bytes(data), allow_truncated=True)
