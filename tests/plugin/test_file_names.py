"""Names of files that need care: line feeds, characters that are not text, and names as long as they may be."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from in_memory import assert_pixels
from PIL import Image

import pillow_sdz
from pillow_sdz.errors import SdzError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from toy_model import Toy

pytestmark = [
    pytest.mark.usefixtures("toy"),
    pytest.mark.skipif(os.name != "posix", reason="other systems do not have all of these names"),
]

NAMES = {
    "line feed": b"a\nb\r.sdz",
    "not text": b"\xff\xfe\x80.sdz",
    "terminal": b"a\x1b[31m.sdz",
    "long": b"n" * 246 + b".sdz",
    "longest": b"n" * 251 + b".sdz",
    "wide": "\u732b".encode() * 83 + b".sdz",
    "blanks": b" .sdz ",
}


@pytest.fixture(params=list(NAMES.values()), ids=list(NAMES))
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder / os.fsdecode(request.param)


@pytest.fixture
def image(rgb: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(rgb)


def test_save_and_open(path: Path, image: Image.Image) -> None:
    image.save(path, "SDZ")
    for name in (path, str(path), os.fsencode(path)):
        with Image.open(name) as again:
            assert_pixels(again, image)
    with Image.open(path) as again:
        again.verify()


def test_write(path: Path, image: Image.Image) -> None:
    path.write_bytes(b"old")
    pillow_sdz.write(image, path)
    with Image.open(path) as again:
        assert_pixels(again, image)
    assert list(path.parent.iterdir()) == [path]


def test_errors_name_the_file_in_one_printable_line(path: Path, image: Image.Image) -> None:
    image.save(path, "SDZ")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(SdzError) as caught:
        Image.open(path)
    assert caught.value.file == str(path)
    message = str(caught.value)
    assert message.isprintable()
    assert message.encode()
    start = os.fsencode(path.name).split(b"\n")[0].decode("ascii", "replace")[:1]
    if start.isalnum():
        assert f"/{start}" in message


def test_saving_errors_leave_nothing(path: Path, toy: Toy, image: Image.Image) -> None:
    toy.failure = RuntimeError("out of memory")
    with pytest.raises(RuntimeError):
        image.save(path, "SDZ")
    assert list(path.parent.iterdir()) == []
