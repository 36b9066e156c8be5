"""The page: one document with its style and script inline. No text of a file is in it; the script asks for those."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

NAMES: Final = ("page.html", "page.css", "facts.js", "page.js")
"""Files in ``templates/``."""


class Page(NamedTuple):
    """The page and what browsers are told about it.

    Attributes:
        html: in UTF-8.
        policy: its Content-Security-Policy: this style and script, and requests to where the page comes from.
    """

    html: bytes
    policy: str


@cache
def page() -> Page:
    """The page, which is the same for all files."""
    folder = files("pillow_sdz.cli.viewer") / "templates"
    html, style, *scripts = ((folder / name).read_text("utf-8") for name in NAMES)
    script = "".join(scripts)
    policy = (
        f"default-src 'none'; img-src 'self' data:; connect-src 'self'; style-src {_digest(style)};"
        f" script-src {_digest(script)}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return Page(html.replace("{{ style }}", style).replace("{{ script }}", script).encode(), policy)


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
