"""``sdz-convert desktop``, its record, and the entry that file managers read."""

from __future__ import annotations

import configparser
import json
import os
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from desktop_tree import tree

from pillow_sdz.cli.desktop import _problem_of
from pillow_sdz.errors import SdzFormatError, SdzOptionError
from pillow_sdz.integrations.desktop import databases
from pillow_sdz.integrations.desktop.contents import Place, contents, thumbnailer_entry, user_place
from pillow_sdz.integrations.desktop.install import install, status, uninstall
from pillow_sdz.integrations.desktop.record import FORMAT, Record
from pillow_sdz.plugin.atomic_file import AtomicFile

if TYPE_CHECKING:
    from collections.abc import Callable

    from cli_fakes import Run

pytestmark = pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="for the desktops of Linux and BSD")


@pytest.mark.parametrize(
    "data",
    [
        b"", b"[]", b"{}", b"\xff", b"[" * 100_000, json.dumps({"format": FORMAT}).encode(),
        json.dumps({"format": FORMAT, **asdict(Record({"/../x": "0"}))}).encode(),
    ],
)  # fmt: skip
def test_damaged_records(place: Place, data: bytes) -> None:
    record = place.real(place.record)
    record.parent.mkdir(parents=True)
    record.write_bytes(data)
    actions: tuple[Callable[[Place], object], ...] = (install, uninstall, status)
    for action in actions:
        with pytest.raises(SdzFormatError, match="not the record of an installation"):
            action(place)


def test_where_the_users_files_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert str(user_place(Path("/")).data) == "/data"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")  # which the specification says to ignore
    assert str(user_place(Path("/")).data) == "/home/me/.local/share"
    for home in ("", "relative"):
        monkeypatch.setenv("HOME", home)
        with pytest.raises(SdzOptionError, match="use --system"):
            user_place(Path("/"))


@pytest.mark.parametrize("program", ["/usr/bin/a", "/my venv/bin/a", '/"quoted" $HOME `x`/50% \\ off/a', "/ä/a"])
def test_entries_are_read_as_they_were_meant(program: str) -> None:
    """As file managers do: a key file, then the words of a shell, then % codes."""
    parser = configparser.RawConfigParser()
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(thumbnailer_entry(program))
    entry = {key: value.replace(r"\\", "\\") for key, value in parser["Thumbnailer Entry"].items()}
    assert entry["TryExec"] == program
    words = shlex.split(entry["Exec"])
    assert [word.replace("%%", "%") for word in words[:1]] == [program]
    assert words[1:] == ["-s", "%s", "%i", "%o"]


def test_entries_are_lines() -> None:
    with pytest.raises(SdzOptionError, match="control character"):
        thumbnailer_entry("/a\nExec=rm/b")


def test_the_command(run: Run, root: Path) -> None:
    for options in (("--system",), ("--system", "--prefix", "/usr"), ()):
        before = tree(root)
        command = (*options, "--root", root)
        assert run("desktop", "status", *command) == 3
        assert run("desktop", "install", *command) == 0
        assert run.out.count("wrote ") == (6 if options else 5)
        assert "below another root" in run.out
        assert ("GNOME" in run.out) == (not options)
        assert run("desktop", "install", *command) == 0
        assert "already installed" in run.out
        assert run("desktop", "status", *command) == 0
        assert run("desktop", "uninstall", *command) == 0
        assert tree(root) == before
        assert run("desktop", "uninstall", *command) == 3
        assert "nothing is installed" in run.out


def test_errors_of_the_command(run: Run, root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert run("desktop", "install", "--prefix", "/usr", "--root", root) == 2
    assert run("desktop", "install", "--system", "--prefix", "/opt", "--root", root) == 2
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr("sysconfig.get_path", lambda *_: str(tmp_path / "empty"))
    assert run("desktop", "install", "--root", root) == 4
    assert "install pillow-sdz again" in run.err
    (root / "usr/local/lib").write_bytes(b"a file")
    assert run("desktop", "install", "--system", "--root", root) == 1
    assert "usr/local" in run.err

    def refuse(*_args: object) -> None:
        raise PermissionError(13, "Permission denied", str(root / "usr/local/bin/.sdz.tmp"))

    (root / "usr/local/lib").unlink()
    monkeypatch.setattr(AtomicFile, "create", refuse)
    assert run("desktop", "install", "--system", "--root", root) == 1
    message = f"cannot read or write in {root}/usr/local/bin: Permission denied; run the same command as root"
    assert message in run.err

    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(AtomicFile, "create", full)
    assert run("desktop", "install", "--system", "--root", root) == 1
    assert f"cannot read or write in {root}: No space left on device\n" in run.err


def test_the_record_names_what_was_made(place: Place, root: Path) -> None:
    install(place)
    record = json.loads(place.real(place.record).read_text())
    assert set(record["files"]) == {str(each.path) for each in contents(place)}
    assert all(os.path.isdir(root / folder.lstrip("/")) for folder in record["folders"])  # noqa: PTH112


def script(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return path


def test_a_program_that_does_not_start_is_noted(tmp_path: Path) -> None:
    """The system's Python may have no numpy."""
    assert _problem_of(script(tmp_path / "good", "exit 0")) is None
    broken = script(tmp_path / "broken", "echo needs numpy >&2", "exit 1")
    assert _problem_of(broken) == f"{broken} does not start: needs numpy"
    assert "does not start" in str(_problem_of(tmp_path / "missing"))


def test_databases_that_cannot_be_refreshed_are_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mime" / "packages").mkdir(parents=True)
    icons = tmp_path / "icons" / "hicolor"
    icons.mkdir(parents=True)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list(databases.refresh(tmp_path)) == [
        "update-mime-database is not installed: file types are known to programs once it has run"
    ]
    (icons / "icon-theme.cache").touch()
    script(tmp_path / "update-mime-database", "echo no space >&2", "exit 1")
    script(tmp_path / "gtk-update-icon-cache", 'echo "$4" > "$4/arguments"')
    assert list(databases.refresh(tmp_path)) == ["update-mime-database failed: no space"]
    assert (icons / "arguments").read_text().strip() == str(icons)
