"""What an installation consists of: which files, where, for a user or for the whole system."""

from __future__ import annotations

import os
import re
import shlex
import sysconfig
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from pillow_sdz.errors import SdzDependencyError, SdzOptionError
from pillow_sdz.integrations.desktop.zipapp import build_zipapp

PROGRAM: Final = "sdz-thumbnailer"
DATA: Final = Path(__file__).parent / "data"

SYSTEM_PYTHON: Final = "/usr/bin/python3"
PREFIXES: Final = ("/usr/local", "/usr")
"""Where ``--system`` installs. GNOME shows thumbnailers /usr and nothing else."""

FORBIDDEN: Final = re.compile(r"[\x00-\x1f\x7f]")
"""Characters that the path of a program may not have: an entry is a line."""


@dataclass(frozen=True)
class Content:
    """A file to install.

    Attributes:
        path: absolute, in the finished system.
        data: its bytes.
        mode: its permissions.
    """

    path: PurePosixPath
    data: bytes
    mode: int = 0o644


@dataclass(frozen=True)
class Place:
    """Where an installation goes. All paths are absolute, in the finished system; it may be below another root yet.

    Attributes:
        data: the folder of data files: ``share`` of the prefix, or ``$XDG_DATA_HOME``.
        record: the record of what was written.
        magic: the file that ``file`` reads in addition to its own.
        program: where the program for the system's Python goes; None where the entry runs that of this environment.
        root: the folder that takes the place of ``/``.
    """

    data: PurePosixPath
    record: PurePosixPath
    magic: PurePosixPath
    program: PurePosixPath | None
    root: Path

    def real(self, path: PurePosixPath) -> Path:
        """Where a path is now."""
        return self.root / path.relative_to("/")


def user_place(root: Path) -> Place:
    """The user's own, by the XDG Base Directory Specification.

    Raises:
        SdzOptionError: there is no home folder.
    """
    home = PurePosixPath(os.environ.get("HOME", ""))
    if not home.is_absolute():
        problem = "is not an absolute path"
        raise SdzOptionError(problem, field="HOME", found=repr(str(home)), remedy="set it, or use --system")
    given = PurePosixPath(os.environ.get("XDG_DATA_HOME", ""))
    data = given if given.is_absolute() else home / ".local" / "share"
    return Place(data, data / "pillow-sdz" / "desktop.json", home / ".magic", None, root)


def system_place(prefix: str, root: Path) -> Place:
    """The whole system's, below a prefix, one of `PREFIXES`."""
    base = PurePosixPath(prefix)
    record = base / "lib" / "pillow-sdz" / "desktop.json"
    return Place(base / "share", record, PurePosixPath("/etc/magic"), base / "bin" / PROGRAM, root)


def contents(place: Place) -> list[Content]:
    """The files of an installation, but for the record and the lines in the magic file.

    Raises:
        SdzDependencyError: the program is missing from this environment, or construct is.
    """
    data = place.data
    program = place.program or environment_program()
    found = [
        Content(data / "mime" / "packages" / "pillow-sdz.xml", (DATA / "pillow-sdz.xml").read_bytes()),
        Content(
            data / "icons" / "hicolor" / "scalable" / "mimetypes" / "image-x-sdz.svg",
            (DATA / "image-x-sdz.svg").read_bytes(),
        ),
        Content(data / "thumbnailers" / "pillow-sdz.thumbnailer", thumbnailer_entry(str(program)).encode()),
    ]
    if place.program is not None:
        # -I: neither the user's packages nor PYTHONPATH
        found.insert(0, Content(place.program, build_zipapp(f"{SYSTEM_PYTHON} -I"), 0o755))
    return found


def environment_program() -> PurePosixPath:
    """The program as installed with this package.

    Raises:
        SdzDependencyError: it is not there.
    """
    folders = [sysconfig.get_path("scripts"), sysconfig.get_path("scripts", f"{os.name}_user")]
    for folder in folders:
        path = Path(folder) / PROGRAM
        if path.is_file() and os.access(path, os.X_OK):
            return PurePosixPath(path)
    raise SdzDependencyError(
        f"the program {PROGRAM} is not installed", found=f"none in {' or '.join(folders)}",
        remedy="install pillow-sdz again with pip",
    )  # fmt: skip


def thumbnailer_entry(program: str) -> str:
    r"""The entry for file managers: a key file, whose command is split as in a shell once ``%`` codes are known.

    Raises:
        SdzOptionError: the program's path cannot be written into one.

    >>> print(thumbnailer_entry("/opt/50% off/sdz-thumbnailer"))
    [Thumbnailer Entry]
    TryExec=/opt/50% off/sdz-thumbnailer
    Exec='/opt/50%% off/sdz-thumbnailer' -s %s %i %o
    MimeType=image/x-sdz;
    <BLANKLINE>
    """
    if FORBIDDEN.search(program):
        raise SdzOptionError("a control character cannot be in the path of the program", found=repr(program))
    lines = {
        "TryExec": program.replace("\\", r"\\"),
        "Exec": shlex.quote(program).replace("%", "%%").replace("\\", r"\\") + " -s %s %i %o",
        "MimeType": "image/x-sdz;",
    }
    return "[Thumbnailer Entry]\n" + "".join(f"{key}={value}\n" for key, value in lines.items())
