"""What goes wrong in ``sdz-thumbnailer``: one line, another exit code than 0, nothing written."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from thumbnails import Thumbnailer, golden

from pillow_sdz.errors import SdzOptionError
from pillow_sdz.integrations.desktop import thumbnailer
from pillow_sdz.integrations.desktop.uris import path_of
from pillow_sdz.plugin.atomic_file import AtomicFile

if TYPE_CHECKING:
    from collections.abc import Callable

needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="pipes, devices and permissions of POSIX")


@pytest.fixture
def make(capsys: pytest.CaptureFixture[str]) -> Thumbnailer:
    return Thumbnailer(capsys)


def assert_fails(make: Thumbnailer, source: object, folder: Path, code: int = 1) -> None:
    before = sorted(folder.iterdir())
    assert make("-s", 64, source, folder / "out.png") == code
    assert sorted(folder.iterdir()) == before
    assert make.err.startswith("sdz-thumbnailer: ")
    assert make.err.count("\n") == 1, make.err


@pytest.mark.parametrize(
    "name", ["v0-tiny-8/layers", "v0-tiny-8/alpha", "v0-pixels/av1", "v0-pixels/vp8l", "v0/direct"]
)
def test_truncated_and_damaged_files(name: str, make: Thumbnailer, tmp_path: Path) -> None:
    data = golden(name).read_bytes()
    path = tmp_path / "a.sdz"
    generator = np.random.default_rng(0)
    for end in {0, 4, 8, 20, 33, 40, len(data) // 2, len(data) - 5, len(data) - 1}:
        path.write_bytes(data[:end])
        assert_fails(make, path, tmp_path)
    for place in generator.integers(0, len(data), 12):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1 << generator.integers(8)]) + data[place + 1 :])
        assert_fails(make, path, tmp_path)


@pytest.mark.parametrize("data", [b"PK\3\4 a map", b"\x89PNG\r\n\x1a\n", b"hello"])
def test_other_files(data: bytes, make: Thumbnailer, tmp_path: Path) -> None:
    (tmp_path / "a.sdz").write_bytes(data)
    assert_fails(make, tmp_path / "a.sdz", tmp_path)
    assert "a.sdz: magic: " in make.err


def test_what_is_no_file(make: Thumbnailer, tmp_path: Path) -> None:
    assert_fails(make, tmp_path / "missing.sdz", tmp_path)
    assert "missing.sdz" in make.err
    assert_fails(make, tmp_path, tmp_path)
    assert_fails(make, "", tmp_path)
    assert_fails(make, "a\0b", tmp_path)


@needs_posix
def test_pipes_and_devices_do_not_hang(make: Thumbnailer, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for source in (tmp_path / "pipe", "/dev/zero"):
        assert_fails(make, source, tmp_path)
        assert "is not a regular file" in make.err


def test_names_with_control_characters_are_escaped(make: Thumbnailer, tmp_path: Path) -> None:
    assert_fails(make, tmp_path / "a\x1b[2J\nb.sdz", tmp_path)
    assert "\x1b" not in make.err


def test_a_bug_is_one_line_too(make: Thumbnailer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object) -> None:
        raise ZeroDivisionError("in a\ntest")

    monkeypatch.setattr(thumbnailer, "thumbnail", fail)
    assert_fails(make, golden("v0/grey"), tmp_path)
    assert "ZeroDivisionError" in make.err


@pytest.mark.parametrize("size", ["0", "-1", "2049", "12.5", "1e2", "", "two", "9" * 5000, "\u0661"])
def test_sizes(size: str, make: Thumbnailer, tmp_path: Path) -> None:
    assert make(f"--size={size}", golden("v0/grey"), tmp_path / "t.png") == 2
    assert "from 1 to 2048" in make.err
    assert not list(tmp_path.iterdir())


@needs_posix
def test_the_file_itself_is_not_overwritten(make: Thumbnailer, tmp_path: Path) -> None:
    data = golden("v0/grey").read_bytes()
    (tmp_path / "a.sdz").write_bytes(data)
    (tmp_path / "link").symlink_to("a.sdz")
    for output in ("a.sdz", "link"):
        assert make(tmp_path / "a.sdz", tmp_path / output) == 1
        assert "OUTPUT: is the file to read" in make.err
    assert (tmp_path / "a.sdz").read_bytes() == data


def test_an_older_thumbnail_is_replaced_or_left(make: Thumbnailer, tmp_path: Path) -> None:
    output = tmp_path / "t.png"
    output.write_bytes(b"older")
    output.chmod(0o600)
    (tmp_path / "a.sdz").write_bytes(golden("v0/grey").read_bytes()[:-1])
    assert make(tmp_path / "a.sdz", output) == 1
    assert output.read_bytes() == b"older"
    assert make(golden("v0/grey"), output) == 0
    with Image.open(output) as image:
        image.load()
    if sys.platform != "win32":
        assert stat.S_IMODE(output.stat().st_mode) == 0o600


def test_an_empty_file_is_written_into(make: Thumbnailer, tmp_path: Path) -> None:
    """Tumbler makes the file and reads the one that it has open, not one that has taken its name."""
    with (tmp_path / "t.png").open("w+b") as opened:
        assert make(golden("v0/grey"), tmp_path / "t.png") == 0
        with Image.open(opened) as image:
            assert image.format == "PNG"


@needs_posix
def test_outputs_that_cannot_be_written(make: Thumbnailer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert make(golden("v0/grey"), tmp_path / "no folder" / "t.png") == 1
    assert make(golden("v0/grey"), tmp_path) == 1
    if Path("/dev/full").exists():
        assert make(golden("v0/grey"), "/dev/full") == 1
        assert "No space left" in make.err

    def fail(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(AtomicFile, "fill", fail)
    assert make(golden("v0/grey"), tmp_path / "t.png") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("/a/b.sdz", "/a/b.sdz"),
        ("/a/100%25.sdz", "/a/100%25.sdz"),
        ("file:///a/b.sdz", "/a/b.sdz"),
        ("FILE://localhost/a/b.sdz", "/a/b.sdz"),
        ("file:/a/b.sdz", "/a/b.sdz"),
        ("file:///a%20b/M%C3%A4dchen.sdz", "/a b/Mädchen.sdz"),
        ("file:///a/100%25.sdz", "/a/100%.sdz"),
        ("file:///what?.sdz", "/what?.sdz"),
        ("file:name.sdz", "file:name.sdz"),
    ],
)
def test_paths_and_uris(name: str, path: str) -> None:
    assert path_of(name) == Path(path)


@pytest.mark.parametrize(
    "name",
    [
        "http://localhost/a.sdz", "trash:///a.sdz", "file://example.org/a.sdz", "file://", "file://a", "file:///a%zz",
        "file:///a%0", "file:///a%00b", "file:///a%2fb", "file:///a#b", "", "a\0b",
    ],
)  # fmt: skip
def test_refused_uris(name: str) -> None:
    with pytest.raises(SdzOptionError, match="INPUT"):
        path_of(name)


@needs_posix
@pytest.mark.parametrize("encode", [Path.as_uri, str], ids=["URI", "path"])
def test_names_with_spaces_umlauts_and_other_bytes(
    encode: Callable[[Path], str], make: Thumbnailer, tmp_path: Path
) -> None:
    for name in ("Tässchen & 100% #1.sdz", os.fsdecode(b"\xff\xfe.sdz")):
        path = tmp_path / name
        path.write_bytes(golden("v0/grey").read_bytes())
        assert make(encode(path), tmp_path / "t.png") == 0, make.err
        (tmp_path / "t.png").unlink()
