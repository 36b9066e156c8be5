"""A file that leads a browser to the page: the page's address has a secret, and all users can read command lines."""

from __future__ import annotations

import html
import sys
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_HTML: Final = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={url}">
<title>sdz-convert view</title>
<p><a href="{url}">The pictures</a>
</html>
"""


@contextmanager
def redirect_to(url: str) -> Iterator[str]:
    """Make a file that leads to a page, and that nobody but the user can read; afterwards it is removed.

    Browsers are started with an address on their command line. On Windows other users cannot read that, and macOS hands
    addresses over in another way: there is no file there, nor where none can be written.

    Args:
        url: the address of the page.

    Yields:
        The address to open: of the file, or of the page itself where there is no file.
    """
    if sys.platform in ("win32", "darwin"):
        yield url
        return
    try:
        folder = TemporaryDirectory(prefix="sdz-view-", ignore_cleanup_errors=True)
    except OSError:
        yield url
        return
    with folder:
        yield _written(Path(folder.name) / "open.html", url)


def _written(path: Path, url: str) -> str:
    try:
        path.touch(mode=0o600)
        path.write_text(_HTML.format(url=html.escape(url)), "utf-8")
    except OSError:
        return url
    return path.as_uri()
