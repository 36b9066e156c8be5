"""The web server: what is uploaded is stored once, and served in the format and the size that a client asks for."""

from __future__ import annotations

import doctest
import hashlib
import io
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import toy_model
from camera_photos import CAMERA, EDITOR, PREFIX, positions
from PIL import Image, ImageOps
from web_server_client import AVIF, WEBP, client, files_in, photo, shown

from tools.web_server import negotiation
from tools.web_server.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.testclient import TestClient

pytestmark = pytest.mark.usefixtures("toy")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TestClient]:
    with client(tmp_path) as opened:
        yield opened


def uploaded(server: TestClient, data: bytes) -> dict[str, Any]:
    response = server.put("/pictures", content=data)
    assert response.status_code == 201, response.text
    return dict(response.json())


def test_upload_of_the_bytes(server: TestClient, tmp_path: Path) -> None:
    response = server.put("/pictures", content=photo())
    found = response.json()
    assert response.status_code == 201
    assert response.headers["location"] == found["picture"] == f"/pictures/{found['name']}"
    assert (found["width"], found["height"]) == (320, 200)
    file = server.get(found["file"])
    assert file.headers["content-type"] == "image/x-sdz"
    assert (hashlib.sha256(file.content).hexdigest(), len(file.content)) == (found["name"], found["bytes"])
    with Image.open(io.BytesIO(file.content)) as image:
        assert np.array_equal(np.asarray(image), toy_model.blocks(320, 200))
    assert [path.stem for path in files_in(tmp_path / "data" / "pictures")] == [found["name"]]


@pytest.mark.parametrize("size", [(40, 24), (320, 200)])  # a small one is kept in memory, a large one in a file
def test_upload_by_a_form_is_the_same(server: TestClient, size: tuple[int, int]) -> None:
    found = uploaded(server, photo(size=size))
    files = {"file": ("a.png", photo(size=size), "image/png")}
    again = server.post("/pictures", files=files, data={"title": "a"})
    assert (again.status_code, again.json()) == (200, found)


def test_a_browser_without_scripts_is_shown_the_picture(server: TestClient) -> None:
    files = {"file": ("a.png", photo(), "image/png")}
    response = server.post("/pictures", files=files, headers={"Accept": "text/html,*/*"}, follow_redirects=False)
    assert response.status_code == 303
    assert shown(server.get(response.headers["location"])).size == (320, 200)


def test_the_same_upload_is_encoded_once(server: TestClient, toy: toy_model.Toy, tmp_path: Path) -> None:
    found = uploaded(server, photo())
    encoded = len(toy.model.pictures)
    again = server.put("/pictures", content=photo())
    assert (again.status_code, again.json(), len(toy.model.pictures)) == (200, found, encoded)
    for file in files_in(tmp_path / "data" / "pictures"):
        file.unlink()
    assert uploaded(server, photo()) == found  # what has gone is stored again


def test_an_sdz_is_stored_as_it_is(server: TestClient) -> None:
    data = photo(kind="SDZ")
    assert uploaded(server, data)["name"] == hashlib.sha256(data).hexdigest()


def test_formats(server: TestClient) -> None:
    for kind in ("JPEG", "PNG", "WEBP", "AVIF"):
        assert uploaded(server, photo(3, kind=kind))["width"] == 320
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    stream = io.BytesIO()
    frames[0].save(stream, "PNG", save_all=True, append_images=frames[1:])
    picture = uploaded(server, stream.getvalue())["picture"]
    assert shown(server.get(picture, headers=WEBP)).convert("RGB").getpixel((8, 8))[0] > 200  # type: ignore[index]


@pytest.mark.parametrize(("headers", "kind"), [(AVIF, "AVIF"), (WEBP, "WEBP"), ({"Accept": "*/*"}, "WEBP")])
def test_pictures_in_the_format_that_is_asked_for(server: TestClient, headers: dict[str, str], kind: str) -> None:
    picture = uploaded(server, photo(size=(160, 96)))["picture"]
    response = server.get(picture, headers=headers)
    image = shown(response)
    assert (image.format, image.size) == (kind, (160, 96))
    assert response.headers["content-type"] == f"image/{kind.lower()}"
    assert response.headers["vary"] == "Accept"
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    difference = np.asarray(image.convert("L"), int) - np.asarray(
        Image.fromarray(toy_model.blocks(160, 96)).convert("L")
    )
    assert np.abs(difference).mean() < 10


def test_widths(server: TestClient, toy: toy_model.Toy) -> None:
    picture = uploaded(server, photo())["picture"]
    decoded = len(toy.model.decoding_tiles)
    assert shown(server.get(picture, params={"width": 16})).size == (16, 10)
    assert len(toy.model.decoding_tiles) == decoded  # from the preview
    assert shown(server.get(picture, params={"width": 160})).size == (160, 100)
    assert len(toy.model.decoding_tiles) == decoded + 1
    for width in ("17", "0", "-16", "a", "", "1" * 5000):
        refused = server.get(picture, params={"width": width})
        assert (refused.status_code, "16, 64, 160" in refused.json()["detail"]) == (400, True)


def test_pictures_are_not_enlarged(server: TestClient) -> None:
    picture = uploaded(server, photo(size=(40, 24)))["picture"]
    whole = server.get(picture)
    wider = server.get(picture, params={"width": 160})
    assert (shown(wider).size, wider.headers["etag"]) == ((40, 24), whole.headers["etag"])
    assert wider.headers["x-cache"] == "hit"


