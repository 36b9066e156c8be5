"""Writing the outputs of a run, each whole or not at all.

Each is a `pillow_sdz.plugin.atomic_file.AtomicFile`. If writing fails or is interrupted, the output stays as it was,
and no temporary file is left.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import threading
from typing import TYPE_CHECKING, BinaryIO, cast

from pillow_sdz.cli.printable import printable
from pillow_sdz.plugin.atomic_file import AtomicFile

if TYPE_CHECKING:
    from pathlib import Path


class WriteError(Exception):
    """An output could not be written; the message says what, where and why."""


class StoppedError(Exception):
    """The run was interrupted while this output was being written."""


class Outputs:
    """Writes the outputs of a run, from any thread.

    Args:
        mark: of the temporary files, see `AtomicFile`.
    """

    def __init__(self, mark: str = "") -> None:
        self._mark = mark
        self._lock = threading.Lock()
        self._unfinished: set[AtomicFile] = set()
        self._stopped = False

    def write(self, target: Path, data: bytes, like: os.stat_result | None = None) -> list[str]:
        """Write a file, replacing an older one; missing directories are created.

        A device or pipe (such as ``/dev/null``) is written to directly.

        Args:
            target: the file to write.
            data: its content.
            like: of the input, whose permissions and times the file gets; None for default ones.

        Returns:
            Notes on what could not be kept of ``like``.

        Raises:
            WriteError: nothing was changed.
            StoppedError: `stop` was called; nothing was changed.
        """
        created: list[Path] = []
        try:
            if kind(target) == "special":
                with target.open("wb") as file:
                    file.write(data)
                return []
            created = [folder for folder in (target.parent, *target.parent.parents) if kind(folder) is None]
            target.parent.mkdir(parents=True, exist_ok=True)
            return self._replace(target, data, like)
        except BaseException as error:
            for folder in created:
                with contextlib.suppress(OSError):  # not empty: another output of this run is in it
                    folder.rmdir()
            if isinstance(error, OSError):
                raise WriteError(f"cannot write {printable(str(target))}: {_reason(error, target)}") from error
            raise

    def _replace(self, target: Path, data: bytes, like: os.stat_result | None) -> list[str]:
        file = AtomicFile(target, self._mark)
        try:
            with self._lock:  # over the creation, too: `stop` could not remove what does not exist yet
                self._check()
                self._unfinished.add(file)
                file.create()
            file.fill(data)
            lost = [] if like is None else _copy_attributes(file.temporary, like)
            with self._lock:
                self._check()
                file.commit()
            return lost
        finally:
            with self._lock:
                self._unfinished.discard(file)
                file.discard()

    def stop(self) -> None:
        """Let no further output appear, and remove the temporary files that other threads are writing."""
        with self._lock:
            self._stopped = True
            for file in self._unfinished:
                with contextlib.suppress(OSError):
                    file.temporary.unlink()

    def _check(self) -> None:
        if self._stopped:
            raise StoppedError


def kind(path: Path) -> str | None:
    """What a path leads to, links followed: ``file``, ``folder`` or ``special`` (a device, pipe or socket, which is
    written into and not replaced). None if it does not exist or may not be looked at.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return None
    return "folder" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "special"


def write_stream(data: bytes) -> None:
    """Write all of ``data`` to standard output, past Python's buffer, so that an error shows here and not at exit.

    Raises:
        WriteError: it could not be written in full.
    """
    sys.stdout.flush()
    buffered = sys.stdout.buffer
    raw = cast("BinaryIO", getattr(buffered, "raw", buffered))
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[raw.write(rest) :]
    except OSError as error:
        raise WriteError(f"cannot write to standard output: {error.strerror or error}") from error


def _copy_attributes(path: Path, like: os.stat_result) -> list[str]:
    """Give ``path`` the permissions and times of ``like``; returns notes on what the file system cannot keep."""
    lost = []
    try:
        path.chmod(stat.S_IMODE(like.st_mode) & 0o777)  # without set-user-ID, set-group-ID and sticky bits
    except OSError as error:
        lost.append(f"the permissions could not be kept: {error.strerror}")
    try:
        os.utime(path, ns=(like.st_atime_ns, like.st_mtime_ns))
    except OSError as error:
        lost.append(f"the times could not be kept: {error.strerror}")
    return lost


def _reason(error: OSError, target: Path) -> str:
    """Why a file could not be written, in words."""
    folder = printable(str(target.parent))
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None)):
        return f"no space left for it in {folder}"
    if error.errno == errno.EFBIG:
        return f"larger than files may be in {folder} (a limit of the file system or of ulimit -f)"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"no permission to write in {folder} ({error.strerror})"
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return f"{folder} is not a directory"
    return f"{error.strerror or error}"
