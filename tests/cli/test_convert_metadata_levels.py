"""--metadata in both directions, the note on what was left out, what --info says of each part, target sizes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import toy_model
from cli_fakes import Run, photo
from icc_profiles import lcms
from PIL import Image
from toy_files import file_of

from pillow_sdz.container.metadata import Metadata
from pillow_sdz.container.sections import parse, parts_of
from tools.bench.camera_metadata import camera_exif, editor_xmp

if TYPE_CHECKING:
    from pathlib import Path

CAMERA, EDITOR = camera_exif(), editor_xmp()
PREFIX = b"Exif\0\0"


@pytest.fixture
def jpeg(tmp_path: Path) -> Path:
    """As a camera and an editor have left it."""
    return photo(
        tmp_path / "a.jpg", exif=PREFIX + CAMERA, xmp=EDITOR, icc_profile=lcms("sRGB"), comment="a bridge"
    )  # fmt: skip


def kinds(name: str) -> set[str]:
    with Image.open(name) as picture:
        return {"exif", "xmp", "icc_profile", "comment"} & set(picture.info)


def test_the_default_says_what_it_leaves_out_and_how_much_that_saves(run: Run, jpeg: Path, tmp_path: Path) -> None:
    assert run("a.jpg") == 0
    useful = (tmp_path / "a.sdz").stat().st_size
    assert kinds("a.sdz") == {"exif", "xmp", "icc_profile", "comment"}
    assert run("a.jpg", "-o", "all.sdz", "--metadata", "all") == 0
    assert "without" not in run.err
    everything = parts_of(parse((tmp_path / "all.sdz").read_bytes()))
    assert run("a.jpg", "--force") == 0
    saved = sum(size for _, size in everything) - dict(everything)["icc"] - useful
    assert saved > 16_000
    note = (
        f"a.jpg: note: without thumbnail, maker note, padding of XMP: {saved:,} bytes less; --metadata all keeps them"
    )
    assert note in run.err
    assert run.err.count("without") == 1
    assert run("a.jpg", "--force", "--quiet") == 0
    assert run.err == ""
    assert run("a.jpg", "--force", "--json") == 0
    assert any(note.endswith(each) for each in json.loads(run.out)["notes"])


def test_nothing_is_said_where_nothing_is_left_out(run: Run, tmp_path: Path) -> None:
    photo(tmp_path / "a.png", icc_profile=lcms("sRGB"))
    assert run("a.png") == 0
    assert "note" not in run.err


def test_all_is_exact_in_both_directions(run: Run, jpeg: Path) -> None:
    assert run("a.jpg", "--metadata", "all") == 0
    assert run("a.sdz", "-o", "back.jpg") == 0
    for name in ("a.sdz", "back.jpg"):
        with Image.open(name) as picture:
            assert picture.info["exif"] == PREFIX + CAMERA
            assert picture.info["icc_profile"] == lcms("sRGB")
            assert picture.info["xmp"] == EDITOR


@pytest.mark.parametrize(
    ("level", "left"), [("essential", {"exif", "icc_profile"}), ("none", set()), ("useful", None), ("all", None)]
)
def test_levels_in_both_directions(run: Run, jpeg: Path, level: str, left: set[str] | None) -> None:
    everything = {"exif", "xmp", "icc_profile", "comment"}
    assert run("a.jpg", "--metadata", level) == 0
    assert kinds("a.sdz") == (everything if left is None else left)
    assert run("a.jpg", "-o", "whole.sdz", "--metadata", "all") == 0
    assert run("whole.sdz", "-o", "back.jpg", "--metadata", level) == 0
    assert kinds("back.jpg") == (everything if left is None else left)
    with Image.open("back.jpg") as picture:
        assert (picture.info.get("exif") == PREFIX + CAMERA) == (level == "all")
        if level != "none":
            assert picture.getexif()[0x112] == 6


def test_strip_goes_together_with_levels(run: Run, jpeg: Path) -> None:
    assert run("a.jpg", "--metadata", "all", "--strip", "exif", "--strip", "icc") == 0
    assert kinds("a.sdz") == {"xmp", "comment"}
    assert run("a.jpg", "--force", "--metadata", "essential", "--strip", "icc") == 0
    assert kinds("a.sdz") == {"exif"}


def test_no_such_level(run: Run, jpeg: Path) -> None:
    assert run("a.jpg", "--metadata", "some") == 2
    assert "--metadata" in run.err


def test_info_says_what_each_part_costs(run: Run, tmp_path: Path) -> None:
    metadata = Metadata(exif=CAMERA, xmp=EDITOR, text={"prompt": "cat"}, colour_space="Display P3")
    data = file_of(toy_model.blocks(40, 24), metadata=metadata, layers=2, unknown=[(0x9F, b"what")])
    (tmp_path / "a.sdz").write_bytes(data)
    assert run("--info", "a.sdz", "--json") == 0
    found = json.loads(run.out)
    parts = found["parts"]
    assert sum(part["bytes"] for part in parts) == len(data)
    names = ["header", "preview", "exif", "xmp", "text", "unknown (0x9f)", "layer", "layer"]
    assert [part["name"] for part in parts] == names
    assert found["colour_space"] == "Display P3"
    assert found["icc_bytes"] == 0
    assert run("--info", "a.sdz") == 0
    assert f"header 33, preview {parts[1]['bytes']}, exif {parts[2]['bytes']:,}, xmp" in run.out
    assert "Display P3" in run.out


def test_a_target_size_names_the_part_to_leave_out(run: Run, jpeg: Path, tmp_path: Path) -> None:
    assert run("a.jpg", "--metadata", "all", "--target-size", "5000") == 1
    assert "target_size: the picture does not fit (found 5000 bytes, expected at least " in run.err
    assert "EXIF takes 1" in run.err
    assert "exif=None or metadata='essential' leaves it out" in run.err
    assert run("a.jpg", "--target-size", "5000") == 0
    assert (tmp_path / "a.sdz").stat().st_size <= 5000
