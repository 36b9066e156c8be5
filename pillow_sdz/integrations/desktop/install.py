"""Installing, removing and describing: file type, icon, entry for file managers, and the program that it runs.

What is written is recorded first. A failure takes back what was written until then; files of others stay as they are.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pillow_sdz.errors import SdzOptionError
from pillow_sdz.integrations.all_or_nothing import all_or_nothing
from pillow_sdz.integrations.desktop import databases, marked_block
from pillow_sdz.integrations.desktop.contents import DATA, contents
from pillow_sdz.integrations.desktop.record import Record, read_record
from pillow_sdz.plugin.atomic_file import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pillow_sdz.integrations.desktop.contents import Content, Place


@dataclass(frozen=True)
class Outcome:
    """What was done.

    Attributes:
        done: what was written or removed, paths and lines in files; empty if there was nothing to do.
        notes: what else the user should know.
    """

    done: tuple[str, ...]
    notes: tuple[str, ...] = ()


def install(place: Place) -> Outcome:
    """Put everything in place, or bring an older installation up to date.

    Raises:
        SdzOptionError: files of others are in the way, or files of an older installation were changed.
        SdzDependencyError: see `contents`.
        OSError: something cannot be written; everything is as before.
    """
    wanted = contents(place)
    old = read_record(place.real(place.record)) or Record()
    _check_free(place, wanted, old)
    block = marked_block.block_of((DATA / "magic").read_bytes())
    magic = place.real(place.magic)
    keeps_block = bool(old.magic) and old.magic.encode().endswith(block) and marked_block.has_block(magic, block)
    first = not old.files and not databases.has_types(place.real(place.data))
    new = replace(
        old,
        files={str(each.path): _digest(each.data) for each in wanted},
        database_created=old.database_created or first,
    )
    changed = [each for each in wanted if not _is_there(place, each)]
    stale = [path for path in old.files if path not in new.files and _unchanged(place, old, path)]
    lines = b""
    if not keeps_block:
        lines, added = marked_block.with_block(magic, block, old.magic.encode())
        new = replace(new, magic=added.decode(), magic_created=old.magic_created or not os.path.lexists(magic))
    if not changed and not stale and keeps_block and old == new:
        return Outcome(())
    touched = [*(each.path for each in wanted), *map(PurePosixPath, stale), place.magic, place.record]
    with all_or_nothing([place.real(each) for each in touched]):
        folders = _make_folders(place, [each.path for each in wanted] + [place.record, place.magic])
        new = replace(new, folders=(*old.folders, *(each for each in folders if each not in old.folders)))
        planned = old.joined(new)
        _write_record(place, planned)
        for each in changed:
            write_atomically(place.real(each.path), each.data, each.mode)
        for path in stale:
            place.real(PurePosixPath(path)).unlink()
        if not keeps_block:
            marked_block.rewrite(magic, lines)
        if new != planned:
            _write_record(place, new)
    written = [str(each.path) for each in changed] + ([] if keeps_block else [f"lines in {place.magic}"])
    return Outcome((*written, *stale, str(place.record)), tuple(_refresh(place)))


def uninstall(place: Place) -> Outcome:
    """Remove what `install` has written, and nothing else.

    Raises:
        SdzFormatError: the record is damaged.
        OSError: something cannot be removed; everything is as before.
    """
    record = read_record(place.real(place.record))
    if record is None:
        return Outcome(())
    paths = [path for path in record.files if os.path.lexists(place.real(PurePosixPath(path)))]
    removed = [path for path in paths if _unchanged(place, record, path)]
    notes = [f"{path} was changed since it was installed, and is left" for path in paths if path not in removed]
    magic, lines = place.real(place.magic), []
    touched = [*map(PurePosixPath, removed), place.magic, place.record]
    with all_or_nothing([place.real(each) for each in touched]):
        if record.magic and os.path.lexists(magic):
            if marked_block.remove_block(magic, record.magic.encode(), created=record.magic_created):
                lines.append(f"lines in {place.magic}")
            elif marked_block.BEGIN in magic.read_bytes():
                notes.append(f"the lines in {place.magic} were changed, and are left")
        for path in removed:
            place.real(PurePosixPath(path)).unlink()
        place.real(place.record).unlink()
    notes += _refresh(place)
    if record.database_created:
        databases.remove_types(place.real(place.data))
    for folder in reversed(record.folders):
        with contextlib.suppress(OSError):  # others have put something into it
            place.real(PurePosixPath(folder)).rmdir()
    return Outcome((*removed, *lines, str(place.record)), tuple(notes))


def status(place: Place) -> dict[str, str] | None:
    """The state of each file of an installation: ``installed``, ``missing``, ``changed``, or ``of another version``.

    Returns:
        None if nothing is installed.

    Raises:
        SdzError: the record is damaged, or see `contents`.
    """
    record = read_record(place.real(place.record))
    if record is None:
        return None
    wanted = {str(each.path): _digest(each.data) for each in contents(place)}
    states = {}
    for path, digest in record.files.items():
        if not os.path.lexists(place.real(PurePosixPath(path))):
            states[path] = "missing"
        elif not _unchanged(place, record, path):
            states[path] = "changed"
        else:
            states[path] = "installed" if digest == wanted.get(path) else "of another version"
    block, magic = record.magic.encode(), place.real(place.magic)
    states[str(place.magic)] = "installed" if block and marked_block.has_block(magic, block) else "changed"
    return states


def _check_free(place: Place, wanted: list[Content], old: Record) -> None:
    """Refuse to overwrite what this did not write, or what was changed since."""
    for each in wanted:
        path = place.real(each.path)
        if not os.path.lexists(path):
            continue
        if str(each.path) not in old.files:
            raise SdzOptionError(
                "is there, and was not put there by sdz-convert desktop install", file=str(path),
                remedy="remove it, with the package that it belongs to if there is one",
            )  # fmt: skip
        if not (_is_there(place, each) or _unchanged(place, old, str(each.path))):
            raise SdzOptionError("was changed since it was installed", file=str(path), remedy="move it away")


def _is_there(place: Place, content: Content) -> bool:
    return _digest_of(place.real(content.path)) == _digest(content.data)


def _unchanged(place: Place, record: Record, path: str) -> bool:
    return _digest_of(place.real(PurePosixPath(path))) == record.files[path]


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _digest_of(path: Path) -> str | None:
    """The SHA-256 of a regular file, not of one that a link leads to."""
    if path.is_symlink() or not path.is_file():
        return None
    return _digest(path.read_bytes())


def _write_record(place: Place, record: Record) -> None:
    write_atomically(place.real(place.record), record.to_json(), 0o644)


def _refresh(place: Place) -> Iterator[str]:
    if place.root != Path("/"):
        yield "databases are not refreshed below another root"
    else:
        yield from databases.refresh(place.real(place.data))


def _make_folders(place: Place, paths: list[PurePosixPath]) -> list[str]:
    """Make the folders of files; returns those that were not there, outer ones first.

    Those of the whole system are open to all users, whatever the umask.
    """
    made = []
    for path in paths:
        missing = [each for each in path.parents if not place.real(each).is_dir()]
        for each in reversed(missing):
            place.real(each).mkdir(exist_ok=True)
            if place.program is not None:
                place.real(each).chmod(0o755)
            if str(each) not in made and str(each) != "/":
                made.append(str(each))
    return made
