"""Commands beside the conversion itself, by the first word of the command line; each is imported only when it runs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import click

COMMANDS: Mapping[str, str] = {
    "compare": "compare",
    "models": "models",
}
"""Word -> module of `pillow_sdz.cli` whose ``command`` is a click command. A file of that name is written ./WORD."""


def find(word: str) -> click.Command | None:
    """The command that ``word`` starts, or None where it is an input of the conversion."""
    if word not in COMMANDS:
        return None
    command: click.Command = import_module(f"pillow_sdz.cli.{COMMANDS[word]}").command
    return command
