"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from pathlib import Path
from typing import Final

_TEMPORARY: Final = ".writing-"
"""Start of the names of files that are being written."""

_MODE: Final = 0o644
"""Permissions of files; ``mkstemp`` gives 0600."""

_ABANDONED_SECONDS: Final = 3600
"""Age from which on such a file is what a killed process has left."""


def write_whole(path: Path, data: bytes, *, durable: bool) -> None:
    """Write a file under a temporary name in the same folder, and rename it; folders that are missing are made.

    All users may read the file who may enter its folder: another server may hand it out, or another user back it up.

    Args:
        path: the file; one of this name is replaced.
        data: its content.
        durable: whether it must survive a failure of power (takes some milliseconds).

    Raises:
        OSError: it could not be written; then nothing is left of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=_TEMPORARY, dir=path.parent)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        Path(name).chmod(_MODE)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)  # noqa: PTH108 - a name, not a path
        raise
    if durable and os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def is_temporary(path: Path) -> bool:
    """Whether a file is being written, or has been left by a process that was killed while it wrote."""
    return path.name.startswith(_TEMPORARY)


def remove_abandoned(folder: Path) -> None:
    """Remove what killed processes have left in a folder and the folders in it."""
    oldest = time.time() - _ABANDONED_SECONDS
    for path in folder.rglob(_TEMPORARY + "*"):
        with contextlib.suppress(OSError):  # another process was faster
            if path.stat().st_mtime < oldest:
                path.unlink()
