"""The set of pictures on which generative codecs go wrong: pictures that need no photos, and its rules."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from tools.guard_set.build import write
from tools.guard_set.documents import bar_chart, code, form, line_chart, page, town_map
from tools.guard_set.drawings import PAYLOADS, comic, line_drawing, pixel_art, qr_codes
from tools.guard_set.entries import Entry, TextLine
from tools.guard_set.faces import BOXES, PORTRAITS, SCENES
from tools.guard_set.lattices import pattern
from tools.guard_set.lettering import Board, Fonts, Text, hang
from tools.guard_set.perspective import homography, paste
from tools.guard_set.photos import Photos

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def fonts(tmp_path: Path) -> Fonts:
    """Fonts without Japanese, which nothing here draws."""
    file = tmp_path / "font.ttf"
    file.touch()
    return Fonts(file)


def test_rendered_pictures_are_the_same_each_time_and_keep_the_rules(fonts: Fonts) -> None:
    makers: tuple[Callable[[], Entry], ...] = (
        lambda: page("page", fonts, ("One line of", "text"), "eng", 18, "DejaVuSerif"),
        lambda: code("code", fonts, 14, (30, 30, 34), dark=True),
        lambda: bar_chart(fonts),
        lambda: line_chart(fonts),
        lambda: town_map(fonts),
        lambda: form(fonts),
        lambda: comic(fonts),
        lambda: pixel_art("art", 3, 6, (96, 64)),
        line_drawing,
    )
    for make in makers:
        one, other = make(), make()
        one.check()
        assert one.image.tobytes() == other.image.tobytes()
        assert one.record() == other.record()


def test_qr_codes_are_black_and_white_with_a_quiet_zone(fonts: Fonts, tmp_path: Path) -> None:
    Image.new("RGB", (960, 640), (90, 60, 30)).save(tmp_path / "codrops_0050.png")
    large, small, poster = qr_codes(Photos(tmp_path), fonts)
    assert [large.qr, small.qr, poster.qr] == [[PAYLOADS[0]], list(PAYLOADS[1:]), [PAYLOADS[3]]]
    code = np.array(large.image.convert("L"))[64:-26, 24:-24]  # below the title
    assert set(np.unique(code)) == {0, 255}
    assert (code[:32] == 255).all()  # four modules of eight pixels
    assert (code[32:40, 32:88] == 0).all()  # the upper side of the first finder pattern, of seven modules
    for entry in (large, small, poster):
        entry.check()


def test_ink_of_a_line_is_within_its_box_and_only_there(fonts: Fonts) -> None:
    entry = page("page", fonts, ("Hamburg", "quay"), "eng", 20, "DejaVuSans")
    ink = np.array(entry.image.convert("L")) < 255
    for line in entry.lines:
        left, top, right, bottom = line.box
        assert ink[top:bottom, left:right].any()
        ink[top:bottom, left:right] = False
    assert not ink.any()


def test_board_turned_out_of_the_picture_is_moved_inside(fonts: Fonts) -> None:
    picture = Image.new("RGB", (300, 260), (0, 0, 0))
    board = Board([Text("Bakery"), Text("open")], (255, 255, 255), (0, 0, 0), angle=10, slant=0.1)
    lines = hang(picture, board, (290, 250), fonts)
    assert [line.text for line in lines] == ["Bakery", "open"]
    for line in lines:
        Entry("sign", "signs", picture, lines=[line]).check()
        assert np.ptp(np.array(picture.crop(line.box))) == 255


def test_board_larger_than_the_picture_is_refused(fonts: Fonts) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        hang(Image.new("RGB", (80, 80)), Board([Text("A long name", height=40)], (0, 0, 0), (9, 9, 9)), (0, 0), fonts)


def test_homography_maps_the_four_points() -> None:
    source = np.array([(0, 0), (9, 0), (9, 5), (0, 5)], float)
    target = np.array([(2, 3), (20, 1), (18, 12), (1, 9)], float)
    a, b, c, d, e, f, g, h = homography(source, target)
    for (x, y), expected in zip(source, target, strict=True):
        scale = g * x + h * y + 1
        assert ((a * x + b * y + c) / scale, (d * x + e * y + f) / scale) == pytest.approx(tuple(expected))


def test_plane_covers_its_corners_and_nothing_beyond() -> None:
    picture = Image.new("RGB", (40, 30))
    paste(picture, Image.new("RGB", (10, 10), (255, 255, 255)), ((10, 5), (30, 5), (30, 25), (10, 25)))
    expected = np.zeros((30, 40), np.uint8)
    expected[5:25, 10:30] = 255
    assert np.abs(np.array(picture.convert("L")).astype(int) - expected)[:, [0, 5, 12, 20, 28, 35]].max() < 32


def test_patterns_repeat_after_their_period() -> None:
    for kind in ("windows", "pickets", "weave", "tiles", "grid"):
        grey = np.array(pattern(kind, 16, np.random.default_rng(1)).convert("L")).astype(float)
        grey -= grey.mean(1, keepdims=True)
        repeated, shifted = (np.mean(grey[:, :-step] * grey[:, step:]) for step in (64, 40))
        assert repeated > shifted


def test_missing_japanese_font_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="fonts-ipafont-gothic"):
        Fonts(tmp_path / "none.ttf")


def test_missing_photo_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="codrops_0001"):
        Photos(tmp_path).get("codrops_0001")


def test_scenes_and_portraits_have_boxes() -> None:
    assert {*PORTRAITS, *(photo for photo, _, _ in SCENES.values())} <= set(BOXES)


@pytest.mark.parametrize(
    "entry",
    [
        Entry("small", "plain", Image.new("RGB", (255, 300))),
        Entry("grey", "plain", Image.new("L", (300, 300))),
        Entry("group", "other", Image.new("RGB", (300, 300))),
        Entry("box", "faces", Image.new("RGB", (300, 300)), faces=[(10, 10, 301, 20)]),
        Entry("language", "signs", Image.new("RGB", (300, 300)), lines=[TextLine("a", "fra", 9, (0, 0, 9, 9))]),
    ],
    ids=lambda entry: entry.name,
)
def test_entries_that_break_a_rule_are_refused(entry: Entry) -> None:
    with pytest.raises(ValueError, match=entry.name):
        entry.check()


def test_manifest_has_what_is_in_the_pictures(tmp_path: Path) -> None:
    line = TextLine("ναι", "ell", 12, (1, 2, 30, 20))
    entry = Entry("one", "signs", Image.new("RGB", (300, 256), (1, 2, 3)), lines=[line], qr=["text"])
    records = write(tmp_path / "out", iter([entry]))
    assert json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))[0]["lines"] == [
        {"text": "ναι", "language": "ell", "height": 12, "box": [1, 2, 30, 20]}
    ]
    assert records[0]["qr"] == ["text"]
    with Image.open(tmp_path / "out" / "one.png") as file:
        assert file.convert("RGB").tobytes() == entry.image.tobytes()
