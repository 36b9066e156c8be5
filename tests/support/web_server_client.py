"""For tests of the web server: the application with the toy model, requests byte by byte, and jobs that wait."""

from __future__ import annotations

import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import toy_model
from PIL import Image
from starlette.testclient import TestClient

from tools.web_server.app import create
from tools.web_server.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future
    from pathlib import Path

    import httpx2
    from starlette.types import Message

AVIF: Final = {"Accept": "image/avif"}
WEBP: Final = {"Accept": "image/webp"}


def settings(folder: Path, **changes: Any) -> Settings:
    """Small limits, and one thread."""
    values: dict[str, Any] = {
        "threads": 1,
        "waiting": 2,
        "max_bytes": 100_000,
        "max_pixels": 300_000,
        "widths": (16, 64, 160),
        "cache_bytes": 1_000_000,
    }
    return Settings(data=folder / "data", **{**values, **changes})


def client(folder: Path, *, raises: bool = True, **changes: Any) -> TestClient:
    """A client of the application, to be entered with ``with``; further arguments are changes of the settings."""
    return TestClient(create(settings(folder, **changes)), raise_server_exceptions=raises)


def photo(seed: int = 0, size: tuple[int, int] = (320, 200), kind: str = "PNG", **keywords: Any) -> bytes:
    """The file of a picture that the toy model keeps exactly."""
    stream = io.BytesIO()
    Image.fromarray(toy_model.blocks(*size, seed)).save(stream, kind, **keywords)
    return stream.getvalue()


def shown(response: httpx2.Response) -> Image.Image:
    """The picture of a response."""
    assert response.status_code == 200, response.text
    image = Image.open(io.BytesIO(response.content))
    image.load()
    return image


def files_in(folder: Path) -> list[Path]:
    """All files below a folder."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


@dataclass
class Gate:
    """A function that waits until it may go on, and counts its calls.

    Attributes:
        function: what it calls then.
        calls: how often it was called.
    """

    function: Callable[..., Any]
    calls: int = 0
    _open: threading.Event = field(default_factory=threading.Event)

    def __call__(self, *arguments: Any) -> Any:
        self.calls += 1
        assert self._open.wait(30)
        return self.function(*arguments)

    def open(self) -> None:
        """Let all calls go on, also later ones."""
        self._open.set()


class Requests:
    """Requests in threads of their own.

    Args:
        client: of the application.
    """

    def __init__(self, client: TestClient) -> None:
        self._client = client
        self._pool = ThreadPoolExecutor(8)

    def __call__(self, method: str, path: str, **keywords: Any) -> Future[httpx2.Response]:
        """Send one."""
        return self._pool.submit(self._client.request, method, path, **keywords)

    def wait_for_jobs(self, count: int) -> None:
        """Wait until this many jobs run or wait in the application."""
        end = time.monotonic() + 30
        while self._client.get("/health").json()["jobs"] != count:
            assert time.monotonic() < end
            time.sleep(0.01)


def send(
    client: TestClient, path: str, pieces: Iterator[Message], headers: tuple[tuple[bytes, bytes], ...] = ()
) -> tuple[int, dict[str, str]]:
    """Upload message by message, as a server hands them over; gives status and headers.

    Args:
        client: of the application.
        path: of the request.
        pieces: the messages that ``receive`` returns; it waits for ever when there are no more.
        headers: of the request.
    """
    import anyio

    sent: list[Message] = []

    async def receive() -> Message:
        for piece in pieces:
            return piece
        await anyio.sleep_forever()
        raise AssertionError

    async def collect(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "PUT", "scheme": "http",
        "path": path, "raw_path": path.encode(), "root_path": "", "query_string": b"",
        "headers": [(b"host", b"test"), *headers], "client": ("test", 1), "server": ("test", 80), "state": {},
    }  # fmt: skip
    assert client.portal is not None
    client.portal.call(client.app, scope, receive, collect)
    names = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return int(sent[0]["status"]), names
