"""``sdz-convert autoload``: let existing programs open .sdz, by a hook at Python's start; and undo it."""

from __future__ import annotations

import json
import platform
import sys
from typing import TYPE_CHECKING

import click

from pillow_sdz.cli.exit_codes import ExitCode
from pillow_sdz.cli.failures import failures
from pillow_sdz.cli.printable import printable
from pillow_sdz.integrations.autoload import files, places, switch

if TYPE_CHECKING:
    from pillow_sdz.integrations.autoload.places import Place

PIP = "pip does not know these files: run `sdz-convert autoload disable` before you uninstall pillow-sdz."


for_user = click.option("--user", "for_user", is_flag=True, help="In the folder of your own packages (pip's --user).")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def command() -> None:
    """Let programs that use Pillow open .sdz without being changed.

    A hook at Python's start registers the format when a program imports PIL.Image. It concerns all programs of the
    Python environment that `sdz-convert` is installed in. For one program only: `python -m pillow_sdz SCRIPT`.
    """


@command.command()
@for_user
@click.option("--system", is_flag=True, help="Also in a Python that belongs to the operating system.")
def enable(for_user: bool, system: bool) -> None:
    """Install the hook in this Python environment: three files, and the bytecode of one.

    With --user, the folder of your own packages is made if it is not there.
    """
    with failures():
        place = places.chosen(for_user=for_user)
        written = switch.enable(place, system=system)
    for path in written:
        click.echo(f"wrote {printable(str(path))}")
    click.echo(f"autoload is on{'' if written else ' already'}: {_about(place)}")
    if written:
        click.echo(PIP)


@command.command()
@for_user
def disable(for_user: bool) -> None:
    """Remove all files of the hook from this Python environment.

    The folder of your own packages stays, also if `enable --user` has made it.
    """
    with failures():
        place = places.chosen(for_user=for_user)
        removed = switch.disable(place)
    for path in removed:
        click.echo(f"removed {printable(str(path))}")
    click.echo(f"autoload is off{'' if removed else ' already'}: {_about(place)}")


@command.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each place that this Python reads.")
def status(as_json: bool) -> int:
    """Show whether the hook is installed.

    The exit code is 1 where it is partly there, or where files of its names were not written by this program.
    """
    with failures():
        found = [(place, switch.states_of(place)) for place in places.every()]
    for place, states in found:
        summary = _summary(states)
        if as_json:
            record = {"place": place.kind, "state": summary, "folder": str(place.folder), "files": states}
            click.echo(json.dumps(record | {"python": sys.executable, "version": platform.python_version()}))
            continue
        click.echo(f"{summary}: {_about(place)}")
        if summary != "off":
            for name, state in states.items():
                click.echo(f"  {printable(str(place.folder / name))}: {_EXPLAINED[state]}")
    summaries = {_summary(states) for _, states in found}
    if not as_json and summaries != {"off"}:
        click.echo(PIP)
    return ExitCode.FAILED if summaries & {"partly", "foreign"} else ExitCode.DONE


_EXPLAINED = {
    "absent": "missing; `sdz-convert autoload enable` writes it",
    "current": "there",
    "outdated": "of another version; `sdz-convert autoload enable` renews it",
    "foreign": "not written by this program, which does not touch it",
}


def _summary(states: dict[str, files.State]) -> str:
    found = set(states.values())
    if "foreign" in found:
        return "foreign"
    if found == {"absent"}:
        return "off"
    return "partly" if "absent" in found else "on"


def _about(place: Place) -> str:
    whose = "programs" if place.kind == "environment" else "your programs"
    return (
        f"{whose} of Python {platform.python_version()}, {printable(sys.executable)}, by {printable(str(place.folder))}"
    )
