"""The files of the start-up hook: their content, and which of them are in a folder."""

from __future__ import annotations

import pkgutil
import stat
from importlib.util import cache_from_source
from pathlib import Path
from typing import Final, Literal

from pillow_sdz.integrations.autoload import startup
from pillow_sdz.integrations.autoload.startup._pillow_sdz_autoload import FILES

MODULE: Final = "_pillow_sdz_autoload"
"""The module that is imported at Python's start."""

MARK: Final = "# Written by `sdz-convert autoload enable`; `sdz-convert autoload disable` removes it."
"""First line of every file; a file without it is not ours."""

LARGEST: Final = 1 << 16
"""Bytes of a file that are read to tell whether it is ours."""

State = Literal["absent", "current", "outdated", "foreign"]
"""What is there under the name of one of the files: nothing, what this version writes, what another version wrote, or
something else."""


def contents() -> dict[str, bytes]:
    """All files that are written, by name, in the order in which they are written.

    Python before 3.15 executes the line of the .pth file; since 3.15, by PEP 829, a .start file of the same name takes
    its place. So the module comes first and the .pth file last: what is there is complete at any time.
    """
    source = pkgutil.get_data(startup.__name__, f"{MODULE}.py")
    assert source is not None
    texts = (
        f"{MARK}\nimport {MODULE}; {MODULE}.install()\n".encode(),
        f"{MARK}\n{MODULE}:install\n".encode(),
        f"{MARK}\n".encode() + source.replace(b"\r\n", b"\n"),
    )
    return dict(reversed(list(zip(FILES, texts, strict=True))))


def states(folder: Path) -> dict[str, State]:
    """What is in a folder under the names of the files.

    Raises:
        OSError: the folder or a file cannot be read.
    """
    return {name: _state(folder / name, content) for name, content in contents().items()}


def _state(path: Path, content: bytes) -> State:
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "absent"
    if not stat.S_ISREG(mode):
        return "foreign"
    with path.open("rb") as file:
        found = file.read(LARGEST)
    if found == content:
        return "current"
    return "outdated" if found.startswith(MARK.encode()) else "foreign"


def bytecode(folder: Path) -> list[Path]:
    """Files with compiled forms of the hook's module, of any Python that may have written one."""
    elsewhere = Path(cache_from_source(str(folder / f"{MODULE}.py"))).parent  # where PYTHONPYCACHEPREFIX is set
    return sorted(path for cache in {folder / "__pycache__", elsewhere} for path in cache.glob(f"{MODULE}.*.pyc"))
