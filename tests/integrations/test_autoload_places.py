"""Where the start-up hook may be written, and what is said where it may not."""

from __future__ import annotations

import os
import site
import stat
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pillow_sdz.errors import SdzError
from pillow_sdz.integrations.autoload import files, places, switch
from pillow_sdz.integrations.autoload.places import Place
from pillow_sdz.plugin.atomic_file import AtomicFile

if TYPE_CHECKING:
    from cli_fakes import Run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that this process takes for the environment's site-packages."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    real = sysconfig.get_path
    monkeypatch.setattr(
        sysconfig, "get_path", lambda name, *args: str(folder) if name == "purelib" else real(name, *args)
    )
    monkeypatch.setattr(site, "getsitepackages", lambda: [str(folder)])
    monkeypatch.setattr(site, "ENABLE_USER_SITE", False)
    return folder


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """The same in a Python that belongs to the operating system."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "EXTERNALLY-MANAGED").touch()
    paths = {"purelib": str(folder), "stdlib": str(tmp_path / "lib")}
    monkeypatch.setattr(sysconfig, "get_path", lambda name, *_: paths[name])
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    return folder


@pytest.fixture
def users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the user's packages, which is not there yet."""
    users = tmp_path / "home" / "site-packages"
    monkeypatch.setattr(site, "getusersitepackages", lambda: str(users))
    monkeypatch.setattr(site, "ENABLE_USER_SITE", True)
    return users


def test_a_python_of_the_system_is_refused(run: Run, system: Path) -> None:
    assert run("autoload", "enable") == 1
    assert f"{system}: belongs to the operating system" in run.err
    assert "use a virtual environment, --user" in run.err
    assert list(system.iterdir()) == []


def test_unless_it_is_asked_for(run: Run, system: Path) -> None:
    assert run("autoload", "enable", "--system") == 0
    assert set(files.states(system).values()) == {"current"}
    assert run("autoload", "disable") == 0
    assert list(system.iterdir()) == []


def test_for_the_users_own_programs(run: Run, system: Path, users: Path) -> None:
    assert run("autoload", "enable", "--user") == 0
    assert str(users / "pillow_sdz.pth") in run.out
    assert run("autoload", "status") == 0
    off, on = (line for line in run.out.splitlines() if ": programs" in line or ": your programs" in line)
    assert off.startswith("off")
    assert str(system) in off
    assert on.startswith("on")
    assert str(users) in on
    assert run("autoload", "disable", "--user") == 0
    assert list(users.iterdir()) == []


def test_where_python_ignores_the_users_packages(run: Run, folder: Path) -> None:
    assert run("autoload", "enable", "--user") == 1
    assert "--user: this Python ignores the user's packages" in run.err


def test_a_folder_whose_start_up_files_nobody_reads(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "getsitepackages", lambda: ["/elsewhere"])
    for command in ("enable", "disable", "status"):
        assert run("autoload", command) == 1
        assert f"{folder}: Python reads no start-up files here; use a virtual environment" in run.err
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("failing", ["create", "fill", "commit"])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_all_files_or_none(monkeypatch: pytest.MonkeyPatch, folder: Path, failing: str, number: int) -> None:
    """A disk that is full, or a folder that cannot be written, at any time."""
    real, calls = getattr(AtomicFile, failing), []

    def fail(file: AtomicFile, *args: bytes) -> None:
        calls.append(file)
        if len(calls) > number:
            raise PermissionError(13, "Permission denied")
        real(file, *args)

    monkeypatch.setattr(AtomicFile, failing, fail)
    with pytest.raises(SdzError, match=r"site-packages: cannot be written: Permission denied; use a virtual environ"):
        switch.enable(Place("environment", folder))
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["full", "Ctrl-C"])
def test_a_renewal_that_fails_leaves_the_older_files(
    monkeypatch: pytest.MonkeyPatch, folder: Path, error: BaseException
) -> None:
    for name in files.contents():
        (folder / name).write_bytes(f"{files.MARK}\n# older\n".encode())
        (folder / name).chmod(0o640)
    before = {path.name: (path.read_bytes(), path.stat().st_mode) for path in folder.iterdir()}
    real, calls = AtomicFile.commit, []

    def fail(file: AtomicFile) -> None:
        calls.append(file)
        if len(calls) == 2:
            raise error
        real(file)

    monkeypatch.setattr(AtomicFile, "commit", fail)
    with pytest.raises(SdzError if isinstance(error, OSError) else KeyboardInterrupt):
        switch.enable(Place("environment", folder))
    assert {path.name: (path.read_bytes(), path.stat().st_mode) for path in folder.iterdir()} == before


def test_a_failure_leaves_no_folder(monkeypatch: pytest.MonkeyPatch, users: Path) -> None:
    def fail(file: AtomicFile, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(AtomicFile, "fill", fail)
    with pytest.raises(SdzError, match="No space left"):
        switch.enable(Place("user", users))
    assert not users.parent.exists()


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_all_users_of_an_environment_can_read_its_hook(folder: Path) -> None:
    mask = os.umask(0o077)
    try:
        switch.enable(Place("environment", folder))
    finally:
        os.umask(mask)
    modes = {path.suffix: stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")}
    assert modes == {".py": 0o644, ".pth": 0o644, ".start": 0o644, "": 0o755, ".pyc": 0o644}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere; run as a user")
def test_a_folder_without_permission(run: Run, folder: Path) -> None:
    folder.chmod(0o555)
    try:
        assert run("autoload", "enable") == 1
    finally:
        folder.chmod(0o755)
    assert f"{folder}: cannot be written: Permission denied; use a virtual environment of your own" in run.err


def test_the_remedy_names_user_where_that_works(users: Path) -> None:
    error = places.cannot_write(Place("environment", Path("/usr/lib")), PermissionError(13, "Permission denied"))
    assert str(error).endswith("; use a virtual environment of your own, or --user")


def test_a_file_that_cannot_be_removed(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("autoload", "enable") == 0

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        assert run("autoload", "disable") == 1
    assert f"{folder}: cannot be written: Permission denied" in run.err
    assert set(files.states(folder).values()) == {"current"}


def test_usage(run: Run) -> None:
    assert run("autoload") == 2
    assert "status" in run.err
    assert run("autoload", "enabel") == 2
    assert run("autoload", "enable", "--everywhere") == 2
    assert run("autoload", "--help") == 0
    assert "enable" in run.out
