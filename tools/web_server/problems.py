"""Errors as answers: JSON of RFC 9457 (``application/problem+json``), without a path or any name of this machine."""

from __future__ import annotations

import http
import logging
import math
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

_logger = logging.getLogger("sdz_server")


class Problem(HTTPException):
    """An answer that is an error; ``detail`` says what is wrong and what to do, to whoever sent the request."""


def busy(seconds: float) -> Problem:
    """The answer to a request that would have to wait too long.

    Args:
        seconds: when to try again; rounded up, and at least 1.
    """
    detail = "the server has as much to do as it takes on; try again after the time in Retry-After, in seconds"
    return Problem(429, detail, {"Retry-After": str(max(1, math.ceil(seconds)))})


def not_found() -> Problem:
    """The answer where there is no such picture."""
    return Problem(404, "there is no picture of this name")


async def answer(_request: Request, error: Exception) -> Response:
    """The response for an `HTTPException`, of Starlette's own ones too, and for an error that nobody has expected."""
    if isinstance(error, HTTPException):
        return problem_response(error.status_code, error.detail, error.headers)
    return problem_response(500, "something went wrong; the log of the server says what")


def problem_response(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """A response of the media type ``application/problem+json``; it must not be cached."""
    content = {"status": status, "title": http.HTTPStatus(status).phrase, "detail": detail}
    headers = {"Cache-Control": "no-store", **(headers or {})}
    return JSONResponse(content, status, headers, media_type="application/problem+json")
