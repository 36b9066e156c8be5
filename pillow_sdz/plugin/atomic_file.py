"""Write a file whole or not at all: under a temporary name in the same folder, which is then renamed."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class AtomicFile:
    """A file that is being written. Call `create`, `fill` and `commit` in this order, and `discard` in any case.

    A rename replaces the directory entry: where the target is a symbolic link, the link becomes a file, and what it
    pointed to is not touched.

    Args:
        target: path of the finished file; an existing file is replaced.
        mark: a part of the temporary name, by which `leftovers` finds it if the process dies.

    Attributes:
        target: as above.
        temporary: path of the temporary file, until `commit`.
    """

    def __init__(self, target: Path, mark: str = "") -> None:
        self.target = target
        self.temporary = target.parent / f".sdz-{mark}{secrets.token_hex(8)}.tmp"
        self._descriptor: int | None = None

    def create(self) -> None:
        """Create the temporary file.

        Raises:
            OSError: the directory cannot be written.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        self._descriptor = os.open(self.temporary, flags, 0o666)

    def fill(self, data: bytes) -> None:
        """Write the whole content and flush it to the disk (fsync); closes the temporary file.

        Raises:
            OSError: writing failed.
        """
        assert self._descriptor is not None
        descriptor, self._descriptor = self._descriptor, None
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def commit(self) -> None:
        """Rename the temporary file to the target, replacing what is there.

        Raises:
            OSError: it cannot be renamed.
        """
        os.replace(self.temporary, self.target)  # noqa: PTH105 - its name says that an existing file is replaced
        _sync_folder(self.target.parent)

    def discard(self) -> None:
        """Remove the temporary file, if it is there."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        with contextlib.suppress(OSError):
            self.temporary.unlink()


def write_atomically(target: Path, data: bytes, mode: int | None = None) -> None:
    """Write a file whole or not at all.

    Args:
        target: path of the file; an existing one is replaced, also a link.
        data: its content.
        mode: its permissions; None for those of new files.

    Raises:
        OSError: writing failed; an existing file is as it was.
    """
    file = AtomicFile(target)
    try:
        file.create()
        if mode is not None:
            file.temporary.chmod(mode)
        file.fill(data)
        file.commit()
    finally:
        file.discard()


def leftovers(folder: Path, mark: str) -> list[Path]:
    """Temporary files with a mark that lie in a folder: of writers that work now, and of writers that were killed."""
    return sorted(folder.glob(f".sdz-{mark}{'[0-9a-f]' * 16}.tmp"))


def _sync_folder(folder: Path) -> None:
    """Make a rename durable, where the system can (POSIX, most file systems)."""
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
