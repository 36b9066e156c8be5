"""Several files are changed, or none: what fails, or is interrupted, is taken back."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from pillow_sdz.plugin.atomic_file import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


@contextlib.contextmanager
def all_or_nothing(paths: Sequence[Path]) -> Iterator[None]:
    """Restore files, and remove new folders of theirs, if the block raises an error or is interrupted.

    Args:
        paths: the files that the block may write or remove, in the order in which they are restored. They keep their
            permissions; links are followed.

    Raises:
        OSError: a file that is there cannot be read.
    """
    before = {path: (path.read_bytes(), path.stat().st_mode & 0o7777) for path in paths if path.is_file()}
    missing = {folder for path in paths for folder in path.parents if not folder.exists()}
    try:
        yield
    except BaseException:
        for path in paths:
            with contextlib.suppress(OSError):
                if path not in before:
                    path.unlink()
                elif not path.is_file() or path.read_bytes() != before[path][0]:
                    write_atomically(path.resolve(), *before[path])
        for folder in sorted(missing, key=lambda each: -len(each.parts)):
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise
