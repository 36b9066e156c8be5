"""Which parts of an XMP packet are stored. It is handled as bytes, without reading XML; every byte is hostile."""

from __future__ import annotations

import re
from typing import Final

from pillow_sdz.errors import notice

_TRAILER: Final = b"<?xpacket end="
_THUMBNAILS: Final = (b"<xmp:Thumbnails>", b"</xmp:Thumbnails>")

_ORIENTATION: Final = re.compile(
    rb"\stiff:Orientation=(?:\"[0-9]\"|'[0-9]')|<tiff:Orientation>([0-9])</tiff:Orientation>"
)
_POSITION_ATTRIBUTE: Final = re.compile(rb"\sexif:GPS\w*\s?=\s?(?:\"[^\"<]*\"|'[^'<]*')")
_POSITION_ELEMENT: Final = re.compile(rb"<(exif:GPS\w*)(?:[\s/][^<>]*)?>")
_POSITION: Final = (b"gpslat", b"gpslon")
"""Parts of the names of all properties that hold a position, whatever their namespace; in lower case."""


def useful_xmp(data: bytes) -> tuple[bytes, tuple[str, ...]]:
    """An XMP packet as it is stored by default: without embedded thumbnails, and without the padding that programs
    leave for editing it in place.

    Returns:
        The packet, and what was left out, in words.
    """
    left_out = []
    start, end = data.find(_THUMBNAILS[0]), data.find(_THUMBNAILS[1])
    if 0 <= start < end and data.count(_THUMBNAILS[0]) == data.count(_THUMBNAILS[1]) == 1:
        data = data[:start] + data[end + len(_THUMBNAILS[1]) :]
        left_out.append("thumbnail")
    trailer = data.rfind(_TRAILER)
    content = data[: max(trailer, 0)].rstrip()
    if trailer - len(content) > 1:
        data = content + b"\n" + data[trailer:]
        left_out.append("padding of XMP")
    return data, tuple(left_out)


def without_orientation(data: bytes) -> bytes:
    """An XMP packet without its orientation: the picture was turned, or its EXIF has another one."""
    return _ORIENTATION.sub(b"", data)


def without_position(data: bytes) -> bytes | None:
    """An XMP packet without the place where the picture was taken.

    Returns:
        None, after a warning, if it may hold a position in a form that is not known here.
    """
    reduced = _without_elements(_POSITION_ATTRIBUTE.sub(b"", data))
    if any(word in _folded(reduced) for word in _POSITION):
        notice("the XMP data were left out: the position was deleted from EXIF, and they may hold it, too")
        return None
    return reduced


def _without_elements(data: bytes) -> bytes:
    """Without elements of EXIF's positions, as far as they are closed."""
    pieces, done = [], 0
    for match in _POSITION_ELEMENT.finditer(data):
        if match.start() < done:
            continue
        end = match.end()
        if not match[0].endswith(b"/>"):
            closing = b"</" + match[1] + b">"
            start = data.find(closing, end)
            if start < 0:
                break
            end = start + len(closing)
        pieces.append(data[done : match.start()])
        done = end
    return b"".join([*pieces, data[done:]])


def _folded(data: bytes) -> bytes:
    """Lower case, without the zero bytes of UTF-16."""
    return data.replace(b"\0", b"").lower()
