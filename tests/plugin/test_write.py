"""``pillow_sdz.write``: a file whole or not at all; and the names of the public interface."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import toy_model
from cli_fakes import names_in
from in_memory import assert_pixels, saved
from PIL import Image

import pillow_sdz
from pillow_sdz.errors import SdzModelError, SdzOptionError

if TYPE_CHECKING:
    from pathlib import Path

    from toy_model import Toy

pytestmark = pytest.mark.usefixtures("toy")


@pytest.fixture
def image() -> Image.Image:
    return Image.fromarray(toy_model.blocks(40, 20))


def test_the_bytes_are_those_of_save(image: Image.Image, tmp_path: Path) -> None:
    for target in (tmp_path / "a.sdz", str(tmp_path / "b.other")):
        pillow_sdz.write(image, target, colors=16, text={"Title": "cat"})
        with open(target, "rb") as file:  # noqa: PTH123 - of both types
            assert file.read() == saved(image, colors=16, text={"Title": "cat"})
    assert names_in(tmp_path) == ["a.sdz", "b.other"]


def test_an_opened_file_over_itself(image: Image.Image, tmp_path: Path) -> None:
    image.save(tmp_path / "a.sdz")
    with Image.open(tmp_path / "a.sdz") as opened:
        pillow_sdz.write(opened, tmp_path / "a.sdz")
    with Image.open(tmp_path / "a.sdz") as again:
        assert_pixels(again, image)


def test_a_failure_leaves_the_old_file(
    image: Image.Image, tmp_path: Path, toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.sdz"
    file.write_bytes(b"old")
    with pytest.raises(SdzOptionError, match=r"a\.sdz: quality: is out of range"):
        pillow_sdz.write(image, file, quality=500)
    toy.failure = SdzModelError("no such model")
    with pytest.raises(SdzModelError, match=r"a\.sdz: no such model"):
        pillow_sdz.write(image, file)
    toy.failure = None

    def fail(descriptor: int) -> None:
        raise OSError("full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="full"):
        pillow_sdz.write(image, file)
    assert file.read_bytes() == b"old"
    assert names_in(tmp_path) == ["a.sdz"]


def test_a_folder_that_is_not_there(image: Image.Image, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        pillow_sdz.write(image, tmp_path / "missing" / "a.sdz")
    assert names_in(tmp_path) == []


def test_public_names() -> None:
    for name in pillow_sdz.__all__:
        assert getattr(pillow_sdz, name) is not None
    assert [model.full_name for model in pillow_sdz.installed_models()][:1] == ["tiny-99"]
    with pytest.raises(AttributeError, match="no attribute 'remove'"):
        pillow_sdz.remove  # noqa: B018
