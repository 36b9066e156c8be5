"""Everything besides a path that Pillow opens: files, streams with short reads, and data that come in pieces."""

from __future__ import annotations

import io
import os
import tempfile
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from in_memory import assert_pixels
from PIL import Image, ImageFile

from pillow_sdz import errors, limits
from pillow_sdz.container.magic import MAGIC

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

pytestmark = pytest.mark.usefixtures("toy")


def test_file_objects(path: Path, data: bytes, rgb: NDArray[np.uint8]) -> None:
    with path.open("rb") as file:
        image = Image.open(file)
        assert_pixels(image, rgb)
        assert not file.closed
    with path.open("rb", buffering=0) as file:
        assert_pixels(Image.open(file), rgb)
    stream = io.BytesIO(data)
    for _ in range(2):  # the same stream again
        with Image.open(stream) as image:
            assert_pixels(image, rgb)
    assert not stream.closed


def test_picture_can_be_loaded_after_the_callers_file_was_closed(path: Path, rgb: NDArray[np.uint8]) -> None:
    with path.open("rb") as file:
        image = Image.open(file)
    assert_pixels(image, rgb)


def test_unseekable_stream(data: bytes, rgb: NDArray[np.uint8]) -> None:
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.inner = io.BytesIO(data)

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            return self.inner.readinto(memoryview(buffer)[:7])  # short reads, as a pipe may give

        def seek(self, *args: int) -> int:
            raise io.UnsupportedOperation

    pipe: Any = Pipe()
    assert_pixels(Image.open(pipe), rgb)


def test_pipe(data: bytes, rgb: NDArray[np.uint8]) -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as file:
        file.write(data)  # less than what a pipe holds
    with os.fdopen(reader, "rb") as file:
        assert_pixels(Image.open(io.BytesIO(file.read())), rgb)


def test_member_of_a_zip_archive(data: bytes, rgb: NDArray[np.uint8]) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.sdz", data)
    with zipfile.ZipFile(stream) as archive, archive.open("a.sdz") as member:
        assert_pixels(Image.open(member), rgb)


@pytest.mark.parametrize("size", [1, 1 << 20])
def test_spooled_temporary_file(data: bytes, rgb: NDArray[np.uint8], size: int) -> None:
    """In memory up to a size, then on the disk."""
    with tempfile.SpooledTemporaryFile(size) as file:
        file.write(data)
        file.seek(0)
        assert_pixels(Image.open(file), rgb)


def test_endless_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_FILE_BYTES", 3 << 20)

    class Endless(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            assert size is not None
            return (MAGIC + bytes(size))[:size]

    with pytest.raises(errors.SdzLimitError, match="too long"):
        Image.open(Endless())


@pytest.mark.parametrize("piece", [1, 50, 10_000])
def test_parser(data: bytes, rgb: NDArray[np.uint8], piece: int) -> None:
    with ImageFile.Parser() as parser:
        for start in range(0, len(data), piece):
            parser.feed(data[start : start + piece])
    assert_pixels(parser.close(), rgb)


def test_parser_with_too_little(data: bytes) -> None:
    parser = ImageFile.Parser()
    parser.feed(data[:-1])
    with pytest.raises(OSError, match="cannot parse"):
        parser.close()
