"""Names of files as file managers pass them: a path, or a ``file:`` URI (RFC 8089)."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes

from pillow_sdz.errors import SdzOptionError

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://|(file):(?=/)", re.IGNORECASE)
_LOCAL_HOSTS: Final = ("", "localhost")


def path_of(name: str) -> Path:
    """The path of a local file.

    Args:
        name: a path; or ``file:///...``, ``file://localhost/...`` or ``file:/...``, percent-encoded as in RFC 3986.

    Raises:
        SdzOptionError: a URI of another scheme or host, or one that is not well-formed.

    >>> path_of("file:///tmp/a%20b.sdz").as_posix(), path_of("a%20b.sdz").as_posix()
    ('/tmp/a b.sdz', 'a%20b.sdz')
    """
    match = _SCHEME.match(name)
    if match is None:
        return Path(_checked(name, name))
    scheme = (match[1] or match[2]).lower()
    if scheme != "file":
        raise _refused("only local files are read", name, "a path or a file: URI")
    rest = name[match.end() :]
    host, slash, path = rest.partition("/") if match[1] else ("", "/", rest[1:])
    if host.lower() not in _LOCAL_HOSTS or not slash:
        raise _refused("the file is on another machine", name, "file:///PATH, with no host or localhost")
    if "#" in path or re.search(r"%(?![0-9A-Fa-f]{2})", path):
        raise _refused("is not a well-formed URI", name, "special characters as %XX")
    if re.search("%2f", path, re.IGNORECASE):
        raise _refused("has an encoded slash", name, "slashes between names only")
    return Path(_checked(os.fsdecode(b"/" + unquote_to_bytes(path)), name))


def _checked(path: str, name: str) -> str:
    if not path or "\0" in path:
        raise _refused("is empty or has a zero byte", name, "the name of a file")
    return path


def _refused(problem: str, name: str, expected: str) -> SdzOptionError:
    return SdzOptionError(problem, field="INPUT", found=repr(name[:200]), expected=expected)
