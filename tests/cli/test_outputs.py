"""The parts of the command line that need no pictures: values, names, formats, whole-file output."""

from __future__ import annotations

import errno
import os
import stat
import threading
from pathlib import Path

import pytest
from cli_fakes import names_in

from pillow_sdz.cli import file_types as formats
from pillow_sdz.cli.outputs import Outputs, StoppedError, WriteError
from pillow_sdz.cli.printable import printable
from pillow_sdz.cli.settings import parse_colors, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 1), ("5kB", 5000), ("5KiB", 5120), ("1.5k", 1500), ("2M", 2_000_000), ("1 mib", 1 << 20), ("7b", 7)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "-5", "5 potatoes", "5iB", "kB", "0.1", "nan", "1e3", "5kBB"])
def test_wrong_sizes(text: str) -> None:
    with pytest.raises(ValueError, match=r"byte|size"):
        parse_size(text)


@pytest.mark.parametrize("text", ["", "a", "1,,2", "-1", "1.5", "²"])
def test_wrong_colors(text: str) -> None:
    with pytest.raises(ValueError, match="palette size"):
        parse_colors(text)


def test_printable_leaves_nothing_that_steers_a_terminal() -> None:
    text = "a\x1b]0;title\x07b\nc\u202ed\udce9 \u00e9\u732b"
    shown = printable(text)
    assert shown.isprintable()
    assert shown.endswith("\u00e9\u732b")
    shown.encode()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("jpg", ("JPEG", ".jpg")),
        (".JPEG", ("JPEG", ".jpeg")),
        ("sdz", ("SDZ", ".sdz")),
        ("tiff", ("TIFF", ".tiff")),
        ("JPEG2000", ("JPEG2000", ".jp2")),
        ("psd", None),  # read only
        ("nonsense", None),
    ],
)
def test_formats_by_name(name: str, expected: object) -> None:
    assert formats.resolve(name) == expected


def test_every_format_that_pillow_writes_has_a_suffix_that_leads_back_to_it() -> None:
    from PIL import Image

    Image.init()
    for name in Image.SAVE:
        suffix = formats.suffix_of(name)
        assert not suffix or Image.registered_extensions()[suffix] == name


def test_output_replaces_and_keeps_mode_and_times(tmp_path: Path) -> None:
    like = tmp_path / "like"
    like.write_bytes(b"")
    like.chmod(0o4640)
    os.utime(like, ns=(10**18, 10**18 + 123456789))
    target = tmp_path / "new" / "folder" / "target"
    assert Outputs().write(target, b"bytes", like.stat()) == []
    assert target.read_bytes() == b"bytes"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert target.stat().st_mtime_ns == 10**18 + 123456789
    Outputs().write(target, b"other")
    assert target.read_bytes() == b"other"
    assert names_in(target.parent) == ["target"]


def test_new_outputs_obey_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        Outputs().write(tmp_path / "a", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.ENOSPC, "no space left"),
        (errno.EROFS, "no permission"),
        (errno.EFBIG, "larger than files may be"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_failed_write_says_why_and_leaves_all_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, text: str
) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"old")

    def fail(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(WriteError, match=text) as caught:
        Outputs().write(target, b"new")
    assert str(target) in str(caught.value)
    with pytest.raises(WriteError):
        Outputs().write(tmp_path / "created" / "for" / "this", b"new")
    assert names_in(tmp_path) == ["target"]
    assert target.read_bytes() == b"old"


def test_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(WriteError, match="is not a directory"):
        Outputs().write(tmp_path / "file" / "a.sdz", b"new")
    assert (tmp_path / "file").read_bytes() == b"x"


def test_symbolic_link_is_replaced_and_its_target_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "link").symlink_to("precious")
    Outputs().write(tmp_path / "link", b"new")
    assert not (tmp_path / "link").is_symlink()
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_device_is_written_to_and_stays_a_device() -> None:
    Outputs().write(Path(os.devnull), b"x")
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


def test_stop_removes_what_other_threads_write_and_lets_nothing_appear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = Outputs()
    writing, stopped = threading.Event(), threading.Event()
    caught: list[StoppedError] = []

    def wait(descriptor: int) -> None:
        writing.set()
        assert stopped.wait(10)

    def work() -> None:
        try:
            everything.write(tmp_path / "a", b"new")
        except StoppedError as error:
            caught.append(error)

    monkeypatch.setattr(os, "fsync", wait)
    thread = threading.Thread(target=work)
    thread.start()
    assert writing.wait(10)
    assert len(names_in(tmp_path)) == 1
    everything.stop()
    assert names_in(tmp_path) == []
    stopped.set()
    thread.join(10)
    assert len(caught) == 1
    assert names_in(tmp_path) == []
    with pytest.raises(StoppedError):
        everything.write(tmp_path / "b", b"new")
    assert names_in(tmp_path) == []
