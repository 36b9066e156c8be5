"""``sdz-convert view``: show .sdz files in the browser; see `pillow_sdz.cli.viewer`."""

from __future__ import annotations

import os
import sys
import threading
import time
import webbrowser
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import click

from pillow_sdz import limits
from pillow_sdz.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from pillow_sdz.cli.jobs import Job
    from pillow_sdz.cli.viewer.server import Viewer

CLOSED_SECONDS: Final = 10.0
"""Seconds after which a page that was closed is not opened again: reloading takes less."""

_TICK: Final = 0.25


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--port", metavar="N", type=click.IntRange(1, 65535), help="Port of the page.  [default: a free one]")
@click.option("--browser/--no-browser", default=True, help="Open the page, or only print where it is.  [default: open]")
@click.option(
    "--decode/--no-decode", default=True, help="Decode the pictures, or show previews only.  [default: decode]"
)
@click.option("--device", metavar="DEV", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or mps.")
@click.option(
    "--max-pixels", metavar="N", type=click.IntRange(1), default=limits.MAX_PIXELS, show_default=True,
    help="Refuse larger pictures.",
)  # fmt: skip
@click.option("--quiet", is_flag=True, help="Print where the page is, and errors only.")
def command(**given: Any) -> int:
    """Show .sdz files in the browser.

    A FILE is an .sdz file, - for standard input, or a directory, of which all .sdz files are taken. The page shows the
    preview at once, and the picture when it is decoded; what the file says about itself and its error; and its patches.
    ? on the page lists the keys.

    The page is served to this machine only (127.0.0.1), under a name that nobody can guess, and loads nothing from
    elsewhere. Whoever knows its address can see the files; the browser is told it by a temporary file that you alone
    can read. The command ends some seconds after the page was closed, or on Ctrl-C. The files are not changed.
    """
    return int(_run(given))


def _run(given: dict[str, Any]) -> ExitCode:
    from pillow_sdz.cli import batch, jobs
    from pillow_sdz.cli.convert import limits_and_options
    from pillow_sdz.cli.settings import Settings, parse_device
    from pillow_sdz.cli.viewer.decoder import Decoder
    from pillow_sdz.cli.viewer.server import Viewer
    from pillow_sdz.errors import SdzOptionError

    try:
        device = parse_device(given["device"])
    except SdzOptionError as error:
        raise click.UsageError(str(error)) from error
    settings = Settings(action="info", recursive=True, device=device, max_pixels=given["max_pixels"])
    planned, notes = jobs.plan(given["files"], settings)
    for note in () if given["quiet"] else notes:
        click.echo(note, err=True)
    if not planned:
        click.echo("sdz-convert: no .sdz files found", err=True)
        return ExitCode.NOTHING
    sources = [replace(job.source, problem=_problem(job)) for job in planned]
    failed = [source for source in sources if source.problem is not None]
    for source in failed:
        click.echo(f"sdz-convert: {source.name}: {source.problem}", err=True)
    if len(failed) == len(sources):
        return ExitCode.FAILED
    with limits_and_options(settings), batch.warnings_as_notes(settings):
        decoder = Decoder(sources, enabled=given["decode"])
        try:
            viewer = Viewer(sources, decoder, given["port"] or 0)
        except OSError as error:
            decoder.stop()
            click.echo(
                f"sdz-convert: port {given['port']}: {error.strerror}; without --port a free one is taken", err=True
            )
            return ExitCode.FAILED
        try:
            _serve(viewer, browser=given["browser"], quiet=given["quiet"])
        finally:
            viewer.stopped = True
            viewer.server_close()
            working = decoder.stop()
        code = ExitCode.FAILED if failed else ExitCode.DONE
        if working:  # threads that run a network cannot be stopped, and Python would wait for them
            sys.stdout.flush()
            os._exit(code)
    return code


def _problem(job: Job) -> str | None:
    """Why a file cannot be read, without its name."""
    return None if job.problem is None else job.problem.removeprefix(f"{job.source.name}: ")


def _serve(viewer: Viewer, *, browser: bool, quiet: bool) -> None:
    """Serve until the page has been closed, or Ctrl-C."""
    from pillow_sdz.cli.viewer.redirect import redirect_to

    threading.Thread(target=viewer.serve_forever, args=(_TICK,), name="sdz-convert view", daemon=True).start()
    try:
        _print(viewer.url)
        with redirect_to(viewer.url) if browser else nullcontext("") as address:
            if address and not webbrowser.open(address):
                click.echo("sdz-convert: no browser was found; open the address above in one", err=True)
            elif address and not quiet:
                click.echo("If no page appears, open the address above.", err=True)
            if not quiet:
                click.echo("Closing the page ends the program, and so does Ctrl-C.", err=True)
            while viewer.closed_for() < CLOSED_SECONDS:
                time.sleep(_TICK)
    except KeyboardInterrupt:
        pass
    finally:
        viewer.shutdown()


def _print(line: str) -> None:
    """Print to standard output, at once.

    Raises:
        StandardOutputError: it cannot be written to.
    """
    from pillow_sdz.cli.console import StandardOutputError

    try:
        print(line, flush=True)
    except OSError as error:
        raise StandardOutputError(error.errno, error.strerror) from error
