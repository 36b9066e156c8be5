"""The server of the page, on 127.0.0.1.

Any program and any page in the browser can send requests to a port of this machine. So only those are answered that
know the secret in the path, that name this server as their host (those of a page elsewhere whose name was made to point
here do not), and that the browser does not mark as another page's. Files have numbers; no path is ever in a request.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

from pillow_sdz.cli.batch import notes_to
from pillow_sdz.cli.viewer.decoder import Decoder, problem_of
from pillow_sdz.cli.viewer.page import page
from pillow_sdz.cli.viewer.shown_file import ERROR_MAP, PICTURE, PREVIEW, WITHOUT_PATCHES, read

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pillow_sdz.cli.sources import Source

ADDRESS: Final = "127.0.0.1"

BEAT: Final = 2.0
"""Seconds after which an open page is sent something, to find out whether it is still there."""

REQUEST_SECONDS: Final = 30
"""Seconds that a client may take to send its request."""

MOST_PREVIEWS: Final = 2
"""Previews and error maps that are made at a time, however fast somebody goes through the files."""

PREVIEW_SECONDS: Final = 1.0
"""How long decoding waits for the preview of the same file, which would take longer while a model is loaded."""

_PATH: Final = re.compile(
    r"/(?P<token>[^/?]{1,100})/((?P<what>files|events)|(?P<number>[0-9]{1,7})(/(?P<name>[a-z.-]{1,50}))?)?"
)
"""Path of a request: the page, the names of all files, the events, what there is about a file, one of its pictures."""

_METHODS: Final = ("HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
"""Those that are refused; the server of the standard library knows no others."""


class Viewer(ThreadingHTTPServer):
    """Serves the page and the pictures of some files.

    Args:
        sources: the files.
        decoder: what decodes them.
        port: to listen at; 0 for one that is free.

    Raises:
        OSError: the port cannot be had.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, sources: Sequence[Source], decoder: Decoder, port: int = 0) -> None:
        self.sources = sources
        self.decoder = decoder
        self.token = secrets.token_urlsafe(16)
        self.stopped = False
        self.making = threading.BoundedSemaphore(MOST_PREVIEWS)
        self._pages = 0
        self._pages_lock = threading.Lock()
        self._left: float | None = None
        super().__init__((ADDRESS, port), _Handler)

    @property
    def url(self) -> str:
        """Where the page is; whoever knows it can see the files, so it goes on no command line (see `redirect`)."""
        return f"http://{ADDRESS}:{self.server_port}/{self.token}/"

    @property
    def hosts(self) -> tuple[str, str]:
        """What requests may name as their host: this machine, also where a port was forwarded to it."""
        return f"{ADDRESS}:{self.server_port}", f"localhost:{self.server_port}"

    def page_came(self) -> None:
        """A page has been opened."""
        with self._pages_lock:
            self._pages += 1

    def page_went(self) -> None:
        """A page has been closed."""
        with self._pages_lock:
            self._pages -= 1
            self._left = time.monotonic()

    def closed_for(self) -> float:
        """Seconds since the last page was closed; 0 while there is one, and before the first."""
        with self._pages_lock:
            return 0.0 if self._pages or self._left is None else time.monotonic() - self._left

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Be silent about clients that go away; other errors are programming errors, and shown."""
        import sys

        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """Answers one request. (HTTP/1.0: each connection has one.)"""

    server: Viewer
    timeout = REQUEST_SECONDS
    error_content_type = "text/plain; charset=utf-8"
    error_message_format = "%(code)d %(message)s\n"

    def do_GET(self) -> None:
        """Answer with the page, or with what it asks for."""
        if self.headers.get("Host") not in self.server.hosts:
            return self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
        if self._is_of_another_page():
            return self.send_error(HTTPStatus.FORBIDDEN)
        path = _PATH.fullmatch(self.path.partition("?")[0])
        if path is None or not hmac.compare_digest(path["token"].encode(), self.server.token.encode()):
            return self.send_error(HTTPStatus.NOT_FOUND)
        if path["what"] == "files":
            return self._send_json({"files": [source.name for source in self.server.sources]})
        if path["what"] == "events":
            return self._send_events()
        if path["number"] is None:
            return self._send(page().html, "text/html; charset=utf-8")
        number = int(path["number"])
        if number >= len(self.server.sources):
            return self.send_error(HTTPStatus.NOT_FOUND)
        with notes_to([]):  # warnings; decoding tells the page what they say
            return self._send_about(number) if path["name"] is None else self._send_picture(number, path["name"])

    def _is_of_another_page(self) -> bool:
        """Whether the browser says that a page from elsewhere asks for this, other than by a link to the page."""
        site, target = self.headers.get("Sec-Fetch-Site", "none"), self.headers.get("Sec-Fetch-Dest")
        return site not in ("none", "same-origin") and target != "document"

    def _refuse(self) -> None:
        self.send_response(HTTPStatus.METHOD_NOT_ALLOWED)
        self.send_header("Allow", "GET")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send_picture(self, number: int, name: str) -> None:
        """A picture of a file, or what is wrong with the file."""
        source, decoder = self.server.sources[number], self.server.decoder
        try:
            decoded = name in (PICTURE, WITHOUT_PATCHES)
            picture = decoder.picture(number, name) if decoded else self._made(source, name)
            if name == PREVIEW:
                decoder.hurry(number)
        except Exception as error:  # damaged files: the page shows what is wrong
            return self._send_json({"problem": problem_of(error, source.name)}, HTTPStatus.UNPROCESSABLE_ENTITY)
        return self.send_error(HTTPStatus.NOT_FOUND) if picture is None else self._send(picture, "image/png")

    def _made(self, source: Source, name: str) -> bytes | None:
        """A picture that is made when it is asked for, as PNG; None if there is none."""
        with self.server.making:
            if name == PREVIEW:
                return read(source).preview()
            return read(source).error_map() if name == ERROR_MAP else None

    def _send_about(self, number: int) -> None:
        """Facts of the file that is looked at from now on."""
        source = self.server.sources[number]
        about: dict[str, Any] = {"number": number, "name": source.name}
        try:
            if source.problem is not None:
                about["problem"] = source.problem
            else:
                about |= read(source).about()
        except Exception as error:  # damaged files: the page shows what is wrong
            about["problem"] = problem_of(error, source.name)
        delay = PREVIEW_SECONDS if about.get("preview") else 0.0
        self.server.decoder.want(number, about.get("revision"), delay=delay)
        self._send_json(about)

    def _send_events(self) -> None:
        """The states of the decoder as they change, until the page is closed; as an event stream of HTML."""
        self._start("text/event-stream", None)
        self.server.page_came()
        version = -1
        try:
            while not self.server.stopped:
                before, (version, states) = version, self.server.decoder.wait(version, BEAT)
                line = ": still here" if version == before else f"data: {json.dumps(states)}"
                self.wfile.write(f"{line}\n\n".encode())
        finally:
            self.server.page_went()

    def _send_json(self, value: object, status: HTTPStatus = HTTPStatus.OK) -> None:
        self._send(json.dumps(value).encode(), "application/json", status)

    def _send(self, body: bytes, content_type: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        self._start(content_type, len(body), status)
        self.wfile.write(body)

    def _start(self, content_type: str, length: int | None, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def end_headers(self) -> None:
        """Add what all answers have: nothing is kept, embedded elsewhere, or guessed to be of another type."""
        for name, value in (
            ("Content-Security-Policy", page().policy),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
        ):
            self.send_header(name, value)
        super().end_headers()

    def version_string(self) -> str:
        """The program, without versions."""
        return "sdz-convert"

    def log_message(self, *_: object) -> None:
        """Log nothing: the terminal is the user's."""


for _method in _METHODS:
    setattr(_Handler, f"do_{_method}", _Handler._refuse)
