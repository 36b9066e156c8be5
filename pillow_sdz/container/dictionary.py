"""The preset dictionary of metadata: bytes that are frequent in them, which DEFLATE can then refer to.

It is a part of the format, which ``spec/sdz.md`` prints. It has tags of ICC profiles, keys of texts, XMP properties and
namespaces, names of cameras, lenses and programs, values of EXIF, and heads of compact EXIF; the most frequent bytes
are at the end.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def preset_dictionary() -> bytes:
    """The dictionary: the lines of ``dictionary.txt``, joined, with their escapes resolved."""
    lines = Path(__file__).with_name("dictionary.txt").read_text("ascii").splitlines()
    return "".join(lines).encode("ascii").decode("unicode_escape").encode("latin-1")
