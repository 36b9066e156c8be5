"""Reading the body of an upload: bounded in bytes and in time, as a form (multipart) or as the picture itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect, Request

from tools.web_server.problems import Problem

if TYPE_CHECKING:
    from starlette.types import Message, Receive

_LAST: Final = {"Connection": "close"}
"""The rest of the body is not read, so the connection cannot be used again."""

_FIELDS: Final = 10
"""Most fields of a form besides the file."""


async def read_upload(request: Request, max_bytes: int, seconds: float) -> bytes:
    """The picture that a request brings.

    Args:
        request: its body is a picture, or a form (``multipart/form-data``) with one file.
        max_bytes: largest body in bytes, announced or not.
        seconds: time for all of it.

    Raises:
        Problem: 413 (too large), 408 (too slow), or 400 (no picture, several, or the client has gone).
        HTTPException: 400, the form is damaged.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and (len(announced) > 18 or int(announced) > max_bytes):
        raise _too_large(max_bytes)
    bounded = Request(request.scope, _bounded(request.receive, max_bytes))
    try:
        async with asyncio.timeout(seconds):
            if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
                data = await _file_of_form(bounded)
            else:
                data = await bounded.body()
    except TimeoutError:
        raise Problem(408, f"the body did not arrive within {seconds:g} seconds", _LAST) from None
    except ClientDisconnect:
        raise Problem(400, "the client has gone", _LAST) from None
    if not data:
        raise Problem(400, "the body is empty: send a picture, as it is or as the file of a form")
    return data


def _bounded(receive: Receive, max_bytes: int) -> Receive:
    """``receive`` until there are more bytes than allowed."""
    total = 0

    async def bounded() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > max_bytes:
            raise _too_large(max_bytes)
        return message

    return bounded


def _too_large(max_bytes: int) -> Problem:
    return Problem(413, f"the body is too large: at most {max_bytes} bytes are allowed", _LAST)


async def _file_of_form(request: Request) -> bytes:
    async with request.form(max_files=1, max_fields=_FIELDS) as form:
        files = [value for value in form.values() if isinstance(value, UploadFile)]
        return await files[0].read() if files else b""
