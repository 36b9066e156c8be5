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
    """An error as an exception of click, which prints the message and ends the program with `exit_code`."""

    exit_code = ExitCode.FAILED

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class UnavailableFailure(Failure):
    """The same for a model, package or program that is missing."""

    exit_code = ExitCode.UNAVAILABLE


@contextlib.contextmanager
def failures(kind: type[Failure] = Failure) -> Iterator[None]:
    """Turn an `SdzError` within the block into an exception of click.

    Args:
        kind: which; for a missing package it is `UnavailableFailure` in any case.

    Raises:
        Failure: there was such an error.
    """
    try:
        yield
    except SdzDependencyError as error:
        raise UnavailableFailure(str(error)) from error
    except SdzError as error:
        raise kind(str(error)) from error
