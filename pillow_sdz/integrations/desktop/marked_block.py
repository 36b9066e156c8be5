"""A block of lines in a text file that belongs to others, too: added at the end, and removed to the byte."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

from pillow_sdz.errors import SdzOptionError
from pillow_sdz.plugin.atomic_file import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

BEGIN: Final = b"# begin: written by sdz-convert desktop install, which also removes it\n"
END: Final = b"# end: sdz-convert desktop install\n"

MOST_BYTES: Final = 1 << 24
"""Longest file that is changed; those of libmagic have some kilobytes."""


def block_of(lines: bytes) -> bytes:
    """The block: lines between two marks."""
    return BEGIN + lines + END


def has_block(path: Path, block: bytes) -> bool:
    """Whether a file has exactly this block.

    Raises:
        SdzOptionError: it is no regular file, or too long.
    """
    return block in _read(path)


def with_block(path: Path, block: bytes, older: bytes) -> tuple[bytes, bytes]:
    """What a file will be with a block at its end.

    Args:
        path: the file; it need not be there.
        block: the block.
        older: what was appended for an older block, which goes; may be empty.

    Returns:
        The bytes of the file, and those that are appended: a line feed comes first where the last line has no end.

    Raises:
        SdzOptionError: the file has other lines between such marks, is no regular file, or is too long.
    """
    old = _without(_read(path), older)
    if BEGIN in old or END in old:
        raise SdzOptionError(
            "has lines of an installation that are not those it wrote", file=str(path), field=BEGIN.decode().strip(),
            remedy="remove them by hand, from the line that begins them to the one that ends them",
        )  # fmt: skip
    added = (b"\n" if old and not old.endswith(b"\n") else b"") + block
    return old + added, added


def _without(data: bytes, added: bytes) -> bytes:
    """The bytes of a file without what was appended, if that is there."""
    start = data.rfind(added) if added else -1
    return data if start < 0 else data[:start] + data[start + len(added) :]


def remove_block(path: Path, added: bytes, *, created: bool) -> bool:
    """Take away what was appended for a block.

    Args:
        path: the file.
        added: what was appended, see `with_block`.
        created: whether the file was made for it; then it is removed if nothing else is in it.

    Returns:
        Whether it was there.

    Raises:
        SdzOptionError: no regular file, or too long.
        OSError: it cannot be written.
    """
    old = _read(path)
    new = _without(old, added)
    if new == old:
        return False
    if created and not new:
        path.resolve().unlink()
    else:
        rewrite(path, new)
    return True


def rewrite(path: Path, data: bytes) -> None:
    """Write such a file whole or not at all; one that is there keeps its permissions. Links are followed.

    Raises:
        OSError: it cannot be written.
    """
    target = path.resolve()
    write_atomically(target, data, stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o644)


def _read(path: Path) -> bytes:
    """The bytes of a file; none if it is not there."""
    if not os.path.lexists(path):
        return b""
    if not path.is_file():
        raise SdzOptionError("is not a regular file", file=str(path), remedy="move it away")
    with path.open("rb") as stream:
        data = stream.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise SdzOptionError("is too long to be changed", file=str(path), expected=f"at most {MOST_BYTES} bytes")
    return data
