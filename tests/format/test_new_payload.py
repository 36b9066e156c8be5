"""A payload kind is a folder and a name: with nothing else, Pillow and the command line work with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import toy_model
from in_memory import assert_pixels, opened, opened_sdz, saved, through
from PIL import Image

import pillow_sdz
from pillow_sdz import payloads
from pillow_sdz.codec.file import read
from pillow_sdz.container.header import HEADER_BYTES
from pillow_sdz.container.sections import build, parse
from pillow_sdz.errors import SdzFormatError, SdzOptionError, SdzVersionError
from pillow_sdz.payloads import kinds
from pillow_sdz.payloads.preview_matrix import preview

if TYPE_CHECKING:
    from cli_fakes import Run
    from toy_model import Toy

FOLDER = Path(__file__).parents[1] / "support" / "new_kinds"


@pytest.fixture(autouse=True)
def halved(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder and the name."""
    monkeypatch.setattr(payloads, "__path__", [*payloads.__path__, str(FOLDER)])
    monkeypatch.setattr(kinds, "KINDS", (*kinds.KINDS, "halved"))


@pytest.fixture
def image() -> Image.Image:
    return Image.fromarray(toy_model.blocks(80, 48))


def test_there_and_back(image: Image.Image, toy: Toy) -> None:
    again = opened_sdz(saved(image, payload="halved", quality=100))
    assert (again.info["payload"], again.info["bits"], again.info["layers"]) == ("halved", 8, 1)
    assert_pixels(again, image)
    assert toy.model.denoised[-1].denoise_steps == 1
    coarse = through(image, payload="halved", quality=48)
    assert coarse.info["bits"] == 4
    assert_pixels(coarse, np.asarray(image) & np.uint8(0xF0) | np.uint8(8))
    assert toy.model.denoised[-1].noise == coarse.info["noise"] * toy_model.STEP > 4 * toy_model.STEP


def test_its_number_is_the_next_one(image: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    data = saved(image, payload="halved")
    assert data[11] >> 4 == 4
    assert read(data).header.payload == "halved"
    monkeypatch.setattr(kinds, "KINDS", kinds.KINDS[:4])
    with pytest.raises(SdzVersionError, match=r"payload: the file needs a newer pillow_sdz .*found 4, expected 0 to 3"):
        opened(data)


def test_preview_and_thumbnail(image: Image.Image, toy: Toy) -> None:
    data = saved(image, payload="halved", quality=100)
    toy.failure = AssertionError("the picture was decoded in full")
    small = opened(data)
    small.draft(None, (10, 6))
    assert_pixels(small, preview(np.asarray(image)[::8, ::8], toy_model.MATRIX))
    thumbnail = opened(data)
    thumbnail.thumbnail((5, 3))
    assert thumbnail.size == (5, 3)


def test_verify_decodes_it(image: Image.Image) -> None:
    data = saved(image, payload="halved")
    opened(data).verify()
    container = parse(data)
    container.layers[0] += b"?"
    with pytest.raises(SdzFormatError, match="<stream>: layer 1: has the wrong length"):
        opened(build(container)).verify()
    container.layers[0] = b"\x08"
    with pytest.raises(SdzFormatError, match="<stream>: layer 1, bits: is out of range"):
        opened(build(container))


def test_one_layer_is_the_most(image: Image.Image) -> None:
    data = bytearray(saved(image, payload="halved"))
    assert len(data) > HEADER_BYTES
    data[11] += 1
    with pytest.raises(SdzFormatError, match=r"layers: is out of range .found 2, expected 1 to 1"):
        opened(bytes(data))


def test_options(image: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SdzOptionError, match=r"payload: no such payload .*palette, direct, scalar, pixels or halved"):
        saved(image, payload="quartered")
    for keyword in ({"colors": 16}, {"step": 9.0}):
        with pytest.raises(SdzOptionError, match="cannot be given together"):
            saved(image, payload="halved", **keyword)
    monkeypatch.setattr(toy_model.ToyManifest, "default_payload", "halved")
    assert through(image).info["payload"] == "halved"
    assert through(image, target_size=len(saved(image))).info["payload"] == "halved"
    with pytest.raises(SdzOptionError, match="target_size"):
        saved(image, target_size=50)


def test_command_line(image: Image.Image, run: Run) -> None:
    image.save("a.sdz", payload="halved", quality=48)
    assert run("--info", "a.sdz") == 0
    assert "payload  halved, 4 bits of each code" in run.out
    assert run("--info", "--json", "a.sdz") == 0
    found = json.loads(run.out)
    assert found["payload"] == "halved"
    assert found["layers"] == [{"bytes": 181, "entries": None}]
    assert run("--test", "a.sdz") == 0
    assert run("a.sdz", "-o", "b.png") == 0
    assert run("a.sdz", "--preview") == 0
    with Image.open("a.sdz") as sdz, Image.open("b.png") as png:
        assert_pixels(png, sdz)


def test_atomic_writing(image: Image.Image, tmp_path: Path) -> None:
    pillow_sdz.write(image, tmp_path / "a.sdz", payload="halved")
    with Image.open(tmp_path / "a.sdz") as again:
        assert again.info["payload"] == "halved"
