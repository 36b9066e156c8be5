"""A cache on disk of bounded size. What was not asked for longest goes first; a restart changes nothing.

An entry is a file: the SHA-256 of its content, then the content. So an entry that was damaged, or cut off when the
machine stopped, is recognised and not served. The time of the file's last change says when it was asked for last.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Final

from tools.web_server.files import is_temporary, remove_abandoned, write_whole

if TYPE_CHECKING:
    from pathlib import Path

_logger = logging.getLogger("sdz_server")

_DIGEST_BYTES: Final = 32
_PARTS: Final = 16
"""The size of the folder is looked up after every 1/16 of the limit that this process has written."""


class DiskCache:
    """Bytes by keys, for the threads of a process. Several processes may use a folder; each of them may then exceed the
    limit by 1/16.

    Args:
        folder: made if it is missing.
        max_bytes: most bytes of all entries together.

    Raises:
        OSError: the folder cannot be made.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._room = 0  # bytes that may be written before the folder's size is looked up again
        self._writing = 0  # bytes of entries that are being written, and cannot be seen yet
        folder.mkdir(parents=True, exist_ok=True)
        remove_abandoned(folder)

    def get(self, key: str) -> bytes | None:
        """What was put under a key, or None if it was not, has gone, or is damaged."""
        path = self._path(key)
        try:
            entry = path.read_bytes()
        except OSError:
            return None
        digest, content = entry[:_DIGEST_BYTES], entry[_DIGEST_BYTES:]
        if hashlib.sha256(content).digest() != digest:
            _logger.warning("a cache entry is damaged, and is made again")
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        with contextlib.suppress(OSError):  # another process may have removed it
            _touch(path)
        return content

    def put(self, key: str, content: bytes) -> None:
        """Keep bytes under a key. A disk that is full, or bytes beyond the limit, are no error: then they are not kept.

        The limit holds at every moment: older entries go before the new one is written.
        """
        entry = hashlib.sha256(content).digest() + content
        path = self._path(key)
        try:
            with self._lock:
                if len(entry) > self._room:
                    self._make_room(len(entry))
                if len(entry) > self._room:
                    return
                self._room -= len(entry)
                self._writing += len(entry)
            try:
                write_whole(path, entry, durable=False)
            finally:
                with self._lock:
                    self._writing -= len(entry)
            _touch(path)
        except OSError as error:
            _logger.warning("a picture could not be kept in the cache: %s", error.strerror)

    def _make_room(self, needed: int) -> None:
        """Remove the entries that were not asked for longest, so that there is room for some more."""
        room = max(self._max_bytes // _PARTS, needed)
        if room > self._max_bytes:
            self._room = 0
            return
        entries = []
        for path in self._folder.rglob("*"):
            with contextlib.suppress(OSError):
                if path.is_file() and not is_temporary(path):
                    status = path.stat()
                    entries.append((status.st_mtime_ns, status.st_size, path))
        size = self._writing + sum(size for _, size, _ in entries)
        for _, freed, path in sorted(entries):
            if size + room <= self._max_bytes:
                break
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
            size -= freed
        self._room = min(room, self._max_bytes - size)

    def _path(self, key: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()
        return self._folder / name[:2] / name


def _touch(path: Path) -> None:
    """Note that an entry was asked for now. (The system's own clock for this is coarser.)"""
    now = time.time_ns()
    os.utime(path, ns=(now, now))
