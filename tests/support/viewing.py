"""For the tests of ``sdz-convert view``: its server in this process, and requests to it as bytes on a connection."""

from __future__ import annotations

import http.client
import io
import json
import re
import threading
import time
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from PIL import Image

from pillow_sdz.cli.settings import Settings
from pillow_sdz.cli.sources import Source, collect
from pillow_sdz.cli.viewer.decoder import Decoder
from pillow_sdz.cli.viewer.server import ADDRESS, Viewer
from pillow_sdz.models.progress import in_turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pytest
    from toy_model import Toy

PARTS: Final = 4
"""Parts in which a `Gate` lets a picture be decoded."""

PATIENCE: Final = 30.0
"""Seconds to wait for what happens in another thread."""


def sources_of(*paths: Path) -> list[Source]:
    """The files as the command finds them."""
    return collect([str(path) for path in paths], Settings(action="info"))[0]


def page_behind(opened: str) -> str:
    """The address of the page to which what a browser was told to open leads; on some systems it is the page."""
    if opened.startswith("http:"):
        return opened
    with urllib.request.urlopen(opened, timeout=PATIENCE) as stream:
        (url,) = re.findall(r'http-equiv="refresh" content="0; url=([^"]+)"', stream.read().decode())
    return str(url)


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until something is so.

    Raises:
        AssertionError: it is not, after `PATIENCE`.
    """
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.005)


class Gate:
    """Lets the toy model decode a part of a picture when it is told to.

    Attributes:
        begun, ended: the pictures whose decoding began and ended: how many blocks wide they are, less 1.
    """

    def __init__(self, toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
        self._decode: Callable[..., Any] = toy.model.decode
        monkeypatch.setattr(toy.model, "decode", self.decode)
        self._parts = threading.Semaphore(0)
        self.begun: list[int] = []
        self.ended: list[int] = []

    def decode(self, latents: Any, height: int, width: int, tile: int | None) -> Any:
        """In place of the model's."""
        number = width // 8 - 1
        self.begun.append(number)
        for _ in in_turn("decoding", range(PARTS)):
            assert self._parts.acquire(timeout=PATIENCE)
        self.ended.append(number)
        return self._decode(latents, height, width, tile)

    def open(self, parts: int = 1000) -> None:
        """Let so many parts be decoded."""
        self._parts.release(parts)


class Client:
    """Requests to a server.

    Attributes:
        viewer: the server.
    """

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer

    def ask(
        self, path: str, method: str = "GET", *, token: str | None = None, **headers: str
    ) -> tuple[int, bytes, http.client.HTTPMessage]:
        """Status, body and headers of the answer to a request below the secret; underscores in names are hyphens."""
        connection = http.client.HTTPConnection(ADDRESS, self.viewer.server_port, timeout=PATIENCE)
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, f"/{self.viewer.token if token is None else token}/{path}", headers=fields)
        with connection.getresponse() as answer:
            return answer.status, answer.read(), answer.headers

    def json(self, path: str) -> Any:
        """The answer as JSON."""
        return json.loads(self.ask(path)[1])

    def picture(self, path: str) -> Image.Image:
        """The answer as a picture."""
        status, body, headers = self.ask(path)
        assert (status, headers["Content-Type"]) == (200, "image/png")
        return Image.open(io.BytesIO(body))

    def decoded(self, number: int = 0) -> dict[str, Any]:
        """Look at a file and its preview, and wait until it is decoded: its state."""
        self.json(str(number))
        self.ask(f"{number}/preview.png")
        wait_for(lambda: self.state(number).get("state") in ("ready", "failed"))
        return self.state(number)

    def state(self, number: int) -> dict[str, Any]:
        """The state of a file."""
        return self.viewer.decoder.states().get(number, {})

    @contextmanager
    def events(self) -> Iterator[Iterator[dict[str, Any]]]:
        """The states as the page is told, while it is open."""
        connection = http.client.HTTPConnection(ADDRESS, self.viewer.server_port, timeout=PATIENCE)
        connection.request("GET", f"/{self.viewer.token}/events")
        answer = connection.getresponse()
        try:
            yield (json.loads(line[6:]) for line in answer if line.startswith(b"data: "))
        finally:
            answer.close()
            connection.close()


@contextmanager
def served(*paths: Path, decode: bool = True) -> Iterator[Client]:
    """A server of files."""
    sources = sources_of(*paths)
    decoder = Decoder(sources, enabled=decode)
    viewer = Viewer(sources, decoder)
    thread = threading.Thread(target=viewer.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield Client(viewer)
    finally:
        viewer.shutdown()
        viewer.stopped = True
        viewer.server_close()
        assert not decoder.stop()
        thread.join()
