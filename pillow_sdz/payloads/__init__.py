"""Payload kinds: how the 8-bit codes of a latent are stored in a file.

Each kind is a folder here, whose module ``payload`` has an object ``PAYLOAD`` with the interface of
`pillow_sdz.payloads.protocol.Payload`. Header, codec, options, command line and report use nothing else of a kind. To
add one, write the folder and append its name to `KINDS`.

`codes` maps latents to codes and back, `preview_matrix` turns codes into a thumbnail, and `rate_control` holds what the
``rate_control`` modules of the kinds share.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from pillow_sdz.payloads.protocol import Payload

KINDS: tuple[str, ...] = ("palette", "direct", "scalar")
"""Names of the kinds; the position of a name is its number in the header."""


def payload(kind: str) -> Payload[Any]:
    """The ``PAYLOAD`` of a kind, one of `KINDS`. Its module is imported on demand, so that imports stay fast."""
    interface: Payload[Any] = import_module(f"{__name__}.{kind}.payload").PAYLOAD
    return interface
