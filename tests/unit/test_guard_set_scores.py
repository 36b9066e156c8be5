"""Scores of the guard's set: sizes, reading, what is measured once, and what the scores come to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from pillow_sdz.evaluation.metrics import Metric
from tools.guard_set import measure, reading
from tools.guard_set.cache import Cache, digest
from tools.guard_set.matching import by_target, equal, matched
from tools.guard_set.measure import Measurer, face_crop
from tools.guard_set.score import kept, options
from tools.guard_set.summary import Row, table, totals, verdicts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@pytest.mark.parametrize(
    ("target", "quality"),
    [(1000, 10), (1020, 10), (1099, 11), (1051, 11), (1049, 10), (5, 0), (99999, 100)],
    ids=["equal", "within 3 %", "nearer above", "just nearer above", "nearer below", "below all", "above all"],
)
def test_quality_of_the_closest_size(target: int, quality: int) -> None:
    asked: list[int] = []

    def size(quality: int) -> int:
        asked.append(quality)
        return quality * 100

    assert matched(size, 0, 100, target) == quality
    assert len(asked) <= 10
    assert set(asked) <= set(range(101))


def test_limit_is_raised_only_while_a_file_is_too_small() -> None:
    limits: list[int] = []

    def save(limit: int) -> bytes:
        """Files grow in steps of 95 bytes."""
        limits.append(limit)
        return bytes(limit // 95 * 95)

    assert len(by_target(save, 955)) == 950
    assert limits == [955]
    assert len(by_target(save, 1043)) == 1045
    assert limits[1:] == [1043, 1059]


def test_no_limit_above_the_tolerance_is_tried() -> None:
    limits: list[int] = []

    def save(limit: int) -> bytes:
        limits.append(limit)
        return bytes(500)

    assert len(by_target(save, 1000)) == 500
    assert limits == [1000, 1015, 1030]
    assert equal(970, 1000)
    assert equal(1030, 1000)
    assert not equal(969, 1000)


def test_misread_is_the_edit_distance_of_normalised_texts_at_most_the_length() -> None:
    assert reading.misread("14251", "14255", "eng") == 1
    assert reading.misread("  “quoted”   text ", '"quoted" text', "eng") == 0
    assert reading.misread("µε", "με", "ell") == 0  # the sign for micro
    assert reading.misread("駅前 の 本屋", "駅前の本屋", "jpn") == 0
    assert reading.misread("all of this is wrong", "abc", "eng") == 3
    assert reading.misread("", "abc", "eng") == 3


def test_lines_are_read_by_language_and_come_back_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, list[tuple[int, int]]]] = []

    def tesseract(paths: Sequence[Path], _folder: Path, language: str) -> list[str]:
        sizes = []
        for path in paths:
            with Image.open(path) as file:
                sizes.append(file.size)
        calls.append((language, sizes))
        return [f" {language}\n{path.stem} \n" for path in paths]

    monkeypatch.setattr(reading, "_tesseract", tesseract)
    lines = [{"box": [0, 0, 10 + i, 8], "language": language} for i, language in enumerate(("rus", "eng", "rus"))]
    assert reading.read_lines(Image.new("RGB", (40, 40)), lines) == ["rus 0", "eng 1", "rus 2"]
    assert calls == [("eng", [(33, 24)]), ("rus", [(30, 24), (36, 24)])]


def test_cache_survives_the_process_and_a_line_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "cache.jsonl"
    assert Cache(path).get("a", lambda: [1, None]) == [1, None]
    with path.open("a") as file:
        file.write('["b", 0.')
    again = Cache(path)
    assert again.get("a", lambda: pytest.fail("known")) == [1, None]
    assert again.get("b", lambda: 2) == 2
    assert Cache(path).values == {"a": [1, None], "b": 2}


def test_digest_tells_pictures_of_the_same_bytes_and_other_sizes_apart() -> None:
    assert digest(Image.new("RGB", (4, 2))) != digest(Image.new("RGB", (2, 4)))
    assert digest(Image.new("RGB", (4, 2))) == digest(Image.new("RGB", (4, 2)))


def test_face_has_a_margin_within_the_picture_and_is_enlarged() -> None:
    picture = Image.new("RGB", (300, 300))
    assert face_crop(picture, (100, 100, 200, 150)).size == (160, 80)
    assert face_crop(picture, (100, 100, 120, 130)).size == (64, 96)
    assert face_crop(picture, (0, 0, 100, 100)).size == (130, 130)


def _measured(tmp_path: Path, group: str, **more: Any) -> tuple[dict[str, Any], list[tuple[str, tuple[int, int]]]]:
    """What a measurer with counting metrics returns of a picture measured twice, and what was computed."""
    computed: list[tuple[str, tuple[int, int]]] = []

    def metric(name: str) -> Metric:
        def distance(a: Image.Image, b: Image.Image) -> float:
            computed.append((name, a.size))
            return float(np.abs(np.asarray(a, float) - np.asarray(b, float)).mean())

        return Metric(name, False, distance)

    metrics = [metric(name) for name in ("LPIPS-Alex", "SSIMULACRA2", "DISTS")]
    record = {"group": group, "lines": [], "qr": [], "faces": [[100, 100, 200, 200]], "lattices": [[0, 0, 20, 30]]}
    measurer = Measurer(metrics, Cache(tmp_path / "cache.jsonl"), **more)
    pictures = Image.new("RGB", (300, 280)), Image.new("RGB", (300, 280), (3, 3, 3))
    assert measurer.measure(record, *pictures) == measurer.measure(record, *pictures)
    return measurer.measure(record, *pictures), computed


def test_each_box_is_measured_once_by_its_metric(tmp_path: Path) -> None:
    result, computed = _measured(tmp_path, "faces")
    assert (result["faces"], result["lattices"], result["SSIMULACRA2"], result["DISTS"]) == ([3.0], [3.0], 3.0, None)
    assert computed == [
        ("LPIPS-Alex", (160, 160)),
        ("SSIMULACRA2", (20, 30)),
        ("LPIPS-Alex", (300, 280)),
        ("SSIMULACRA2", (300, 280)),
    ]


def test_costly_metrics_are_those_of_plain_pictures(tmp_path: Path) -> None:
    assert measure.COSTLY == ("DISTS",)
    for name in ("plain", "everything"):
        (tmp_path / name).mkdir()
    assert _measured(tmp_path / "plain", "plain")[0]["DISTS"] == 3.0
    assert _measured(tmp_path / "everything", "faces", everything=True)[0]["DISTS"] == 3.0


def test_missing_metric_leaves_faces_unmeasured(tmp_path: Path) -> None:
    record = {"group": "faces", "lines": [], "qr": [], "faces": [[100, 100, 200, 200]], "lattices": []}
    picture = Image.new("RGB", (300, 280))
    assert Measurer([], Cache(tmp_path / "cache.jsonl")).measure(record, picture, picture)["faces"] == [None]


def _codec(size: int = 1000, misread: int = 0, scanned: bool = True, **scores: Any) -> dict[str, Any]:
    return {
        "bytes": size, "bpp": size / 10000, "misread": [misread], "scanned": [scanned],
        "faces": [scores.pop("face", 0.1)], "lattices": [scores.pop("lattice", 50.0)],
        "SSIMULACRA2": 50.0, "LPIPS-VGG": 0.1, "LPIPS-Alex": 0.1, "DISTS": 0.1, **scores,
    }  # fmt: skip


def _row(name: str, group: str, **codecs: dict[str, Any]) -> Row:
    return {"name": name, "group": group, "characters": 20, "codecs": codecs}


def test_all_promises_kept() -> None:
    ours, avif = _codec(misread=11, face=0.085), _codec(misread=10)
    codecs = {"sdz": ours, "avif": avif, "webp": avif, "against": _codec(misread=22)}
    rows = [_row("a", "signs", **codecs), _row("b", "plain", **codecs)]
    assert [verdict for verdict in verdicts(rows) if verdict.kept is not True] == []


@pytest.mark.parametrize(
    ("broken", "change"),
    [
        ({0, 1}, {"misread": 12}),
        ({2}, {"scanned": False}),
        ({3}, {"face": 0.086}),
        ({4}, {"lattice": 49.9}),
        ({5, 6}, {"SSIMULACRA2": 49.9, "LPIPS-VGG": 0.102}),
        ({7}, {"LPIPS-Alex": 0.102}),
        ({8}, {"DISTS": 0.102}),
        ({9, 10, 11}, {"size": 1040}),
    ],
    ids=["misread", "QR", "faces", "lattices", "worse on both", "LPIPS-Alex", "DISTS", "size"],
)
def test_broken_promise_is_found(broken: set[int], change: dict[str, Any]) -> None:
    ours = _codec(**{"misread": 11, "face": 0.085} | change)
    row = _row("a", "plain", sdz=ours, avif=_codec(misread=10), webp=_codec(), against=_codec(misread=22))
    assert {i for i, verdict in enumerate(verdicts([row])) if verdict.kept is False} == broken


def test_one_metric_better_than_avif_is_enough() -> None:
    scores: dict[str, Any] = {"SSIMULACRA2": 60.0, "LPIPS-VGG": 0.2}
    row = _row("a", "signs", sdz=_codec(**scores), avif=_codec())
    assert verdicts([row])[5].kept


def test_promises_that_were_not_measured_are_neither_kept_nor_broken() -> None:
    scores: dict[str, Any] = {"face": None, "LPIPS-VGG": None}
    row = _row("a", "signs", sdz=_codec(**scores), avif=_codec())
    kept = [verdict.kept for verdict in verdicts([row])]
    assert (kept[0], kept[3], kept[5]) == (None, None, None)
    assert (kept[1], kept[2], kept[4]) == (True, True, True)


def test_totals_are_sums_of_counts_and_means_of_scores() -> None:
    rows = [
        _row("a", "signs", sdz=_codec(size=1000, misread=3, face=0.1)),
        _row("b", "signs", sdz=_codec(size=3000, misread=4, face=0.3, scanned=False)),
    ]
    total = totals(rows, "sdz")
    assert (total["misread"], total["characters"], total["scanned"], total["codes"]) == (7, 40, 1, 2)
    assert (total["bpp"], total["faces"]) == pytest.approx((0.2, 0.2))
    text = table(rows).splitlines()
    assert len(text) == 3  # the head, the group, all
    assert text[1].split()[:6] == ["signs", "sdz", "2", "0.200", "7/40", "1/2"]


def test_options_are_json_or_strings() -> None:
    assert options(("quality=50", "guard=false", "payload=pixels")) == {
        "quality": 50, "guard": False, "payload": "pixels",
    }  # fmt: skip


def test_file_is_made_once_for_each_set_of_options(tmp_path: Path) -> None:
    made: list[int] = []

    def make() -> bytes:
        made.append(len(made))
        return bytes([made[-1]])

    facts: list[dict[str, int]] = [{"quality": 50}, {"quality": 51}, {"quality": 50}]
    assert [kept(tmp_path, "a", each, make) for each in facts] == [b"\0", b"\1", b"\0"]
    assert kept(tmp_path, "b", facts[0], make) == b"\2"
