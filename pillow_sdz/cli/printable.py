"""Names and texts from outside, made safe to show on a terminal."""

from __future__ import annotations

import json


def printable(text: str) -> str:
    r"""Text with control characters and undecodable bytes written as escapes, so that it cannot control a terminal.

    >>> print(printable("caf\xe9 \x1b[31m.png"), printable("\udcff"))
    café \u001b[31m.png \udcff
    """
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)
