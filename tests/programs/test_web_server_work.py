"""The web server under load: what is done at a time, what is refused, and what is done once for many."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from web_server_client import AVIF, WEBP, Gate, Requests, client, files_in, photo, send

from pillow_sdz.coding.threads import cores
from tools.web_server import pictures
from tools.web_server.__main__ import share_cores

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.types import Message

pytestmark = pytest.mark.usefixtures("toy")


def gated(monkeypatch: pytest.MonkeyPatch, name: str) -> Iterator[Gate]:
    """A function of `pictures` waits until the gate is opened, at the end of the test at the latest."""
    gate = Gate(getattr(pictures, name))
    monkeypatch.setattr(pictures, name, gate)
    yield gate
    gate.open()


@pytest.fixture
def encoding(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    yield from gated(monkeypatch, "encoded")


@pytest.fixture
def decoding(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    yield from gated(monkeypatch, "variant")


def test_beyond_the_queue_uploads_are_refused(tmp_path: Path, encoding: Gate) -> None:
    with client(tmp_path, threads=1, waiting=2) as server:
        requests = Requests(server)
        accepted = [requests("PUT", "/pictures", content=photo(seed)) for seed in range(3)]
        requests.wait_for_jobs(3)
        refused = server.put("/pictures", content=photo(9))
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert refused.headers["content-type"] == "application/problem+json"
        assert encoding.calls == 1  # the others wait
        encoding.open()
        assert [each.result().status_code for each in accepted] == [201, 201, 201]
        assert server.put("/pictures", content=photo(9)).status_code == 201
        assert encoding.calls == 4


def test_a_refused_body_is_not_read(tmp_path: Path, encoding: Gate) -> None:
    def pieces() -> Iterator[Message]:
        raise AssertionError("the body was read")
        yield

    with client(tmp_path, threads=1, waiting=0) as server:
        accepted = Requests(server)("PUT", "/pictures", content=photo())
        Requests(server).wait_for_jobs(1)
        status, headers = send(server, "/pictures", pieces())
        assert (status, headers["retry-after"]) == (429, "1")
        encoding.open()
        assert accepted.result().status_code == 201


def test_uploads_in_memory_are_bounded(tmp_path: Path, encoding: Gate) -> None:
    with client(tmp_path, waiting=5, uploads=1) as server:
        accepted = Requests(server)("PUT", "/pictures", content=photo())
        Requests(server).wait_for_jobs(1)
        assert server.put("/pictures", content=photo(1)).status_code == 429
        encoding.open()
        assert accepted.result().status_code == 201
        assert server.put("/pictures", content=photo(1)).status_code == 201


def test_the_same_upload_twice_at_once_is_encoded_once(tmp_path: Path, encoding: Gate) -> None:
    with client(tmp_path, threads=2) as server:
        requests = Requests(server)
        same = [requests("PUT", "/pictures", content=photo()) for _ in range(4)]
        requests.wait_for_jobs(1)
        encoding.open()
        assert len({each.result().json()["name"] for each in same}) == 1
        assert encoding.calls == 1
        assert len(files_in(tmp_path / "data" / "pictures")) == 1


def test_a_failure_is_shared_but_not_kept(tmp_path: Path, encoding: Gate) -> None:
    with client(tmp_path, threads=2) as server:
        requests = Requests(server)
        same = [requests("PUT", "/pictures", content=b"no picture") for _ in range(3)]
        requests.wait_for_jobs(1)
        encoding.open()
        assert [each.result().status_code for each in same] == [415] * 3
        assert server.put("/pictures", content=b"no picture").status_code == 415
        assert encoding.calls >= 2


def test_a_variant_that_many_want_is_made_once(tmp_path: Path, decoding: Gate) -> None:
    with client(tmp_path, threads=2) as server:
        picture = server.put("/pictures", content=photo()).json()["picture"]
        requests = Requests(server)
        same = [requests("GET", picture, headers=WEBP) for _ in range(5)]
        other = requests("GET", picture, headers=AVIF)
        requests.wait_for_jobs(2)
        decoding.open()
        assert len({each.result().content for each in same}) == 1
        assert other.result().headers["content-type"] == "image/avif"
        assert decoding.calls == 2


def test_what_is_cached_is_served_while_all_threads_are_busy(tmp_path: Path, decoding: Gate) -> None:
    with client(tmp_path, threads=1, waiting=0) as server:
        found = server.put("/pictures", content=photo()).json()
        thumbnail = server.get(found["thumbnail"])
        first = Requests(server)("GET", found["picture"])
        Requests(server).wait_for_jobs(1)
        assert server.get(found["picture"], params={"width": 64}).status_code == 429
        assert server.get(found["thumbnail"]).content == thumbnail.content
        assert server.get(found["file"]).status_code == 200
        assert server.put("/pictures", content=photo()).status_code == 429
        decoding.open()
        assert first.result().status_code == 200


def test_a_picture_that_vanishes_while_a_request_waits(tmp_path: Path, decoding: Gate) -> None:
    with client(tmp_path, threads=1) as server:
        one, other = (server.put("/pictures", content=photo(seed)).json() for seed in range(2))
        requests = Requests(server)
        first = requests("GET", one["picture"])
        requests.wait_for_jobs(1)
        second = requests("GET", other["picture"])
        requests.wait_for_jobs(2)
        for file in files_in(tmp_path / "data" / "pictures"):
            if file.stem == other["name"]:
                file.unlink()
        decoding.open()
        assert first.result().status_code == 200
        assert second.result().status_code == 404


def test_cores_are_shared_unless_the_environment_says_otherwise() -> None:
    environment: dict[str, str] = {}
    share_cores(environment, 1)
    assert environment == {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": str(cores())}
    share_cores(environment, 100)
    assert environment["OMP_NUM_THREADS"] == str(cores())
    environment = {"OMP_WAIT_POLICY": "ACTIVE"}
    share_cores(environment, 100)
    assert environment == {"OMP_WAIT_POLICY": "ACTIVE", "OMP_NUM_THREADS": "1"}
