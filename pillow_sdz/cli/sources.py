"""The inputs of the command line: files, directories to walk, standard input, pipes."""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pillow_sdz.cli import file_types
from pillow_sdz.cli.outputs import kind
from pillow_sdz.cli.printable import printable
from pillow_sdz.container.magic import has_magic

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pillow_sdz.cli.settings import Settings


@dataclass(frozen=True)
class Source:
    """One input file.

    Attributes:
        name: for messages.
        path: of the file; None for standard input and pipes, whose bytes are in ``data``.
        data: all bytes of standard input or a pipe, which can be read only once; None for files.
        prefix: its first bytes, to identify the format.
        root: the directory on the command line in which it was found, or None.
        problem: why it cannot be read, or None.
    """

    name: str
    path: Path | None = None
    data: bytes | None = None
    prefix: bytes = b""
    root: Path | None = None
    problem: str | None = None

    @property
    def is_sdz(self) -> bool:
        """Whether its first bytes are the magic of an SDZ file."""
        return has_magic(self.prefix)

    @property
    def suffix(self) -> str:
        """The suffix of its name in lower case."""
        return "" if self.path is None else self.path.suffix.lower()


def collect(inputs: Sequence[str], settings: Settings) -> tuple[list[Source], list[str]]:
    """All sources in the order of the arguments, and notes about files in directories that were ignored."""
    sources: list[Source] = []
    notes: list[str] = []
    for name in inputs:
        path = Path(name)
        if name in ("-", "/dev/stdin"):
            data = sys.stdin.buffer.read()
            sources.append(Source("-", data=data, prefix=data[: file_types.PREFIX_BYTES]))
        elif settings.recursive and kind(path) == "folder":
            found, note = _walk(path, settings)
            sources += found
            notes += note
        else:
            sources.append(_file(path))
    return sources, notes


def _file(path: Path, root: Path | None = None) -> Source:
    name = printable(str(path))
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return Source(name, path, problem="is a directory; give -r to convert what is in it")
        if stat.S_ISFIFO(mode):
            data = path.read_bytes()
            return Source(name, data=data, prefix=data[: file_types.PREFIX_BYTES])
        if not stat.S_ISREG(mode):
            return Source(name, path, problem="is neither a file nor a pipe")
        with path.open("rb") as file:
            return Source(name, path, prefix=file.read(file_types.PREFIX_BYTES), root=root)
    except FileNotFoundError:
        if path.is_symlink():
            return Source(name, path, problem=f"is a link to {printable(str(path.readlink()))}, which does not exist")
        return Source(name, path, problem="no such file")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        return Source(name, path, problem=f"cannot be read: {getattr(error, 'strerror', None) or error}")


def _walk(root: Path, settings: Settings) -> tuple[list[Source], list[str]]:
    """The files below ``root`` that this run takes, chosen by suffix, and notes about files that it ignores.

    --info, --test, --preview and output formats other than SDZ take the .sdz files; ``-f sdz`` takes the pictures.
    Without any of these, the pictures are taken (to be encoded), and .sdz files only if there are no pictures: beside
    pictures they are likely the output of an earlier run.
    """
    notes: list[str] = []
    pictures: list[Path] = []
    encoded: list[Path] = []
    for path in _files_below(root, notes):
        suffix = path.suffix.lower()
        if suffix == ".sdz":
            encoded.append(path)
        elif file_types.is_picture_suffix(suffix):
            pictures.append(path)
    if settings.action != "convert" or settings.format not in (None, file_types.SDZ):
        chosen = encoded
    elif settings.format == file_types.SDZ or pictures:
        chosen = pictures
        if encoded and settings.format is None:
            notes.append(f"{printable(str(root))}: {len(encoded)} .sdz left alone beside pictures; -f png decodes them")
    else:
        chosen = encoded
    return [_file(path, root) for path in chosen], notes


def _files_below(root: Path, notes: list[str]) -> Iterator[Path]:
    """Files below ``root`` in sorted order. Hidden ones are skipped; links to directories are not followed."""

    def unreadable(error: OSError) -> None:
        notes.append(f"{printable(str(error.filename))}: cannot be listed: {error.strerror}")

    for folder, folders, files in os.walk(root, onerror=unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(folder, name) for name in sorted(files) if not name.startswith("."))
