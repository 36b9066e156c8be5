"""Which format a client gets, and whether it has the picture already: the headers Accept and If-None-Match."""

from __future__ import annotations

from typing import Final

AVIF: Final = "image/avif"
WEBP: Final = "image/webp"


def media_type_for(accept: str | None) -> str | None:
    """The best media type for a header Accept; None if it allows neither AVIF nor WebP.

    AVIF is the smaller one, for those who ask for it by name. Who takes anything gets WebP, which more programs read.

    >>> media_type_for("image/avif,image/webp,image/*;q=0.8")
    'image/avif'
    >>> media_type_for("*/*"), media_type_for(None), media_type_for("image/avif;q=0.5, image/webp")
    ('image/webp', 'image/webp', 'image/webp')
    >>> media_type_for("text/html"), media_type_for("image/*, image/webp;q=0")
    (None, 'image/avif')
    """
    weights = dict(map(_weight, (accept or "*/*").split(",")))
    anything = weights.get("image/*", weights.get("*/*", 0.0))
    avif, webp = weights.get(AVIF, 0.0), weights.get(WEBP, anything)
    if avif > 0 and avif >= webp:
        return AVIF
    if webp > 0:
        return WEBP
    return AVIF if weights.get(AVIF, anything) > 0 else None


def _weight(part: str) -> tuple[str, float]:
    """The media type of a part of Accept, and its weight from 0 to 1; a weight that makes no sense is 0."""
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return name, min(max(float(parameter[2:]), 0.0), 1.0)
            except ValueError:
                return name, 0.0
    return name, 1.0


def has_already(if_none_match: str | None, etag: str) -> bool:
    """Whether a header If-None-Match says that the client has what ``etag`` names.

    >>> has_already('"a", W/"b"', '"b"'), has_already("*", '"b"'), has_already('"a"', '"b"'), has_already(None, '"b"')
    (True, True, False, False)
    """
    if if_none_match is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or etag.removeprefix("W/") in tags
