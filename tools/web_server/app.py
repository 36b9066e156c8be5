"""The application: what is answered to which request.

POST, PUT /pictures             store a picture
GET /pictures/NAME              as AVIF or WebP, by Accept; ?width=N for a smaller one
GET /pictures/NAME/thumbnail    from the preview, without the model
GET /pictures/NAME.sdz          the stored file itself
GET /health                     whether the server is up, and how much it has to do
GET /                           a page to upload pictures with
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tools.web_server import pictures
from tools.web_server.cache import DiskCache
from tools.web_server.negotiation import has_already, media_type_for
from tools.web_server.problems import Problem, answer, not_found
from tools.web_server.settings import Settings
from tools.web_server.store import Store
from tools.web_server.upload import read_upload
from tools.web_server.work import Slots, Workers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from starlette.requests import Request

_logger = logging.getLogger("sdz_server")

_FOR_EVER: Final = "public, max-age=31536000, immutable"
"""Cache-Control of pictures: a name means the same picture for ever."""

_VERSION: Final = 1
"""Part of the keys of the cache and of ETags: to be raised when pictures are served otherwise, as at other qualities.
"""

_PAGE: Final = Path(__file__).with_name("page.html")
_PAGE_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'"
}


def create(settings: Settings | None = None) -> Starlette:
    """The application; ``uvicorn --factory tools.web_server.app:create`` runs it.

    Args:
        settings: None takes those of the environment.

    Raises:
        ValueError: a setting is wrong.
        OSError: the folder for the data cannot be made.
    """
    server = Server(Settings.from_environment() if settings is None else settings)
    routes = [
        Route("/", server.page),
        Route("/health", server.health),
        Route("/pictures", server.upload, methods=["POST", "PUT"]),
        Route("/pictures/{name}.sdz", server.file, name="file"),
        Route("/pictures/{name}/thumbnail", server.thumbnail, name="thumbnail"),
        Route("/pictures/{name}", server.picture, name="picture"),
    ]
    handlers: dict[Any, Any] = {HTTPException: answer, Exception: answer}
    return Starlette(routes=routes, lifespan=server.lifespan, exception_handlers=handlers)


class Server:
    """The handlers of requests, and what they share.

    Args:
        settings: those of the server.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store = Store(settings.data)
        self._cache = DiskCache(settings.data / "cache", settings.cache_bytes)
        self._workers = Workers(settings.threads, settings.waiting)
        self._uploads = Slots(settings.uploads)
        self._model = ""

    @contextlib.asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        """From the start of the server, when the model is loaded, to its end."""
        if os.environ.get("OMP_WAIT_POLICY", "").upper() != "PASSIVE":
            _logger.warning("OMP_WAIT_POLICY is not PASSIVE: threads will wait for each other (see README.md)")
        with pictures.started(self._settings) as self._model:
            try:
                yield
            finally:
                self._workers.close()

    async def page(self, _request: Request) -> Response:
        """A page to upload pictures with."""
        return FileResponse(_PAGE, headers=_PAGE_HEADERS)

    async def health(self, _request: Request) -> Response:
        """It answers as soon as the model is loaded."""
        content = {"status": "ok", "model": self._model, "jobs": self._workers.jobs}
        return JSONResponse(content, headers={"Cache-Control": "no-store"})

    async def upload(self, request: Request) -> Response:
        """Store a picture. The same upload again is answered without encoding it again."""
        self._workers.check_room()  # before the body is read
        with self._uploads.taken(self._workers.busy):
            data = await read_upload(request, self._settings.max_bytes, self._settings.body_seconds)
            options = json.dumps([self._settings.save_options(), self._model]).encode()
            digest = hashlib.sha256(options + b"\0" + data).hexdigest()
            name = await asyncio.to_thread(self._store.find_upload, digest)
            known = name is not None
            if name is None:
                name = await self._workers.once(("upload", digest), self._encode_and_store, data, digest)
        facts = await asyncio.to_thread(lambda: pictures.described(self._stored(name)))
        urls = {part: request.url_for(part, name=name).path for part in ("picture", "thumbnail", "file")}
        if "text/html" in request.headers.get("accept", "") and "multipart" in request.headers.get("content-type", ""):
            return RedirectResponse(urls["picture"], 303)  # a form without a script: show the picture
        headers = {"Location": urls["picture"], "Cache-Control": "no-store"}
        return JSONResponse({"name": name, **urls, **facts}, 200 if known else 201, headers)

    def _encode_and_store(self, data: bytes, digest: str) -> str:
        file = pictures.encoded(data, self._settings, self._model)
        try:
            name = self._store.put(file)
            self._store.remember_upload(digest, name)
        except OSError:
            _logger.exception("a picture could not be stored")
            raise Problem(500, "the picture could not be stored: the server's disk may be full") from None
        return name

    async def picture(self, request: Request) -> Response:
        """A picture as AVIF or WebP."""
        name, width = request.path_params["name"], self._width(request)
        if not self._store.has(name):
            raise not_found()
        size = await asyncio.to_thread(self._size, name)
        if width is not None and width >= size[0]:
            width = None  # pictures are not enlarged
        return await self._variant(request, name, str(width), lambda file, to: pictures.variant(file, width, to))

    async def thumbnail(self, request: Request) -> Response:
        """A thumbnail as AVIF or WebP."""
        return await self._variant(request, request.path_params["name"], "thumbnail", pictures.thumbnail)

    async def file(self, request: Request) -> Response:
        """The stored .sdz."""
        name = request.path_params["name"]
        if not self._store.has(name):
            raise not_found()
        headers = {"ETag": f'"{name}"', "Cache-Control": _FOR_EVER, "X-Content-Type-Options": "nosniff"}
        if has_already(request.headers.get("if-none-match"), headers["ETag"]):
            return Response(status_code=304, headers=headers)
        content = await asyncio.to_thread(self._stored, name)
        return _response(request, content, "image/x-sdz", headers)

    async def _variant(self, request: Request, name: str, part: str, make: Callable[[bytes, str], bytes]) -> Response:
        """The answer with what ``make`` makes of a stored picture, from the cache if it is there."""
        if not self._store.has(name):
            raise not_found()
        media_type = media_type_for(request.headers.get("accept"))
        if media_type is None:
            raise Problem(406, f"pictures are served as {' or '.join(pictures.SERVED)}", {"Vary": "Accept"})
        key = f"{name} {part} {media_type} {_VERSION}"
        etag = f'W/"{hashlib.sha256(key.encode()).hexdigest()[:32]}"'  # weak: another machine decodes a bit differently
        headers = {"ETag": etag, "Cache-Control": _FOR_EVER, "Vary": "Accept", "X-Content-Type-Options": "nosniff"}
        if has_already(request.headers.get("if-none-match"), etag):
            return Response(status_code=304, headers=headers)
        content = await asyncio.to_thread(self._cache.get, key)
        headers["X-Cache"] = "miss" if content is None else "hit"
        if content is None:
            content = await self._workers.once(key, self._make, key, name, media_type, make)
        return _response(request, content, media_type, headers)

    def _make(self, key: str, name: str, media_type: str, make: Callable[[bytes, str], bytes]) -> bytes:
        content = self._cache.get(key)  # another request may have made it since
        if content is None:
            with _problems_of_stored():
                content = make(self._stored(name), media_type)
            self._cache.put(key, content)
        return content

    def _stored(self, name: str) -> bytes:
        with _problems_of_stored():
            return self._store.read(name)

    def _size(self, name: str) -> tuple[int, int]:
        with _problems_of_stored():
            return pictures.size_of(self._store, name)

    def _width(self, request: Request) -> int | None:
        text, widths = request.query_params.get("width"), self._settings.widths
        if text is None:
            return None
        if text not in map(str, widths):
            raise Problem(400, f"there is no such width: it is one of {', '.join(map(str, widths))}")
        return int(text)


@contextlib.contextmanager
def _problems_of_stored() -> Iterator[None]:
    """Within the block, a stored picture that has gone is a 404, and one that cannot be decoded a 500.

    Raises:
        Problem: one of them.
    """
    try:
        yield
    except FileNotFoundError:
        raise not_found() from None
    except OSError:
        _logger.exception("a stored picture cannot be decoded")
        raise Problem(500, "the stored picture cannot be decoded") from None


def _response(request: Request, content: bytes, media_type: str, headers: dict[str, str]) -> Response:
    """A picture; for HEAD only its headers."""
    if request.method == "HEAD":
        return Response(None, 200, {**headers, "Content-Length": str(len(content))}, media_type)
    return Response(content, 200, headers, media_type)
