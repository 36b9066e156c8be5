"""For tests of the desktop installation: a small system in a folder, and all that is in it."""

from __future__ import annotations

import stat
from functools import cache
from typing import TYPE_CHECKING

from pillow_sdz.integrations.desktop import contents
from pillow_sdz.integrations.desktop.contents import Place, system_place, user_place
from pillow_sdz.integrations.desktop.zipapp import build_zipapp

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

built_once = cache(build_zipapp)
"""It takes some tenths of a second."""

Tree = dict[str, tuple[int, bytes | str | None]]


def tree(root: Path) -> Tree:
    """Everything below a folder: permissions, and bytes of files or targets of links."""
    found: Tree = {}
    for path in root.rglob("*"):
        content = str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        found[str(path.relative_to(root))] = stat.S_IMODE(path.lstat().st_mode), content
    return found


def make_root(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small system, with magic lines and types of its own, a home, and this package in an environment."""
    root, program = folder / "root", folder / "venv" / "bin" / "sdz-thumbnailer"
    for path, data in {
        root / "etc/magic": b"# my magic\n0 string MINE mine",  # no line feed at the end
        root / "usr/local/share/mime/packages/other.xml": b"<mime-info/>",
        root / "usr/local/bin/other": b"#!/bin/sh\n",
        root / "home/.magic": b"# mine\n",
        program: b"#!/bin/sh\n",
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (root / "etc/magic").chmod(0o640)
    program.chmod(0o755)
    monkeypatch.setattr("sysconfig.get_path", lambda *_: str(program.parent))
    monkeypatch.setattr(contents, "build_zipapp", built_once)
    monkeypatch.setenv("HOME", "/home")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    return root


PLACES = ("system", "user")


def place_in(root: Path, name: str) -> Place:
    """One of `PLACES` below a root."""
    return system_place("/usr/local", root) if name == "system" else user_place(root)
