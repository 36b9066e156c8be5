"""`AtomicFile`: a file appears whole or not at all."""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING

import pytest

from pillow_sdz.plugin.atomic_file import AtomicFile, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

POSIX = pytest.mark.skipif(os.name != "posix", reason="permissions and links of POSIX")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_nothing_is_at_its_place_before_commit(tmp_path: Path) -> None:
    target = tmp_path / "cat.sdz"
    target.write_bytes(b"old")
    file = AtomicFile(target)
    assert names(tmp_path) == ["cat.sdz"]
    file.create()
    assert file.temporary.parent == tmp_path
    assert names(tmp_path) == sorted(["cat.sdz", file.temporary.name])
    file.fill(b"new")
    assert target.read_bytes() == b"old"
    assert file.temporary.read_bytes() == b"new"
    file.commit()
    assert target.read_bytes() == b"new"
    assert names(tmp_path) == ["cat.sdz"]
    file.discard()
    assert names(tmp_path) == ["cat.sdz"], "discarding after the commit has no effect"


@pytest.mark.parametrize("steps", range(3))
def test_discard_at_any_step_leaves_what_was_there(tmp_path: Path, steps: int) -> None:
    target = tmp_path / "cat.sdz"
    target.write_bytes(b"old")
    file = AtomicFile(target)
    for step in (file.create, lambda: file.fill(b"new"))[:steps]:
        step()
    for _ in range(2):
        file.discard()
        assert names(tmp_path) == ["cat.sdz"]
    assert target.read_bytes() == b"old"


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open descriptors")  # noqa: PTH112
@pytest.mark.parametrize("steps", range(3))
def test_no_descriptor_stays_open(tmp_path: Path, steps: int) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    file = AtomicFile(tmp_path / "cat.sdz")
    for step in (file.create, lambda: file.fill(b"new"))[:steps]:
        step()
    file.discard()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_two_writers_of_one_file_do_not_interfere(tmp_path: Path) -> None:
    one, other = (AtomicFile(tmp_path / "cat.sdz") for _ in range(2))
    for file, data in ((one, b"one"), (other, b"other")):
        file.create()
        file.fill(data)
    other.commit()
    one.commit()
    assert (tmp_path / "cat.sdz").read_bytes() == b"one"
    assert names(tmp_path) == ["cat.sdz"]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    file = AtomicFile(tmp_path / "missing" / "cat.sdz")
    with pytest.raises(FileNotFoundError):
        file.create()
    file.discard()


def test_a_disk_that_is_full_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    file = AtomicFile(tmp_path / "cat.sdz")
    file.create()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        file.fill(b"new")
    file.discard()
    assert names(tmp_path) == []


def test_a_folder_in_its_place_stays(tmp_path: Path) -> None:
    (tmp_path / "cat.sdz").mkdir()
    (tmp_path / "cat.sdz" / "inside").touch()
    file = AtomicFile(tmp_path / "cat.sdz")
    file.create()
    file.fill(b"new")
    with pytest.raises(OSError, match=r"cat\.sdz"):
        file.commit()
    file.discard()
    assert names(tmp_path) == ["cat.sdz"]
    assert names(tmp_path / "cat.sdz") == ["inside"]


@POSIX
def test_a_link_becomes_a_file_and_what_it_pointed_to_stays(tmp_path: Path) -> None:
    (tmp_path / "kept").write_bytes(b"kept")
    (tmp_path / "cat.sdz").symlink_to("kept")
    file = AtomicFile(tmp_path / "cat.sdz")
    file.create()
    file.fill(b"new")
    file.commit()
    assert not (tmp_path / "cat.sdz").is_symlink()
    assert (tmp_path / "cat.sdz").read_bytes() == b"new"
    assert (tmp_path / "kept").read_bytes() == b"kept"


@POSIX
def test_permissions_are_those_of_new_files(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    file = AtomicFile(tmp_path / "cat.sdz")
    file.create()
    file.fill(b"")
    file.commit()
    found, usual = (stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("cat.sdz", "usual"))
    assert found == usual


@POSIX
def test_permissions_that_are_asked_for_do_not_depend_on_the_umask(tmp_path: Path) -> None:
    mask = os.umask(0o077)
    try:
        write_atomically(tmp_path / "cat.sdz", b"", 0o664)
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "cat.sdz").stat().st_mode) == 0o664


@pytest.mark.skipif(sys.platform == "win32", reason="folders cannot be synchronised there")
def test_content_and_then_the_folder_reach_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synchronised: list[bool] = []
    sync = os.fsync

    def spy(descriptor: int) -> None:
        synchronised.append(stat.S_ISDIR(os.fstat(descriptor).st_mode))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", spy)
    file = AtomicFile(tmp_path / "cat.sdz")
    file.create()
    file.fill(b"new")
    assert synchronised == [False]
    file.commit()
    assert synchronised == [False, True]
