"""Where the start-up files of a Python lie: its environment's site-packages, or the user's."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pillow_sdz.errors import SdzError


@dataclass(frozen=True)
class Place:
    """A folder whose .pth files this Python reads at its start.

    Attributes:
        kind: ``environment``, or ``user`` for the folder of the user's own packages.
        folder: its path.
    """

    kind: Literal["environment", "user"]
    folder: Path


def environment() -> Place:
    """The folder into which pip installs packages of this environment.

    Raises:
        SdzError: this Python does not read .pth files there.
    """
    folder = Path(sysconfig.get_path("purelib"))
    if not any(_same(folder, Path(other)) for other in site.getsitepackages()):
        raise SdzError("Python reads no start-up files here", file=str(folder), remedy="use a virtual environment")
    return Place("environment", folder)


def user() -> Place | None:
    """The folder of packages that the user installed with ``pip install --user``; None where Python ignores it."""
    return Place("user", Path(site.getusersitepackages())) if site.ENABLE_USER_SITE else None


def chosen(*, for_user: bool) -> Place:
    """The place that the options of the command name.

    Raises:
        SdzError: this Python does not read start-up files there.
    """
    if not for_user:
        return environment()
    place = user()
    if place is None:
        raise SdzError(
            "this Python ignores the user's packages", field="--user", remedy="leave --user out: this environment's own"
        )
    return place


def every() -> list[Place]:
    """All places that this Python reads.

    Raises:
        SdzError: it does not read that of its own environment.
    """
    place = user()
    return [environment(), *([place] if place is not None else [])]


def check_allowed(place: Place, *, system: bool) -> None:
    """Refuse the Python of an operating system (PEP 668), all of whose programs would run the hook.

    Args:
        place: where the hook is to be written.
        system: whether the user asked for it.

    Raises:
        SdzError: the environment is managed by something else than pip.
    """
    virtual = sys.prefix != sys.base_prefix
    if system or virtual or place.kind == "user":
        return
    if Path(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED").exists():
        raise SdzError(
            "belongs to the operating system, whose programs would run the hook, too",
            file=str(place.folder),
            remedy="use a virtual environment, --user for your own programs alone, or --system if you mean it",
        )


def cannot_write(place: Place, error: OSError) -> SdzError:
    """The error for a folder that cannot be written."""
    remedy = "use a virtual environment of your own"
    if place.kind == "environment" and user() is not None:
        remedy += ", or --user"
    return SdzError(f"cannot be written: {error.strerror or error}", file=str(place.folder), remedy=remedy)


def _same(one: Path, other: Path) -> bool:
    return os.path.normcase(os.path.realpath(one)) == os.path.normcase(os.path.realpath(other))
