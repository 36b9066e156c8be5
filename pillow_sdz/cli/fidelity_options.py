"""The options of ``sdz-convert`` about what came out wrong: to guard against it, to store and to verify the error."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import click

from pillow_sdz.options.saving import SSIMULACRA2

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., object]")

ENCODING = ("guard", "error", "error_map")
"""Those that only matter where an .sdz is written."""

_WORDS: dict[str, bool | str] = {"yes": True, "no": False, SSIMULACRA2: SSIMULACRA2}


def _value(_ctx: click.Context, _param: click.Parameter, word: str | None) -> bool | str | None:
    return None if word is None else _WORDS[word]


def fidelity_options(command: F) -> F:
    """Add the options to a click command; a decorator."""
    options = (
        click.option(
            "--guard/--no-guard",
            default=None,
            help="Whether lettering, small faces and regular structure that came out wrong are stored as pixels; or the"
            " whole picture, where that is closer at the same size.  [default: from effort 3 on]",
        ),
        click.option(
            "--error",
            type=click.Choice(list(_WORDS)),
            callback=_value,
            help="Whether the .sdz says how far its picture is from the original: yes (with the guard), no, or with"
            " SSIMULACRA 2, which takes longer.  [default: yes]",
        ),
        click.option(
            "--error-map", is_flag=True, flag_value=True, default=None, help="Store a coarse map of the error, too."
        ),
        click.option(
            "--against",
            metavar="ORIGINAL",
            help="With --test: decode, measure the error, and compare it with what the file says. ORIGINAL is the"
            " picture that the .sdz was made from, or a directory of pictures with the same names.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command
