"""Enable and disable the start-up hook: all of its files or none."""

from __future__ import annotations

import contextlib
import py_compile
from importlib.util import cache_from_source
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pillow_sdz.errors import SdzError
from pillow_sdz.integrations.all_or_nothing import all_or_nothing
from pillow_sdz.integrations.autoload import files, places
from pillow_sdz.plugin.atomic_file import AtomicFile

if TYPE_CHECKING:
    from pillow_sdz.integrations.autoload.places import Place

_FOR_ALL: Final = 0o644
_FOLDER_FOR_ALL: Final = 0o755
"""Permissions in an environment, whatever the umask: others may run its Python, too."""


def enable(place: Place, *, system: bool = False) -> list[Path]:
    """Write the files that are missing or of another version.

    Args:
        place: where.
        system: allow the Python of the operating system.

    Returns:
        What was written; empty if the hook was enabled already. The compiled form of the module is written, too, so
        that programs which may not write there start as fast.

    Raises:
        SdzError: the place must not or cannot be written, or there are files of these names that are not ours. All
            files are as before.
    """
    places.check_allowed(place, system=system)
    states = states_of(place)
    _refuse_foreign(place, states)
    contents = files.contents()
    names = [name for name, state in states.items() if state != "current"]
    pending = {name: AtomicFile(place.folder / name) for name in names}
    try:
        # the .pth file, which needs the module, is restored first
        with all_or_nothing([file.target for file in reversed(pending.values())]), contextlib.ExitStack() as cleanup:
            if place.kind == "user":
                place.folder.mkdir(parents=True, exist_ok=True)
            for name, file in pending.items():
                cleanup.callback(file.discard)
                file.create()
                if place.kind == "environment":
                    file.temporary.chmod(_FOR_ALL)
                file.fill(contents[name])
            for file in pending.values():
                file.commit()
    except OSError as error:
        raise places.cannot_write(place, error) from error
    if names:
        _compile(place)
    return [place.folder / name for name in names]


def _compile(place: Place) -> None:
    """Write the bytecode of the hook's module, where that can be: it saves time, and nothing depends on it."""
    module = str(place.folder / f"{files.MODULE}.py")
    cache = Path(cache_from_source(module))
    with contextlib.suppress(OSError, py_compile.PyCompileError):
        new = not cache.parent.exists()
        py_compile.compile(module, doraise=True)
        if place.kind == "environment":
            cache.chmod(_FOR_ALL)
            if new:
                cache.parent.chmod(_FOLDER_FOR_ALL)


def disable(place: Place) -> list[Path]:
    """Remove the files, and the compiled forms of the module. The folder of the user's packages stays.

    Args:
        place: where.

    Returns:
        What was removed; empty if the hook was not enabled.

    Raises:
        SdzError: a file cannot be removed, or a file of that name is not ours; what is ours was removed before.
    """
    states = states_of(place)
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


def states_of(place: Place) -> dict[str, files.State]:
    """What is in a place under the names of the files.

    Raises:
        SdzError: it cannot be read.
    """
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
