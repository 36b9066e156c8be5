"""The record of an installation: what was written, so that no more than that is removed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from pillow_sdz.errors import SdzFormatError

if TYPE_CHECKING:
    from pathlib import Path

FORMAT: Final = "pillow_sdz desktop installation 1"
_MOST_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class Record:
    """What an installation has written. Paths are absolute, in the finished system.

    Attributes:
        files: path -> SHA-256 in hex, of each file of its own.
        folders: the folders that it made, outer ones first.
        magic: what it appended to the file of magic lines; empty if it did not.
        magic_created: whether it made that file.
        database_created: whether there was no database of file types before.
    """

    files: dict[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    magic: str = ""
    magic_created: bool = False
    database_created: bool = False

    def joined(self, other: Record) -> Record:
        """What either has written; of the same file, what the other has."""
        folders = (*self.folders, *(each for each in other.folders if each not in self.folders))
        return replace(other, files=self.files | other.files, folders=folders)

    def to_json(self) -> bytes:
        """The record as a file."""
        return (json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n").encode()


def read_record(path: Path) -> Record | None:
    """Read a record; None if there is none.

    Raises:
        SdzFormatError: it is damaged.
        OSError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(_MOST_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _damaged(path) from error
    if not isinstance(fields, dict) or fields.pop("format", None) != FORMAT or not _is_record(fields):
        raise _damaged(path)
    return Record(**{**fields, "folders": tuple(fields["folders"])})


def _is_record(fields: dict[str, Any]) -> bool:
    files, folders = fields.get("files"), fields.get("folders")
    return (
        fields.keys() == Record.__dataclass_fields__.keys()
        and isinstance(files, dict)
        and isinstance(folders, list)
        and all(map(_is_path, (*files, *folders)))
        and all(isinstance(each, str) for each in files.values())
        and isinstance(fields.get("magic"), str)
        and isinstance(fields.get("magic_created"), bool)
        and isinstance(fields.get("database_created"), bool)
    )


def _is_path(value: object) -> bool:
    return isinstance(value, str) and value.startswith("/") and ".." not in PurePosixPath(value).parts


def _damaged(path: Path) -> SdzFormatError:
    return SdzFormatError(
        "is not the record of an installation", file=str(path),
        remedy="remove it, and the files named pillow-sdz.xml, pillow-sdz.thumbnailer and image-x-sdz.svg beside it",
    )  # fmt: skip
