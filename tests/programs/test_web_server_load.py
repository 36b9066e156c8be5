"""The web server over HTTP: a small load test with the toy model, and what the load test would notice."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import cli_fakes
import httpx2
import numpy as np
import pytest
import uvicorn
from click.testing import CliRunner
from PIL import Image
from web_server_client import settings

from tools.web_server import pictures
from tools.web_server.app import create
from tools.web_server.load_checks import Checks
from tools.web_server.load_clients import KINDS, Clients, Photo
from tools.web_server.load_test import choose_photos, main
from tools.web_server.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


REQUESTS = 60


def smooth(seed: int) -> Image.Image:
    """A picture of 512x512 pixels that has no sharp edges, and is unlike those of other seeds."""
    colours = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    return Image.fromarray(colours).resize((512, 512), Image.Resampling.BICUBIC)


def photos(count: int) -> list[Photo]:
    found = []
    for number in range(count):
        stream = io.BytesIO()
        smooth(number).save(stream, "JPEG", quality=92)
        found.append(Photo(number, stream.getvalue(), f"{number}.jpg"))
    return found


@contextmanager
def served(folder: Path, **changes: int) -> Iterator[str]:
    """The application under uvicorn in this process; gives its URL."""
    app = create(settings(folder, widths=(160, 320), **changes))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none"))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.mark.slow
@pytest.mark.usefixtures("toy")
def test_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encode = pictures.encoded

    def slowly(*arguments: object) -> bytes:
        time.sleep(0.05)
        return encode(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(pictures, "encoded", slowly)
    uploads = photos(REQUESTS)
    seen: list[int] = []
    with served(tmp_path, threads=2, waiting=1, uploads=16) as url, Clients(url, 8) as clients:
        clients.mix(uploads, REQUESTS, seen.append)
    assert seen == list(range(1, REQUESTS + 1))
    assert clients.refused > 0  # eight clients, and three places
    assert set(Counter(answer.kind for answer in clients.answers)) == set(KINDS)
    checks = Checks(uploads, Store(tmp_path / "data").read)
    assert [problem for answer in clients.answers if (problem := checks.problem(answer))] == []

    first, other = [answer for answer in clients.answers if answer.kind == "first"][:2]
    changed = replace(first, content=b"", status=0)
    assert "status 0" in str(checks.problem(changed))
    swapped = next(answer for answer in clients.answers if answer.kind == "upload" and answer.photo != first.photo)
    assert checks.problem(replace(first, photo=swapped.photo)) is not None  # the picture of somebody else
    assert checks.problem(replace(first, variant=(17, str(first.headers["content-type"])))) is not None
    assert checks.problem(replace(first, picture=swapped.picture)) is not None
    thumbnail = next(answer for answer in clients.answers if answer.kind == "thumbnail")
    assert checks.problem(replace(thumbnail, content=other.content)) is not None
    file = next(answer for answer in clients.answers if answer.kind == "file")
    assert checks.problem(replace(file, content=file.content + b"x")) == "other bytes"


@pytest.mark.usefixtures("toy")
def test_a_refusal_leaves_the_connection_usable(tmp_path: Path) -> None:
    """The body of a refused upload is not read by the application, and must not be taken for the next request."""
    data = photos(1)[0].data
    with served(tmp_path, max_bytes=1000) as url, httpx2.Client(base_url=url) as http:
        for _ in range(3):
            assert http.put("/pictures", content=data).status_code == 413
            assert http.get("/health").status_code == 200
    with served(tmp_path, uploads=1) as url, httpx2.Client(base_url=url) as http:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as slow:
            slow.sendall(b"PUT /pictures HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc")
            while (response := http.put("/pictures", content=data)).status_code != 429:
                assert response.status_code in (200, 201)
            assert http.get("/health").status_code == 200
        while (response := http.put("/pictures", content=data)).status_code == 429:  # until its end was noticed
            time.sleep(0.01)
        assert response.status_code in (200, 201)


def test_photos_of_a_run_are_unlike(tmp_path: Path) -> None:
    for name, seed in (("a.png", 1), ("b.png", 1), ("c.png", 2)):
        smooth(seed).save(tmp_path / name)
    (tmp_path / "d.txt").write_text("no picture")
    assert [photo.name for photo in choose_photos(tmp_path, 2)] == ["0000.jpg", "0001.jpg"]
    result = CliRunner().invoke(main, ["--photos", str(tmp_path), "--requests", "5", "--clients", "1"])
    assert (result.exit_code, "only 2 different photos" in result.output) == (1, True)


def test_help_and_settings_without_torch() -> None:
    result = cli_fakes.python(
        """if True:
        import sys
        from click.testing import CliRunner
        from tools.web_server.__main__ import main

        result = CliRunner().invoke(main, ["--help"])
        assert result.exit_code == 0 and "--threads" in result.output
        result = CliRunner().invoke(main, [], env={"SDZ_SERVER_WIDTHS": "a"})
        assert result.exit_code == 2 and "SDZ_SERVER_WIDTHS" in result.output, result.output
        import tools.web_server.app
        assert "torch" not in sys.modules
        """
    )
    assert result.returncode == 0, result.stderr
