"""Whole round trips through the shipped model: sizes, damage, and the same picture alone and after others."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

import pillow_sdz
from pillow_sdz.container.magic import MAGIC

GOLDEN = Path(__file__).parents[1] / "vectors" / "v0" / "scalar" / "file.sdz"


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (1, 500), (20_000, 2), (513, 511), (4000, 3000)])
def test_sizes_come_back(size: tuple[int, int], astronaut: Image.Image) -> None:
    small = min(size) < 100  # a piece, which a photo might have; shrunk so far it would be noise
    picture = astronaut.crop((40, 40, 40 + size[0], 40 + size[1])) if small else astronaut.resize(size)
    file = io.BytesIO()
    picture.save(file, "SDZ", effort=1)
    with Image.open(file) as opened:
        assert opened.size == size
        decoded = np.asarray(opened, float)
    assert decoded.shape == (size[1], size[0], 3)
    assert np.abs(decoded - np.asarray(picture, float)).mean() < 25


def opened(data: bytes) -> None:
    with Image.open(io.BytesIO(data)) as image:
        image.load()


def test_every_flipped_bit_of_a_real_file_is_refused() -> None:
    data = GOLDEN.read_bytes()
    opened(data)
    for position in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[position // 8] ^= 1 << position % 8
        expected = UnidentifiedImageError if position < 8 * len(MAGIC) else pillow_sdz.SdzError
        with pytest.raises(expected):
            opened(bytes(damaged))


def test_every_cut_of_a_real_file_is_refused() -> None:
    data = GOLDEN.read_bytes()
    for length in range(len(data)):
        expected = UnidentifiedImageError if length < len(MAGIC) else pillow_sdz.SdzError
        with pytest.raises(expected):
            opened(data[:length])


def test_a_picture_decodes_alike_alone_and_after_others(chelsea: Image.Image, coffee: Image.Image) -> None:
    file = io.BytesIO()
    chelsea.save(file, "SDZ")
    first = np.asarray(Image.open(file), int)
    other = io.BytesIO()
    coffee.save(other, "SDZ")
    opened(other.getvalue())
    assert np.abs(np.asarray(Image.open(file), int) - first).max() <= 1


def test_the_unet_does_something(chelsea: Image.Image) -> None:
    file = io.BytesIO()
    chelsea.save(file, "SDZ", quality=20)
    pictures = []
    for steps in (0, 1):
        with Image.open(file) as image:
            assert isinstance(image, pillow_sdz.SdzImageFile)
            image.denoise_steps = steps
            pictures.append(np.asarray(image, int))
    assert np.abs(pictures[0] - pictures[1]).max() > 1
