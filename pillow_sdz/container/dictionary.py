"""The preset dictionary of metadata: bytes that are frequent in them, which DEFLATE can then refer to.

It is a part of the format, which ``spec/sdz.md`` prints. It has tags of ICC profiles, keys of texts, XMP properties and
namespaces, names of cameras, lenses and programs, values of EXIF, and heads of compact EXIF; the most frequent bytes
are at the end.
"""

from __future__ import annotations

import pkgutil
from functools import cache


@cache
def preset_dictionary() -> bytes:
    """The dictionary: the lines of ``dictionary.txt``, joined, with their escapes resolved."""
    data = pkgutil.get_data(__name__, "dictionary.txt")  # also from a ZIP archive
    assert data is not None
    lines = data.decode("ascii").splitlines()
    return "".join(lines).encode("ascii").decode("unicode_escape").encode("latin-1")
