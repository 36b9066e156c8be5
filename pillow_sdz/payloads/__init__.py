"""Payload kinds: how the 8-bit codes of a latent are stored in a file.

Each kind is a folder here whose module ``payload`` holds ``PAYLOAD``, a `pillow_sdz.payloads.protocol.Payload`. The
header, the codec, the options, the command line and the report know kinds by that interface only. To add one, write the
folder and append its name to `KINDS`.

`codes` says what a code is, `preview_matrix` turns codes into a thumbnail, and `rate_control` has what the kinds' own
modules of that name share.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from pillow_sdz.payloads.protocol import Payload

KINDS: tuple[str, ...] = ("palette", "direct", "scalar")
"""The kinds by their number in the header."""


def payload(kind: str) -> Payload[Any]:
    """The payload of a kind, one of `KINDS`; its modules are imported when it is asked for."""
    found: Payload[Any] = import_module(f"{__name__}.{kind}.payload").PAYLOAD
    return found
