"""The web server: what it does not take, and how it says so. No answer names a path."""

from __future__ import annotations

import errno
import io
import struct
import zlib
from typing import TYPE_CHECKING, Any

import pytest
import toy_model
from camera_photos import CAMERA, EDITOR, PREFIX
from icc_profiles import lcms
from PIL import Image
from toy_files import direct_file_of, file_of
from web_server_client import client, files_in, photo, send

from tools.web_server import pictures
from tools.web_server.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import httpx2
    from starlette.testclient import TestClient
    from starlette.types import Message

pytestmark = pytest.mark.usefixtures("toy")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TestClient]:
    with client(tmp_path, raises=False) as opened:
        yield opened


def refused(response: httpx2.Response, status: int, folder: Path) -> str:
    """Check a refusal: its form, and that nothing was stored; gives its text."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    found = response.json()
    assert found["status"] == status
    assert str(folder) not in response.text
    assert files_in(folder / "data" / "pictures") == []
    return str(found["detail"])


def png_bomb(width: int, height: int) -> bytes:
    """A valid PNG of one colour: some kilobytes for any number of pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = zlib.compress(b"\0" * ((width // 8 + 1) * height), 9)
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def truncated(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def second_directory() -> bytes:
    """EXIF with an orientation alone, as a program sees it, and a description in the directory of the thumbnail."""
    text = b"48 51 2 N\0"
    first = struct.pack("<HHHIHHI", 1, 0x0112, 3, 1, 6, 0, 26)
    second = struct.pack("<HHHIII", 1, 0x010E, 2, len(text), 44, 0)
    return PREFIX + b"II*\0\x08\0\0\0" + first + second + text


LARGE = direct_file_of(toy_model.blocks(600, 501))  # made here: the running server limits what can be made

HOSTILE: dict[str, tuple[int, Callable[[], bytes]]] = {
    "a text": (415, lambda: b"hello"),
    "EPS": (415, lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"),
    "GIF": (415, lambda: photo(kind="GIF", size=(8, 8))),
    "truncated JPEG": (422, lambda: truncated(photo(kind="JPEG"))),
    "truncated PNG": (422, lambda: truncated(photo())),
    "truncated WebP": (422, lambda: truncated(photo(kind="WEBP"))),
    "truncated .sdz": (422, lambda: truncated(photo(kind="SDZ"))),
    ".sdz with a wrong checksum": (422, lambda: flipped(photo(kind="SDZ"), -20)),
    ".sdz without anything": (422, lambda: photo(kind="SDZ")[:8]),
    "PNG bomb": (422, lambda: png_bomb(8000, 8000)),
    "slightly too many pixels": (422, lambda: png_bomb(600, 501)),
    "a side that WebP cannot have": (422, lambda: png_bomb(16384, 1)),
    ".sdz with too many pixels": (422, lambda: LARGE),
    ".sdz with a palette": (422, lambda: file_of(toy_model.blocks(16, 16))),
    ".sdz of another model": (422, lambda: photo(kind="SDZ", model="other")),
    ".sdz with a position": (422, lambda: photo(kind="SDZ", exif=PREFIX + CAMERA)),
    ".sdz with a second directory": (422, lambda: photo(kind="SDZ", exif=second_directory())),
    ".sdz with damaged EXIF": (422, lambda: photo(kind="SDZ", exif=PREFIX + b"48 51 2 N")),
    ".sdz with XMP": (422, lambda: photo(kind="SDZ", xmp=EDITOR)),
    ".sdz with a text": (422, lambda: photo(kind="SDZ", text={"Author": "someone"})),
    "nothing": (400, lambda: b""),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_uploads(server: TestClient, tmp_path: Path, what: str) -> None:
    status, make = HOSTILE[what]
    assert refused(server.put("/pictures", content=make()), status, tmp_path)
    form = server.post("/pictures", files={"file": ("a.jpg", make())})
    assert refused(form, status, tmp_path)
    assert server.put("/pictures", content=photo()).status_code == 201  # it goes on


def test_texts_say_what_is_allowed(server: TestClient, tmp_path: Path) -> None:
    def text(status: int, data: bytes) -> str:
        return refused(server.put("/pictures", content=data), status, tmp_path)

    assert "JPEG, PNG, WEBP, AVIF, SDZ" in text(415, b"hello")
    for bomb in (png_bomb(600, 501), png_bomb(8000, 8000), LARGE):
        assert "300000 pixels" in text(422, bomb)
    assert "checksum" in text(422, flipped(photo(kind="SDZ"), -20))
    assert "metadata='essential'" in text(422, photo(kind="SDZ", text={"Author": "someone"}))
    assert "tiny-99" in text(422, photo(kind="SDZ", model="other"))


def test_an_sdz_with_essential_metadata_is_taken(server: TestClient) -> None:
    stream = io.BytesIO()
    with Image.open(io.BytesIO(photo(kind="JPEG", exif=PREFIX + CAMERA, icc_profile=lcms("sRGB")))) as camera:
        camera.save(stream, "SDZ", metadata="essential")
    with Image.open(stream) as image:
        assert image.getexif()[0x0112] != 1
        assert "icc_profile" in image.info
    assert server.put("/pictures", content=stream.getvalue()).status_code == 201


def test_metadata_of_an_sdz_are_kept_where_that_is_wanted(tmp_path: Path) -> None:
    data = photo(kind="SDZ", text={"Author": "someone"})
    with client(tmp_path, metadata="useful") as server:
        assert server.put("/pictures", content=data).status_code == 201


def test_forms(server: TestClient, tmp_path: Path) -> None:
    two = [("file", ("a.png", photo(0))), ("file", ("b.png", photo(1)))]
    assert refused(server.post("/pictures", files=two), 400, tmp_path)
    assert refused(server.post("/pictures", files={"title": (None, "no file")}), 400, tmp_path)
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    assert refused(server.post("/pictures", content=b"--y\r\nnot a form", headers=kind), 400, tmp_path)
    assert refused(
        server.post("/pictures", content=b"", headers={"Content-Type": "multipart/form-data"}), 400, tmp_path
    )


def test_large_bodies(tmp_path: Path) -> None:
    data = b"x" * 5001

    def pieces() -> Iterator[bytes]:  # without Content-Length
        for _ in range(3):
            yield data[:2500]

    with client(tmp_path, max_bytes=5000) as server:
        for response in (
            server.put("/pictures", content=data),
            server.put("/pictures", content=pieces()),
            server.post("/pictures", files={"file": ("a.png", data)}),
        ):
            assert "5000 bytes" in refused(response, 413, tmp_path)
            assert response.headers["connection"] == "close"


def test_announced_size_is_enough_to_refuse(server: TestClient) -> None:
    def pieces() -> Iterator[Message]:
        raise AssertionError("the body was read")
        yield

    for size in (b"100001", b"9" * 5000):
        status, _ = send(server, "/pictures", pieces(), ((b"content-length", size),))
        assert status == 413


def test_slow_client(tmp_path: Path) -> None:
    start: Message = {"type": "http.request", "body": photo()[:100], "more_body": True}
    with client(tmp_path, body_seconds=1, uploads=1) as server:
        status, headers = send(server, "/pictures", iter([start]))
        assert (status, headers["connection"]) == (408, "close")
        assert server.put("/pictures", content=photo()).status_code == 201  # its place is free again


def test_client_that_goes_away(tmp_path: Path) -> None:
    start: Message = {"type": "http.request", "body": photo()[:100], "more_body": True}
    with client(tmp_path, uploads=1) as server:
        status, _ = send(server, "/pictures", iter([start, {"type": "http.disconnect"}]))
        assert status == 400
        assert files_in(tmp_path / "data") == []
        assert server.put("/pictures", content=photo()).status_code == 201


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path))

    with client(tmp_path) as server:
        monkeypatch.setattr("tools.web_server.files.os.fsync", full)
        assert "disk may be full" in refused(server.put("/pictures", content=photo()), 500, tmp_path)
        assert files_in(tmp_path / "data") == []
        monkeypatch.undo()


def test_a_full_disk_for_the_cache_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with client(tmp_path) as server:
        picture = server.put("/pictures", content=photo()).json()["picture"]
        monkeypatch.setattr("tools.web_server.cache.write_whole", full)
        for _ in range(2):
            response = server.get(picture)
            assert (response.status_code, response.headers["x-cache"]) == (200, "miss")


def test_unknown_pictures(server: TestClient, tmp_path: Path) -> None:
    for name in ("0" * 64, "0" * 63, "..%2f..%2fetc%2fpasswd", "%00", "A" * 64, "x" * 5000):
        for part in ("", "/thumbnail", ".sdz", "?width=16"):
            response = server.get(f"/pictures/{name}{part}")
            assert refused(response, 404, tmp_path)


def test_other_requests(server: TestClient, tmp_path: Path) -> None:
    assert refused(server.get("/nothing"), 404, tmp_path)
    assert refused(server.delete("/pictures"), 405, tmp_path)


def test_an_error_that_nobody_has_expected(
    server: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any) -> bytes:
        raise RuntimeError(str(tmp_path))

    monkeypatch.setattr(pictures, "encoded", fail)
    assert "the log" in refused(server.put("/pictures", content=photo()), 500, tmp_path)


def test_a_stored_picture_that_vanishes_or_is_damaged(server: TestClient, tmp_path: Path) -> None:
    found = server.put("/pictures", content=photo()).json()
    paths = (found["picture"], found["thumbnail"], found["file"])
    for path in paths:
        assert server.get(path).status_code == 200
    (file,) = files_in(tmp_path / "data" / "pictures")
    data = file.read_bytes()
    file.unlink()
    for path in paths:  # although they are in the cache
        assert refused(server.get(path), 404, tmp_path)
    file.write_bytes(flipped(data, -20))
    damaged = server.get(found["picture"], params={"width": 64})
    file.unlink()
    assert "cannot be decoded" in refused(damaged, 500, tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("MAX_PIXELS", "many", "SDZ_SERVER_MAX_PIXELS: is not a whole number"),
        ("MAX_PIXELS", "0", "max_pixels: is out of range"),
        ("WIDTHS", "10,0", "widths: are out of range"),
        ("QUALITY", "101", "quality: is out of range"),
        ("METADATA", "some", "metadata: no such metadata"),
        ("WAITING", "-1", "waiting: is out of range"),
        ("MAXPIXELS", "1", "SDZ_SERVER_MAXPIXELS: no such setting"),
    ],
)
def test_wrong_settings(monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str) -> None:
    monkeypatch.setenv(f"SDZ_SERVER_{name}", value)
    with pytest.raises(ValueError, match=said):
        Settings.from_environment()


def test_settings_of_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in (("DATA", str(tmp_path)), ("WIDTHS", "10,20"), ("METADATA", "none"), ("THREADS", "3")):
        monkeypatch.setenv(f"SDZ_SERVER_{name}", value)
    found = Settings.from_environment()
    assert (found.data, found.widths, found.metadata, found.threads) == (tmp_path, (10, 20), "none", 3)


def test_bombs_are_valid_pictures() -> None:
    with Image.open(io.BytesIO(png_bomb(600, 501))) as image:
        image.load()
        assert image.size == (600, 501)
