"""Enable and disable the start-up hook: all of its files or none."""

from __future__ import annotations

import contextlib
import py_compile
from typing import TYPE_CHECKING

from pillow_sdz.errors import SdzError
from pillow_sdz.integrations.autoload import files, places
from pillow_sdz.plugin.atomic_file import AtomicFile

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pillow_sdz.integrations.autoload.places import Place


def enable(place: Place, *, system: bool = False) -> list[Path]:
    """Write the files that are missing or of another version.

    Args:
        place: where.
        system: allow the Python of the operating system.

    Returns:
        What was written; empty if the hook was enabled already. The compiled form of the module is written, too, so
        that programs which may not write there start as fast.

    Raises:
        SdzError: the place must not or cannot be written, or there are files of these names that are not ours. Nothing
            was changed.
    """
    places.check_allowed(place, system=system)
    states = _states(place)
    _refuse_foreign(place, states)
    contents = files.contents()
    names = [name for name, state in states.items() if state != "current"]
    pending = {name: AtomicFile(place.folder / name) for name in names}
    before = {name: _content(place.folder / name) for name in names}
    replaced: list[str] = []
    try:
        if place.kind == "user":
            place.folder.mkdir(parents=True, exist_ok=True)
        for name, file in pending.items():
            file.create()
            file.fill(contents[name])
        for name, file in pending.items():
            file.commit()
            replaced.append(name)
    except OSError as error:
        _restore(place, {name: before[name] for name in replaced})
        raise places.cannot_write(place, error) from error
    finally:
        for file in pending.values():
            file.discard()
    if names:
        module = place.folder / f"{files.MODULE}.py"
        with contextlib.suppress(OSError, py_compile.PyCompileError):  # bytecode saves time; nothing depends on it
            py_compile.compile(str(module), doraise=True)
    return [place.folder / name for name in names]


def disable(place: Place) -> list[Path]:
    """Remove the files, and the compiled forms of the module.

    Args:
        place: where.

    Returns:
        What was removed; empty if the hook was not enabled.

    Raises:
        SdzError: a file cannot be removed, or a file of that name is not ours; what is ours was removed before.
    """
    states = _states(place)
    # The .pth file first: without the module it would be an error at every start of Python.
    names = [name for name in reversed(states) if states[name] in ("current", "outdated")]
    removed = [place.folder / name for name in names]
    if states[f"{files.MODULE}.py"] != "foreign":
        removed += files.bytecode(place.folder)
    for path in removed:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise places.cannot_write(place, error) from error
    for cache in {path.parent for path in removed} - {place.folder}:
        with contextlib.suppress(OSError):  # other modules' bytecode is there
            cache.rmdir()
    _refuse_foreign(place, states)
    return removed


def _states(place: Place) -> dict[str, files.State]:
    try:
        return files.states(place.folder)
    except OSError as error:
        raise SdzError(f"cannot be read: {error.strerror or error}", file=str(place.folder)) from error


def _refuse_foreign(place: Place, states: dict[str, files.State]) -> None:
    foreign = [name for name, state in states.items() if state == "foreign"]
    if foreign:
        raise SdzError(
            "was not written by `sdz-convert autoload`, and stays as it is",
            file=str(place.folder / foreign[0]),
            remedy="move it away if nothing needs it",
        )


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _restore(place: Place, before: dict[str, bytes | None]) -> None:
    """Put back what was there before, as far as the folder lets us."""
    items: Iterable[tuple[str, bytes | None]] = reversed(before.items())
    for name, content in items:
        with contextlib.suppress(OSError):
            if content is None:
                (place.folder / name).unlink()
            else:
                (place.folder / name).write_bytes(content)
