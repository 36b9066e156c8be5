"""Errors of subcommands that do one thing: a message, and an exit code."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

from pillow_sdz.cli.exit_codes import ExitCode
from pillow_sdz.cli.printable import printable
from pillow_sdz.errors import SdzDependencyError, SdzError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Failure(click.ClickException):
    """An error as an exception of click, which prints the message and ends the program.

    Args:
        message: what is wrong.
        code: the exit code.
    """

    def __init__(self, message: str, code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(printable(message))
        self.exit_code = code  # type: ignore[misc]  # click reads it of the exception itself


@contextlib.contextmanager
def failures(code: ExitCode = ExitCode.FAILED) -> Iterator[None]:
    """Turn an `SdzError` within the block into a `Failure`.

    Args:
        code: the exit code; that of a missing package is `ExitCode.UNAVAILABLE` in any case.

    Raises:
        Failure: there was such an error.
    """
    try:
        yield
    except SdzError as error:
        missing = isinstance(error, SdzDependencyError)
        raise Failure(str(error), ExitCode.UNAVAILABLE if missing else code) from error
