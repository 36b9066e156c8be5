"""The databases that desktops make of the installed files: file types, and icons."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SECONDS: Final = 120

GENERATED: Final = (
    "XMLnamespaces", "aliases", "generic-icons", "globs", "globs2", "icons", "magic", "mime.cache", "subclasses",
    "treemagic", "types", "version",
)  # fmt: skip
"""What ``update-mime-database`` makes in a folder, beside an XML file for each type."""


def refresh(data: Path) -> Iterator[str]:
    """Refresh the databases of a folder of data files, where the programs are there.

    Yields:
        Notes on what was not refreshed.
    """
    mime, icons = data / "mime", data / "icons" / "hicolor"
    if (mime / "packages").is_dir():
        yield from _run("update-mime-database", str(mime), needed_for="file types are known to programs")
    # without a cache programs look at the folder itself; a stale one would hide the icon
    if (icons / "icon-theme.cache").exists():
        yield from _run("gtk-update-icon-cache", "-q", "-f", "-t", str(icons), needed_for="the icon is shown")
    elif icons.is_dir():
        with contextlib.suppress(OSError):
            icons.touch()  # programs that run notice by its time that there is something new


def has_types(data: Path) -> bool:
    """Whether there is a database of file types."""
    return (data / "mime" / "mime.cache").exists()


def remove_types(data: Path) -> None:
    """Remove the database of file types, with its empty folders, unless a package is left that it is made of."""
    mime = data / "mime"
    if not (mime / "packages").is_dir() or any((mime / "packages").iterdir()):
        return
    for name in GENERATED:
        with contextlib.suppress(OSError):
            (mime / name).unlink()
    for folder in mime.iterdir():
        if folder.name != "packages":
            with contextlib.suppress(OSError):  # something of others
                folder.rmdir()


def _run(program: str, *arguments: str, needed_for: str) -> Iterator[str]:
    found = shutil.which(program)
    if found is None:
        yield f"{program} is not installed: {needed_for} once it has run"
        return
    try:
        subprocess.run(  # noqa: S603 - a program of the system, with a path
            [found, *arguments], check=True, capture_output=True, timeout=_SECONDS, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError) as error:
        output = getattr(error, "stderr", None) or b""
        yield f"{program} failed: {output.decode(errors='replace').strip() or error}"
