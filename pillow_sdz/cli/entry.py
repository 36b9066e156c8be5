"""The program ``sdz-convert``: finds the subcommand, runs it, and turns errors and interruption into exit codes."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

import click

from pillow_sdz.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run ``sdz-convert`` and exit with one of `ExitCode`.

    Args:
        args: the arguments after the program's name; None takes those of this process.
    """
    from pillow_sdz.cli.console import StandardOutputError

    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads sleep when they wait; read when torch is imported
    words = list(sys.argv[1:] if args is None else args)
    program, found = "sdz-convert", subcommand(words[0]) if words else None
    if found is not None:
        command, program = found, f"{program} {words.pop(0)}"
    else:
        from pillow_sdz.cli.command import command
    try:
        with _termination_as_interrupt():
            code = command.main(args=words, prog_name=program, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = ExitCode.INTERRUPTED
    except StandardOutputError as error:
        print(f"sdz-convert: cannot write to standard output: {error.strerror or error}", file=sys.stderr)
        _discard_output()
        code = ExitCode.FAILED
    sys.exit(int(code or 0))


@contextlib.contextmanager
def _termination_as_interrupt() -> Iterator[None]:
    """Within the block, SIGTERM raises KeyboardInterrupt as Ctrl-C does, unless the calling program handles it."""

    def interrupt(_number: int, _frame: Any) -> None:
        raise KeyboardInterrupt

    ours = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if ours:
        signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _discard_output() -> None:
    """Redirect standard output to the null device, so that Python's flush at exit does not fail again."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


COMMANDS: Mapping[str, str] = {
    "autoload": "autoload",
    "compare": "compare",
    "desktop": "desktop",
    "models": "models",
    "view": "view",
}
"""First word -> module of `pillow_sdz.cli` whose ``command`` is run. To convert a file of that name, write ./WORD."""


def subcommand(word: str) -> click.Command | None:
    """The subcommand that ``word`` names, or None if it is an option or input of the conversion."""
    if word not in COMMANDS:
        return None
    command: click.Command = import_module(f"pillow_sdz.cli.{COMMANDS[word]}").command
    return command
