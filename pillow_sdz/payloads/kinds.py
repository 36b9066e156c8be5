"""The list of payload kinds. To add a kind, write its folder here and append the folder's name to `KINDS`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from pillow_sdz.payloads.protocol import Payload

KINDS: tuple[str, ...] = ("palette", "direct", "scalar", "pixels")
"""Names of the kinds; the position of a name is its number in the header."""


def payload(kind: str) -> Payload[Any]:
    """The ``PAYLOAD`` of a kind, one of `KINDS`. Its module is imported on demand, so that imports stay fast."""
    interface: Payload[Any] = import_module(f"pillow_sdz.payloads.{kind}.payload").PAYLOAD
    return interface
