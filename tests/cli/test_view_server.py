"""The server of ``sdz-convert view``: who is answered, and with what headers."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import toy_model
from toy_files import file_of
from viewing import PATIENCE, Client, served, wait_for

from pillow_sdz.cli.viewer import server
from pillow_sdz.cli.viewer.shown_file import ShownFile, read
from pillow_sdz.container.metadata import Metadata

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pillow_sdz.cli.sources import Source

pytestmark = pytest.mark.usefixtures("toy")

SCRIPT = "<script>alert('x')</script>"


@pytest.fixture
def client(path: Path) -> Iterator[Client]:
    with served(path) as client:
        yield client


def raw(client: Client, request: bytes) -> bytes:
    """The answer to any bytes."""
    with socket.create_connection((server.ADDRESS, client.viewer.server_port), timeout=PATIENCE) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        pieces = []
        while piece := connection.recv(65536):
            pieces.append(piece)
    return b"".join(pieces)


def test_the_page_loads_nothing_from_elsewhere_and_runs_its_own_script_only(client: Client) -> None:
    status, body, headers = client.ask("")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    policy = dict(part.split(maxsplit=1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
    assert policy["connect-src"] == "'self'"
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        (text,) = re.findall(rf"<{tag}[^>]*>(.*?)</{tag}>", body.decode(), re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert policy[directive] == f"'sha256-{digest}'"
    assert re.findall(rb"""\s(?:src|href|action)=["']?([^"'>\s]*)""", body) == [b"data:,"]
    assert b"://" not in body
    assert b"{{" not in body
    for name, value in {
        "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
        "Cross-Origin-Resource-Policy": "same-origin",
    }.items():  # fmt: skip
        assert headers[name] == value
    assert "Python" not in headers["Server"]


def test_only_this_machine_is_listened_to(client: Client) -> None:
    assert client.viewer.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize("token", ["", "x", "../", "%00"])
@pytest.mark.parametrize("path", ["", "files", "0", "0/preview.png", "events"])
def test_without_the_secret_there_is_nothing(client: Client, token: str, path: str) -> None:
    status, body, _ = client.ask(path, token=token)
    assert status == 404
    assert b"cat" not in body


def test_the_secret_is_long_and_new_each_time(path: Path) -> None:
    tokens = set()
    for _ in range(2):
        with served(path, decode=False) as client:
            tokens.add(client.viewer.token)
            assert client.ask("", token=client.viewer.token[:-1])[0] == 404
    assert len(tokens) == 2
    assert min(map(len, tokens)) >= 20


def test_a_name_that_was_made_to_point_here_is_refused(client: Client) -> None:
    port = client.viewer.server_port
    for host, expected in {
        f"127.0.0.1:{port}": 200, f"localhost:{port}": 200, "localhost": 421, "127.0.0.1": 421,
        f"evil.example:{port}": 421, f"127.0.0.1.evil.example:{port}": 421, f"127.0.0.1:{port + 1}": 421, "": 421,
    }.items():  # fmt: skip
        assert client.ask("files", Host=host)[0] == expected, host
    without = f"GET /{client.viewer.token}/files HTTP/1.0\r\n\r\n".encode()
    assert b" 421 " in raw(client, without).splitlines()[0]


def test_other_pages_of_the_browser_are_refused(client: Client) -> None:
    assert client.ask("files", Sec_Fetch_Site="same-origin")[0] == 200
    for site in ("cross-site", "same-site"):
        assert client.ask("0/preview.png", Sec_Fetch_Site=site, Sec_Fetch_Dest="image")[0] == 403
        assert client.ask("files", Sec_Fetch_Site=site)[0] == 403
        assert client.ask("", Sec_Fetch_Site=site, Sec_Fetch_Dest="iframe")[0] == 403
        assert client.ask("", Sec_Fetch_Site=site, Sec_Fetch_Dest="document")[0] == 200  # a link to it, in a terminal


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_only_get_is_answered(client: Client, method: str) -> None:
    status, body, headers = client.ask("", method)
    assert (status, body, headers["Allow"]) == (405, b"", "GET")


@pytest.mark.parametrize(
    "path",
    [
        "1", "-1", "00000000", "99999999999999999999", "%D9%A1", "0/", "0/cat.sdz", "0/picture.png", "0%00", "./0",
        "0/without-patches.png", "0/error-map.png/", "0/../0", "../", "..%2f..%2fetc%2fpasswd", "/etc/passwd", "files/",
        "0/" + "a" * 60, "x", "0//preview.png", "a" * 10_000,
    ],
)  # fmt: skip
def test_other_paths_are_nothing(client: Client, path: str) -> None:
    status, body, headers = client.ask(path)
    assert status == 404
    assert body == b"404 Not Found\n"
    assert headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    "request_line",
    [
        b"", b"\r\n\r\n", b"GET\r\n\r\n", b"GET /\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"BREW / HTTP/1.1\r\n\r\n",
        "GET /é/٣ HTTP/1.1\r\nHost: é\r\n\r\n".encode(),
        b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\xff\xff\xff\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n",
    ],
    ids=lambda line: repr(line[:24]),
)  # fmt: skip
def test_other_bytes_do_no_harm(client: Client, request_line: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    answer = raw(client, request_line)
    assert b" 200 " not in answer[:20]
    assert client.ask("files")[0] == 200
    assert capfd.readouterr() == ("", "")  # the terminal is the user's


def test_names_and_texts_are_data_and_never_markup(tmp_path: Path) -> None:
    path = tmp_path / "<img src=x onerror=alert(1)>.sdz"
    metadata = Metadata(text={"Title": SCRIPT, SCRIPT: "key"})
    path.write_bytes(file_of(toy_model.blocks(40, 24), metadata=metadata))
    with served(path, decode=False) as client:
        assert b"onerror" not in client.ask("")[1]
        assert client.json("files") == {"files": [str(path)]}
        about = client.json("0")
        assert about["text"] == {"Title": SCRIPT, SCRIPT: "key"}
        assert about["name"] == str(path)
        for name in ("files", "0"):
            headers = client.ask(name)[2]
            assert (headers["Content-Type"], headers["X-Content-Type-Options"]) == ("application/json", "nosniff")


def test_the_page_is_told_what_happens_and_its_end_is_noticed(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "BEAT", 0.02)
    assert client.viewer.closed_for() == 0, "it was never open"
    with client.events() as states:
        assert next(states) == {}
        client.json("0")
        seen = next(each for each in states if each.get("0", {}).get("state") == "ready")
        assert seen["0"]["pictures"] == ["picture.png"]
        with client.events() as others:
            assert next(others) == seen
        assert client.viewer.closed_for() == 0
    wait_for(client.viewer.closed_for)


def test_the_end_of_the_server_ends_the_events(path: Path) -> None:
    with served(path) as client, client.events() as states:
        next(states)
        client.viewer.stopped = True
        client.viewer.decoder.stop()
        assert list(states) in ([], [{}])


def test_few_previews_are_made_at_a_time(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    making: list[int] = []
    most = 0

    def slow(source: Source) -> ShownFile:
        nonlocal most
        making.append(1)
        most = max(most, len(making))
        time.sleep(0.05)
        making.pop()
        return read(source)

    monkeypatch.setattr(server, "read", slow)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(client.ask, ["0/preview.png"] * 8))
    assert [status for status, _, _ in answers] == [200] * 8
    assert most == server.MOST_PREVIEWS
