"""What the page of ``sdz-convert view`` is told about a file, and its pictures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import toy_model
from in_memory import opened, opened_sdz
from measured_files import measured_file, original
from PIL import Image, ImageOps
from pixel_samples import HEIGHT, RECTANGLES, WIDTH, patched
from toy_files import file_of
from viewing import served

from pillow_sdz.cli.viewer import shown_file
from pillow_sdz.cli.viewer.orientation import METHODS, upright, upright_box, upright_size
from pillow_sdz.codec.file import read
from pillow_sdz.codec.preview import decode_preview
from pillow_sdz.container.metadata import Metadata
from pillow_sdz.container.sections import build, parse

if TYPE_CHECKING:
    from pathlib import Path

    from cli_fakes import Run

pytestmark = pytest.mark.usefixtures("toy")


def with_exif(orientation: int) -> Metadata:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return Metadata(exif=tags.tobytes().removeprefix(b"Exif\0\0"))


def pixels(image: Image.Image | None) -> Any:
    assert image is not None
    return np.asarray(image)


def test_the_facts_are_those_of_info(path: Path, run: Run) -> None:
    assert run("--info", "--json", path) == 0
    info = json.loads(run.out)
    with served(path, decode=False) as client:
        about = client.json("0")
        assert client.state(0) == {"state": "off"}
    assert about["number"] == 0
    assert (about["width"], about["height"], about["alpha"]) == (40, 20, False)
    assert about["parts"] == info["parts"]
    assert sum(part["bytes"] for part in about["parts"]) == path.stat().st_size
    assert about["facts"]["model"].startswith("tiny-99")
    assert about["facts"]["picture"] == "40 x 20, RGB"
    assert "entries" in about["facts"]["layer 1"]
    assert about["error"] is about["error_map"] is None
    assert about["patches"] == []


def test_the_picture_and_the_preview(path: Path, rgb: Any) -> None:
    with served(path) as client:
        assert client.decoded()["pictures"] == ["picture.png"]
        np.testing.assert_array_equal(pixels(client.picture("0/picture.png")), rgb)
        about, preview = client.json("0"), client.picture(f"0/preview.png?{client.json('0')['revision']}")
    left, top, width, height = about["preview"]
    assert (left, top, width, height) == (0, 0, 40, 24)  # the last row reaches beyond the picture
    assert preview.size == (5, 3)
    np.testing.assert_array_equal(pixels(preview), decode_preview(read(path.read_bytes()), 1).rgb)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_every_mode(tmp_path: Path, mode: str) -> None:
    rgb, alpha = toy_model.blocks(40, 24), np.full((24, 40), 77, np.uint8)
    (tmp_path / "a.sdz").write_bytes(file_of(rgb, alpha if mode.endswith("A") else None, mode))
    with served(tmp_path / "a.sdz") as client:
        client.decoded()
        assert client.json("0")["alpha"] == mode.endswith("A")
        for name in ("picture", "preview"):
            assert client.picture(f"0/{name}.png").mode == mode
        with Image.open(tmp_path / "a.sdz") as image:
            np.testing.assert_array_equal(pixels(client.picture("0/picture.png")), pixels(image))


def test_colour_profiles_go_along(tmp_path: Path) -> None:
    (tmp_path / "own.sdz").write_bytes(file_of(toy_model.blocks(40, 24), metadata=Metadata(icc=b"my profile")))
    (tmp_path / "p3.sdz").write_bytes(file_of(toy_model.blocks(40, 24), metadata=Metadata(colour_space="Display P3")))
    with served(tmp_path / "own.sdz", tmp_path / "p3.sdz") as client:
        assert client.picture("0/preview.png").info["icc_profile"] == b"my profile"
        profile = client.picture("1/preview.png").info["icc_profile"]
        assert profile == opened((tmp_path / "p3.sdz").read_bytes()).info["icc_profile"]


def test_patches(tmp_path: Path) -> None:
    data = build(patched())
    (tmp_path / "a.sdz").write_bytes(data)
    with served(tmp_path / "a.sdz") as client:
        assert client.decoded()["pictures"] == ["without-patches.png", "picture.png"]
        about = client.json("0")
        assert sorted(about["patches"]) == sorted(
            [each.x * 8, each.y * 8, min(each.width * 8, WIDTH - each.x * 8), min(each.height * 8, HEIGHT - each.y * 8)]
            for each in RECTANGLES
        )
        whole, without = opened_sdz(data), opened_sdz(data)
        without.patches = False
        assert (pixels(whole) != pixels(without)).any()
        np.testing.assert_array_equal(pixels(client.picture("0/picture.png")), pixels(whole))
        np.testing.assert_array_equal(pixels(client.picture("0/without-patches.png")), pixels(without))


def test_the_stored_error_and_its_map(tmp_path: Path) -> None:
    data = measured_file(original())
    (tmp_path / "a.sdz").write_bytes(data)
    (tmp_path / "b.sdz").write_bytes(file_of(original()))
    with served(tmp_path / "a.sdz", tmp_path / "b.sdz", decode=False) as client:
        about, error_map = client.json("0"), client.picture("0/error-map.png")
        assert client.ask("1/error-map.png")[0] == 404
    info = opened(data).info
    assert about["error"] == {name: info[name] for name in ("psnr", "ms_ssim", "synthesised", "patched", "whole")}
    assert "as decoded" not in about["facts"]
    side = 32
    assert about["error_map"] == [0, 0, 6 * side, 6 * side]  # of 176 pixels: the last cells reach beyond
    assert error_map.size == (6, 6)
    assert error_map.mode == "RGBA"


def test_the_colours_of_the_error_map_rise() -> None:
    colours = shown_file.colours_of(np.arange(16, dtype=np.uint8)[None])[0].astype(int)
    assert len({tuple(each) for each in colours}) == 16
    assert (np.diff(colours @ [0.299, 0.587, 0.114, 0]) > 0).all()  # brightness
    assert (np.diff(colours[:, 3]) > 0).all()  # opacity


@pytest.mark.parametrize("orientation", range(1, 9))
def test_everything_is_shown_upright(tmp_path: Path, orientation: int) -> None:
    container = patched()
    container.metadata = parse(file_of(toy_model.blocks(8, 8), metadata=with_exif(orientation))).metadata
    (tmp_path / "a.sdz").write_bytes(build(container))
    with served(tmp_path / "a.sdz") as client:
        client.decoded()
        about = client.json("0")
        expected = pixels(ImageOps.exif_transpose(opened(build(container))))
        np.testing.assert_array_equal(pixels(client.picture("0/picture.png")), expected)
        changed = (expected != pixels(client.picture("0/without-patches.png"))).any(2)
    assert (about["height"], about["width"]) == expected.shape[:2]
    inside = np.zeros_like(changed)
    for left, top, width, height in about["patches"]:
        assert min(left, top) >= 0
        inside[top : top + height, left : left + width] = True
    assert changed.any()
    assert not (changed & ~inside).any()
    assert ("orientation" in about["facts"]) == (orientation != 1)


@pytest.mark.parametrize("orientation", [1, *METHODS])
def test_boxes_turn_as_pictures_do(orientation: int) -> None:
    picture = np.zeros((30, 50), np.uint8)
    left, top, width, height = 7, 4, 20, 9
    picture[top : top + height, left : left + width] = 255
    turned = upright(Image.fromarray(picture), orientation)
    assert turned.size == upright_size((50, 30), orientation)
    x, y, wide, high = upright_box((left, top, width, height), (50, 30), orientation)
    assert turned.getbbox() == (x, y, x + wide, y + high)


@pytest.mark.parametrize("exif", [b"", b"II*\0", b"MM\0*\0\0\0\x08\xff\xff", b"garbage" * 99, with_exif(9).exif])
def test_damaged_exif_turns_nothing(tmp_path: Path, exif: bytes) -> None:
    (tmp_path / "a.sdz").write_bytes(file_of(toy_model.blocks(40, 24), metadata=Metadata(exif=exif or None)))
    with served(tmp_path / "a.sdz", decode=False) as client:
        about = client.json("0")
        assert (about["width"], about["height"]) == (40, 24)
        assert client.picture("0/preview.png").size == (5, 3)


def test_a_damaged_file_says_so_and_the_next_one_is_shown(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.sdz").write_bytes(data[:-9] + b"\xff" + data[-8:])
    (tmp_path / "b.sdz").write_bytes(data)
    (tmp_path / "c.sdz").write_bytes(b"PK\x03\x04 a map of a game")
    with served(*(tmp_path / f"{name}.sdz" for name in "abcd")) as client:
        about = client.json("0")
        assert "checksum" in about["problem"]
        assert "a.sdz" not in about["problem"], "the page has its name"
        status, body, _ = client.ask("0/preview.png")
        assert status == 422
        assert json.loads(body) == {"problem": about["problem"]}
        assert client.decoded(1)["state"] == "ready"
        assert "magic" in client.json("2")["problem"]
        assert client.json("3")["problem"] == "no such file"
        assert client.picture("1/picture.png").size == (40, 20)


def test_a_file_that_changes_is_decoded_again(path: Path) -> None:
    with served(path) as client:
        before = client.json("0")["revision"]
        client.decoded()
        path.write_bytes(file_of(toy_model.blocks(64, 48, seed=1)))
        about = client.json("0")
        assert about["revision"] != before
        client.decoded()
        np.testing.assert_array_equal(pixels(client.picture("0/picture.png")), toy_model.blocks(64, 48, seed=1))


def test_a_missing_model_keeps_facts_and_preview(tmp_path: Path) -> None:
    (tmp_path / "a.sdz").write_bytes(file_of(toy_model.blocks(40, 24), fingerprint=b"whatever"))
    (tmp_path / "b.sdz").write_bytes(file_of(toy_model.blocks(40, 24), fingerprint=b"whatever", preview=False))
    with served(tmp_path / "a.sdz", tmp_path / "b.sdz") as client:
        state = client.decoded()
        assert state["state"] == "failed"
        assert b"whatever".hex() in state["problem"]
        assert "models add" in state["problem"]
        assert client.picture("0/preview.png").size == (5, 3)
        assert client.json("0")["facts"]["model"].startswith("not installed")
        assert client.json("1")["preview"] is None
