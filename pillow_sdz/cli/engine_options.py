"""The options of ``sdz-convert`` about what works on the files: threads of this process, or Ray on many machines."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pillow_sdz.cli.printable import printable
from pillow_sdz.coding.threads import cores

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., object]")

ENGINES = ("threads", "ray")


def engine_options(command: F) -> F:
    """Add the options to a click command; a decorator."""
    options = (
        click.option(
            "-j",
            "--jobs",
            metavar="N",
            type=click.IntRange(0),
            help="How many files to convert at the same time; 0: as many as there are cores.  [default: 1; with"
            " --engine ray one for each GPU, or for each core]",
        ),
        click.option(
            "--engine",
            type=click.Choice(ENGINES),
            default=ENGINES[0],
            help="threads: in this process. ray: in processes on this machine or on those of a Ray cluster, which"
            " must have the inputs and -o in a shared file system. -o must be a directory, which also gets a table of"
            " the results, in _sdz_manifest/. Directories are taken without -r, finished outputs are kept without"
            " --skip-existing, and without -o a second INPUT is the output directory.  [default: threads]",
        ),
        click.option(
            "--address",
            metavar="ADDR",
            help="With --engine ray: a running cluster, as host:port, or auto on one of its machines.  [default:"
            " RAY_ADDRESS, else Ray is started on this machine for this run]",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def jobs(given: dict[str, Any]) -> int:
    """The number of conversions at the same time, for `pillow_sdz.cli.settings.Settings`."""
    number: int | None = given["jobs"]
    if given["engine"] == "ray":
        return number or 0  # the engine asks the cluster
    return 1 if number is None else number or cores()


def apply(given: dict[str, Any]) -> None:
    """Check the other options against the engine, and let them mean what they mean with it.

    Args:
        given: click's values; ``inputs``, ``output``, ``recursive`` and ``existing`` are changed for Ray.

    Raises:
        click.UsageError: an option or input cannot go with the engine.
    """
    if given["engine"] != "ray":
        if given["address"] is not None:
            raise click.UsageError("--address is for --engine ray.")
        return
    if given["action"] in ("info", "test"):
        raise click.UsageError(f"--engine ray converts files; run --{given['action']} without it.")
    if given["output"] is None and len(given["inputs"]) == 2:  # SRC DST, as for cp
        source, given["output"] = given["inputs"]
        given["inputs"] = (source,)
    if given["output"] is None:
        raise click.UsageError("--engine ray needs a directory for outputs and their table: -o DIRECTORY.")
    from pillow_sdz.cli import file_types

    if given["output"] in ("-", "/dev/stdout") or "-" in given["inputs"] or "/dev/stdin" in given["inputs"]:
        raise click.UsageError("--engine ray reads and writes files; - is for --engine threads.")
    output = Path(given["output"])
    names_a_file = not given["output"].endswith(("/", os.sep)) and not output.is_dir()
    if names_a_file and output.suffix and file_types.format_of_suffix(output.suffix):
        raise click.UsageError(
            f"--engine ray needs a directory, and {printable(given['output'])} is a file's name; end it with /."
        )
    if given["device"].startswith("cuda:"):
        raise click.UsageError("--engine ray gives each process a GPU of its own; write --device cuda or auto.")
    given["recursive"] = True
    given["existing"] = given["existing"] or "skip"