def test_thumbnails_take_no_model(server: TestClient, toy: toy_model.Toy) -> None:
    found = uploaded(server, photo())
    decoded = len(toy.model.decoding_tiles)
    assert shown(server.get(found["thumbnail"], headers=WEBP)).size == (40, 25)
    assert shown(server.get(found["thumbnail"], headers=AVIF)).format == "AVIF"
    assert len(toy.model.decoding_tiles) == decoded


def test_an_unchanged_picture_is_not_sent_again(server: TestClient) -> None:
    found = uploaded(server, photo())
    for path in (found["picture"], found["thumbnail"], found["file"]):
        response = server.get(path)
        etag = response.headers["etag"]
        for given in (etag, f'"other", {etag}', "*", etag.removeprefix("W/")):
            again = server.get(path, headers={"If-None-Match": given})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
            assert again.headers["cache-control"] == response.headers["cache-control"]
            assert again.headers.get("vary") == response.headers.get("vary")
        assert server.get(path, headers={"If-None-Match": '"other"'}).status_code == 200
    etag = server.get(found["picture"], headers=WEBP).headers["etag"]
    other = server.get(found["picture"], headers={**AVIF, "If-None-Match": etag})
    assert (other.status_code, other.headers["content-type"]) == (200, "image/avif")


def test_head(server: TestClient) -> None:
    found = uploaded(server, photo())
    for path in (found["picture"], found["thumbnail"], found["file"]):
        head, whole = server.head(path), server.get(path)
        assert (head.status_code, head.content) == (200, b"")
        for name in ("content-length", "content-type", "etag", "cache-control"):
            assert head.headers[name] == whole.headers[name]


def test_a_client_that_takes_neither_format(server: TestClient) -> None:
    response = server.get(uploaded(server, photo())["picture"], headers={"Accept": "image/png, text/*"})
    assert (response.status_code, response.headers["vary"]) == (406, "Accept")
    assert "image/webp" in response.json()["detail"]


@pytest.mark.parametrize("orientation", range(1, 10))
def test_pictures_are_turned_as_pillow_turns_them(server: TestClient, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = photo(size=(40, 24), exif=exif.tobytes())
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("L"), int)
    found = uploaded(server, data)
    served = np.asarray(shown(server.get(found["picture"], headers=WEBP)).convert("L"), int)
    assert served.shape == expected.shape == (found["height"], found["width"])
    assert np.abs(served - expected).mean() < 10


def test_orientation_and_colour(server: TestClient) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    found = uploaded(server, photo(size=(160, 96), exif=exif.tobytes()))
    assert (found["width"], found["height"]) == (96, 160)
    assert shown(server.get(found["picture"])).size == (96, 160)
    narrow = shown(server.get(found["picture"], params={"width": 64}))
    assert narrow.size == (64, 107)
    assert narrow.getexif().get(0x0112) is None
    assert shown(server.get(found["thumbnail"])).size == (12, 20)


@pytest.mark.parametrize("damaged", [b"no EXIF at all", b"II*\0"])
def test_a_picture_whose_exif_is_damaged_is_served_as_it_is(tmp_path: Path, damaged: bytes) -> None:
    with client(tmp_path, metadata="all") as server:
        found = uploaded(server, photo(exif=PREFIX + damaged))
        assert (found["width"], found["height"]) == (320, 200)
        assert damaged in Image.open(io.BytesIO(server.get(found["file"]).content)).info["exif"]
        assert shown(server.get(found["picture"])).size == (320, 200)
        assert shown(server.get(found["picture"], params={"width": 64})).size == (64, 40)
        assert shown(server.get(found["thumbnail"])).size == (40, 25)


def test_uploads_lose_their_position(server: TestClient, tmp_path: Path) -> None:
    data = photo(kind="JPEG", exif=PREFIX + CAMERA, xmp=EDITOR)
    assert positions(server.get(uploaded(server, data)["file"]).content) == []
    with client(tmp_path, metadata="useful") as other:  # the same upload, to be stored otherwise
        assert positions(other.get(uploaded(other, data)["file"]).content) != []


def test_page_and_health(server: TestClient) -> None:
    page = server.get("/")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert 'enctype="multipart/form-data"' in page.text
    health = server.get("/health")
    assert health.json() == {"status": "ok", "model": "tiny-99", "jobs": 0}
    assert health.headers["cache-control"] == "no-store"


def test_the_model_is_loaded_at_the_start(tmp_path: Path, toy: toy_model.Toy) -> None:
    with client(tmp_path) as server:
        loaded = len(toy.loaded)
        assert loaded > 0
        assert len(toy.model.decoding_tiles) > 0
        assert server.get("/health").status_code == 200


def test_limits_end_with_the_server(tmp_path: Path) -> None:
    from pillow_sdz import limits

    before = (Image.MAX_IMAGE_PIXELS, limits.MAX_PIXELS, limits.MAX_FILE_BYTES, limits.MAX_UNASKED_STEPS)
    with client(tmp_path, max_pixels=70_000):
        assert (Image.MAX_IMAGE_PIXELS, limits.MAX_PIXELS) == (70_000, 70_000)
    assert before == (Image.MAX_IMAGE_PIXELS, limits.MAX_PIXELS, limits.MAX_FILE_BYTES, limits.MAX_UNASKED_STEPS)


def test_examples_of_negotiation() -> None:
    failed, tried = doctest.testmod(negotiation)
    assert (failed, tried >= 4) == (0, True)


def test_the_readme_lists_the_settings() -> None:
    text = (Path(negotiation.__file__).parent / "README.md").read_text()
    (table,) = (part for part in text.split("\n\n") if part.startswith("| variable"))
    for each in fields(Settings):
        default = getattr(Settings(), each.name)
        shown = ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
        assert f"_{each.name.upper()}`" in table
        assert each.name == "threads" or shown in table
