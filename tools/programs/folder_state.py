"""What is in a folder, exactly, and how it differs from another time."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path


def state(folder: Path) -> dict[str, str]:
    """Every file, folder and symbolic link below a folder, with its permissions and content.

    Contents are SHA-256 sums, and targets of links. Times are left out: those of folders change when a file comes and
    goes.
    """
    found = {}
    for parent, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(parent, name)
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                content = f"-> {path.readlink()}"
            elif stat.S_ISREG(mode):
                with path.open("rb") as file:
                    content = hashlib.file_digest(file, "sha256").hexdigest()
            else:
                content = stat.filemode(mode)[0]
            found[str(path.relative_to(folder))] = f"{stat.S_IMODE(mode):o} {content}"
    return found


def differences(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """One line for each entry that is new, gone or different."""
    new, gone = sorted(after.keys() - before.keys()), sorted(before.keys() - after.keys())
    changed = sorted(name for name in before.keys() & after.keys() if before[name] != after[name])
    return [f"{word}: {name}" for word, names in (("new", new), ("gone", gone), ("changed", changed)) for name in names]
