"""``sdz-convert desktop``: file type, icon and thumbnails for the desktops of Linux, installed and removed."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pillow_sdz.cli.exit_codes import ExitCode
from pillow_sdz.cli.failures import Failure, failures
from pillow_sdz.cli.printable import printable
from pillow_sdz.integrations.desktop.contents import PREFIXES, Place, system_place, user_place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pillow_sdz.integrations.desktop.install import Outcome

GNOME_NOTE = "in GNOME Files thumbnailers see only /usr; use --system for it"


@contextlib.contextmanager
def _failures(place: Place) -> Iterator[None]:
    """Turn errors within the block into a `Failure`."""
    try:
        with failures():
            yield
    except OSError as error:
        where = os.path.dirname(str(error.filename)) if error.filename else place.root  # noqa: PTH120
        message = f"cannot read or write in {where}: {error.strerror or error}"
        if isinstance(error, PermissionError) and place.program is not None:
            message += "; run the same command as root, for instance with sudo and its full path"
        raise Failure(message) from error


def _place_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options that say where."""
    for option in (
        click.option(
            "--root", type=click.Path(file_okay=False, path_type=Path), default=Path("/"), metavar="DIR",
            help="Put everything below DIR instead of /, for packages; databases are not refreshed.",
        ),
        click.option(
            "--prefix", type=click.Choice(PREFIXES), help=f"Prefix of --system.  [default: {PREFIXES[0]}]"
        ),
        click.option("--system", is_flag=True, help="For all users, with a program for the system's own Python."),
    ):  # fmt: skip
        function = option(function)
    return function


def _place(*, system: bool, prefix: str | None, root: Path) -> Place:
    if sys.platform in ("win32", "darwin"):
        raise Failure("this is for desktops that follow freedesktop.org, on Linux and BSD")
    if prefix is not None and not system:
        raise click.UsageError("--prefix goes with --system")
    root = root.absolute()
    with failures():
        return system_place(prefix or PREFIXES[0], root) if system else user_place(root)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def command() -> None:
    """Thumbnails, file type and icon of .sdz files in file managers.

    Without --system they are installed for you alone, below $XDG_DATA_HOME and in ~/.magic, and file managers run the
    program of this environment. With --system they are installed below /usr/local and in /etc/magic, with a program of
    its own that needs the system's Python 3.11 or newer and numpy.
    """


@command.command()
@_place_options
def install(**where: Any) -> None:
    """Install the file type image/x-sdz, its icon, the entry of the thumbnailer and a line for `file`.

    What is written is recorded, and `uninstall` removes just that. Files of others are never replaced.
    """
    from pillow_sdz.integrations.desktop.install import install as put_in_place

    place = _place(**where)
    with _failures(place):
        outcome = put_in_place(place)
    _show(outcome, "wrote", "already installed")
    if place.program is None:
        click.echo(f"note: {GNOME_NOTE}")
    elif place.root == Path("/") and (problem := _problem_of(place.real(place.program))):
        click.echo(f"note: {printable(problem)}")


@command.command()
@_place_options
def uninstall(**where: Any) -> None:
    """Remove what `install` has written. Files that were changed since are left, and named."""
    from pillow_sdz.integrations.desktop.install import uninstall as take_away

    place = _place(**where)
    with _failures(place):
        outcome = take_away(place)
    _show(outcome, "removed", "nothing is installed")
    if not outcome.done:
        sys.exit(ExitCode.NOTHING)


@command.command()
@_place_options
def status(**where: Any) -> None:
    """Say what is installed. The exit code is 3 if nothing is, and 1 if not all of it is as this version has it."""
    from pillow_sdz.integrations.desktop.install import status as states_of

    place = _place(**where)
    with _failures(place):
        states = states_of(place)
    if states is None:
        click.echo("nothing is installed")
        sys.exit(ExitCode.NOTHING)
    for path, state in states.items():
        click.echo(f"{printable(path)}: {state}")
    if set(states.values()) != {"installed"}:
        sys.exit(ExitCode.FAILED)


def _show(outcome: Outcome, verb: str, nothing: str) -> None:
    for path in outcome.done:
        click.echo(f"{verb} {printable(path)}")
    if not outcome.done:
        click.echo(nothing)
    for note in outcome.notes:
        click.echo(f"note: {printable(note)}")


def _problem_of(program: Path) -> str | None:
    """Why the program for the system's Python does not start, in words; None if it does."""
    try:
        done = subprocess.run(  # noqa: S603 - what was just installed
            [program, "--help"], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"{program} does not start: {error}"
    return None if done.returncode == 0 else f"{program} does not start: {done.stderr.strip()}"
