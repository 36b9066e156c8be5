"""Modules of Pillow that know nothing of the format go through the plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import toy_model
from PIL import Image, ImageOps, ImageSequence
from toy_files import file_of

import pillow_sdz  # noqa: F401

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("toy")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "cat.sdz"
    path.write_bytes(file_of(toy_model.blocks(64, 40)))
    return path


def test_sequence_fit_and_another_format(file: Path, tmp_path: Path) -> None:
    with Image.open(file) as image:
        assert [frame.size for frame in ImageSequence.Iterator(image)] == [(64, 40)]
    with Image.open(file) as image:
        assert ImageOps.fit(image, (20, 20)).size == (20, 20)
    with Image.open(file) as image:
        image.save(tmp_path / "cat.png")
    with Image.open(tmp_path / "cat.png") as copy:
        assert copy.size == (64, 40)
