"""Where pictures are saved to: paths, streams, pipes, full disks; what is left when writing fails."""

from __future__ import annotations

import io
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_model
from in_memory import assert_pixels
from PIL import Image
from toy_files import direct_file_of

pytestmark = pytest.mark.usefixtures("toy")


@pytest.fixture
def image() -> Image.Image:
    return Image.fromarray(toy_model.blocks(40, 20))


def test_save_to_a_path(image: Image.Image, tmp_path: Path) -> None:
    for target in (tmp_path / "a.sdz", str(tmp_path / "b.SDZ"), os.fsencode(tmp_path / "c.sdz")):
        image.save(target)
        with Image.open(target) as again:
            assert again.format == "SDZ"
            assert_pixels(again, image)


def test_save_to_a_stream(image: Image.Image) -> None:
    stream = io.BytesIO(b"")
    image.save(stream, "sdz")
    assert not stream.closed
    assert stream.getvalue() == direct_file_of(np.asarray(image))


def test_save_an_opened_file_over_itself(image: Image.Image, tmp_path: Path) -> None:
    file = tmp_path / "a.sdz"
    image.save(file)
    with Image.open(file) as opened:
        opened.save(file)
    with Image.open(file) as again:
        assert_pixels(again, image)


def test_streams_that_take_a_part_at_a_time(image: Image.Image) -> None:
    class Narrow(io.BytesIO):
        def write(self, data: Any) -> int:
            return super().write(data[:13])

    stream = Narrow()
    image.save(stream, "SDZ")
    assert stream.getvalue() == direct_file_of(np.asarray(image))


def test_streams_that_only_write(image: Image.Image) -> None:
    class Bare:
        data = b""

        def write(self, data: bytes) -> None:
            self.data += data

    stream: Any = Bare()
    image.save(stream, "SDZ")
    assert stream.data == direct_file_of(np.asarray(image))


def test_full_disk(image: Image.Image) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    with pytest.raises(OSError, match=r"No space left on device: '/dev/full'"):
        image.save("/dev/full", "SDZ")


def test_no_half_written_file_stays_behind(image: Image.Image, tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk: the first bytes are written, the others are not."""
    resource = pytest.importorskip("resource", reason="needs file size limits")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        with pytest.raises(OSError, match=r"too large: .*a\.sdz"):
            image.save(tmp_path / "a.sdz")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("mode", ["wb", "w+b", "ab"])
def test_the_callers_file_goes_on_after_the_picture(image: Image.Image, tmp_path: Path, mode: str) -> None:
    expected = direct_file_of(np.asarray(image))
    with (tmp_path / "a.bin").open(mode) as file:
        file.write(b"before")
        image.save(file, "SDZ")
        assert file.tell() == 6 + len(expected)
        file.write(b"after")
    assert (tmp_path / "a.bin").read_bytes() == b"before" + expected + b"after"


def test_pipes(image: Image.Image) -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as file:
        image.save(file, "SDZ")
    with os.fdopen(reader, "rb") as file:
        assert file.read() == direct_file_of(np.asarray(image))


def test_members_of_a_zip_archive(image: Image.Image) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in ("a.sdz", "b.sdz"):
            with archive.open(name, "w") as member:
                image.save(member, "SDZ")
    with zipfile.ZipFile(stream) as archive:
        assert archive.testzip() is None
        assert [archive.read(name) for name in ("a.sdz", "b.sdz")] == 2 * [direct_file_of(np.asarray(image))]


@pytest.mark.parametrize("size", [1, 1 << 20])
def test_spooled_temporary_files(image: Image.Image, size: int) -> None:
    """In memory up to a size, then on the disk."""
    with tempfile.SpooledTemporaryFile(size) as file:
        image.save(file, "SDZ")
        file.seek(0)
        with Image.open(file) as again:
            assert_pixels(again, image)


def test_a_read_only_folder(image: Image.Image, tmp_path: Path) -> None:
    missing = tmp_path / "missing" / "a.sdz"
    with pytest.raises(FileNotFoundError, match="missing"):
        image.save(missing)
    if os.geteuid() == 0:
        return  # root may write anywhere
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match=r"a\.sdz"):
        image.save(tmp_path / "a.sdz")
