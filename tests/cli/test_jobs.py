"""Directions, output names and what stands in the way, by --dry-run: nothing is opened and nothing is written."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Protocol

import pytest
from cli_fakes import Run, photo

if TYPE_CHECKING:
    from pathlib import Path


class Planner(Protocol):
    def __call__(self, *args: str, stdin: bytes | None = None) -> tuple[list[tuple[str, str]], int]: ...


@pytest.fixture
def planned(run: Run, tmp_path: Path) -> Planner:
    """Run with --dry-run; gives {input: output or error} and the exit code."""

    def plan(*args: str, stdin: bytes | None = None) -> tuple[list[tuple[str, str]], int]:
        before = sorted(tmp_path.rglob("*"))
        code = run("--dry-run", "--json", *args, stdin=stdin)
        assert sorted(tmp_path.rglob("*")) == before
        records = [json.loads(line) for line in run.out.splitlines()]
        return [(r["input"], r.get("error") or r.get("skip") or r["output"]) for r in records], code

    return plan


@pytest.fixture
def sdz(tmp_path: Path, run: Run) -> bytes:
    photo(tmp_path / "source.png")
    assert run("source.png", "-o", "made.sdz") == 0
    (tmp_path / "source.png").unlink()
    return (tmp_path / "made.sdz").replace(tmp_path / "b.sdz").read_bytes()


def test_default_directions(planned: Planner, tmp_path: Path, sdz: bytes) -> None:
    photo(tmp_path / "a.JPG")
    photo(tmp_path / "no suffix", format="PNG")
    (tmp_path / "upper.SDZ").write_bytes(sdz)
    (tmp_path / "secret").write_bytes(sdz)
    found, code = planned("a.JPG", "no suffix", "b.sdz", "upper.SDZ", "secret")
    assert found == [
        ("a.JPG", "a.sdz"),
        ("no suffix", "no suffix.sdz"),
        ("b.sdz", "b.png"),
        ("upper.SDZ", "upper.png"),
        ("secret", "secret.png"),
    ]
    assert code == 0


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (("-o", "c.jpg"), "c.jpg"),
        (("-o", "c.JPG"), "c.JPG"),
        (("-o", "c"), "c"),
        (("-o", "c.xyz", "-f", "webp"), "c.xyz"),
        (("-o", "new/"), "new/b.png"),
        (("-o", "new/", "-f", "jpg"), "new/b.jpg"),
        (("-f", "jpeg"), "b.jpeg"),
        (("-f", "JPEG2000"), "b.jp2"),
        (("-f", "tiff"), "b.tiff"),
        (("--preview",), "b.preview.png"),
        (("--preview", "-o", "small.jpg"), "small.jpg"),
        (("-o", "-"), "-"),
        (("-o", "again.sdz"), "again.sdz"),
    ],
)
def test_output_names_of_an_sdz(planned: Planner, sdz: bytes, arguments: tuple[str, ...], output: str) -> None:
    assert planned("b.sdz", *arguments) == ([("b.sdz", output)], 0)


def test_names_that_need_care(planned: Planner, tmp_path: Path) -> None:
    for name in (
        "with space.png",
        "caf\u00e9 \u732b.png",
        "-dash.png",
        "compare",
        "v1.2",
        "a.b.png",
        ".png",
        "new\nline.png",
    ):
        photo(tmp_path / name, format="PNG")
    found, code = planned(
        "with space.png",
        "caf\u00e9 \u732b.png",
        "./compare",
        "v1.2",
        "a.b.png",
        ".png",
        "--",
        "-dash.png",
        "new\nline.png",
    )
    assert [output for _, output in found] == [
        "with space.sdz", "caf\u00e9 \u732b.sdz", "compare.sdz", "v1.2.sdz", "a.b.sdz", ".png.sdz", "-dash.sdz",
        "new\\nline.sdz"
    ]  # fmt: skip
    assert code == 0


@pytest.mark.skipif(os.name != "posix", reason="names that are not text")
def test_name_that_is_not_text(planned: Planner, tmp_path: Path) -> None:
    photo(tmp_path / "a.png").rename(tmp_path / os.fsdecode(b"\xff.png"))
    assert planned(os.fsdecode(b"\xff.png")) == ([("\\udcff.png", "\\udcff.sdz")], 0)


def test_second_input_for_one_output_fails_before_anything_is_written(
    planned: Planner, run: Run, tmp_path: Path
) -> None:
    photo(tmp_path / "a.png")
    photo(tmp_path / "a.jpg")
    found, code = planned("a.png", "a.jpg", "a.png")
    assert code == 1
    assert found[0] == ("a.png", "a.sdz")
    assert [problem for _, problem in found[1:]] == ["the output a.sdz is already that of a.png"] * 2


def test_output_that_is_an_input(planned: Planner, tmp_path: Path, sdz: bytes) -> None:
    photo(tmp_path / "b.png")
    found, code = planned("b.sdz", "b.png", "--force")
    assert code == 1
    assert "also an input" in found[0][1]
    assert "also an input" in found[1][1]


def test_output_equal_to_the_input_is_refused_even_with_force(planned: Planner, tmp_path: Path, sdz: bytes) -> None:
    (tmp_path / "hard.sdz").hardlink_to(tmp_path / "b.sdz")
    (tmp_path / "sub").mkdir()
    for output in ("b.sdz", "sub/../b.sdz", "hard.sdz", str(tmp_path / "b.sdz")):
        found, code = planned("b.sdz", "-o", output, "--force")
        assert code == 1
        assert "would be the input itself" in found[0][1]


def test_existing_outputs(planned: Planner, tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    (tmp_path / "a.sdz").write_bytes(b"old")
    assert "exists; give --force" in planned("a.png")[0][0][1]
    assert planned("a.png")[1] == 1
    assert planned("a.png", "--force") == ([("a.png", "a.sdz")], 0)
    assert planned("a.png", "--skip-existing") == ([("a.png", "a.sdz exists")], 3)
    photo(tmp_path / "c.png")
    assert planned("a.png", "c.png", "--skip-existing")[1] == 0
    (tmp_path / "c.sdz").symlink_to("nowhere")  # a broken link is something that exists
    assert "exists" in planned("c.png")[0][0][1]
    (tmp_path / "d.sdz").mkdir()
    photo(tmp_path / "d.png")
    found, code = planned("d.png", "--force")
    assert "is a directory" in found[0][1]
    assert code == 1


def test_directories(planned: Planner, tmp_path: Path, sdz: bytes) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / ".hidden").mkdir()
    photo(tmp_path / "in" / "a.png")
    photo(tmp_path / "in" / "deep" / "a.jpg")
    photo(tmp_path / "in" / ".hidden" / "x.png")
    photo(tmp_path / "in" / "._a.png")
    (tmp_path / "in" / "notes.txt").write_text("no picture")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    (tmp_path / "b.sdz").rename(tmp_path / "in" / "b.sdz")
    found, code = planned("in")
    assert code == 1
    assert "give -r" in found[0][1]
    assert planned("-r", "in") == ([("in/a.png", "in/a.sdz"), ("in/deep/a.jpg", "in/deep/a.sdz")], 0)
    assert planned("-r", "in", "-o", "out") == ([("in/a.png", "out/a.sdz"), ("in/deep/a.jpg", "out/deep/a.sdz")], 0)
    assert planned("-r", "in", "-f", "jpg") == ([("in/b.sdz", "in/b.jpg")], 0)
    assert planned("-r", "in", "--preview") == ([("in/b.sdz", "in/b.preview.png")], 0)


def test_directory_of_sdz_files_is_decoded_and_mixed_ones_say_what_is_left(
    planned: Planner, run: Run, tmp_path: Path, sdz: bytes
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "b.sdz").rename(tmp_path / "in" / "b.sdz")
    assert planned("-r", "in") == ([("in/b.sdz", "in/b.png")], 0)
    photo(tmp_path / "in" / "a.png")
    assert planned("-r", "in") == ([("in/a.png", "in/a.sdz")], 0)
    assert "1 .sdz left alone" in run.err


def test_nothing_found(planned: Planner, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    assert planned("-r", "in") == ([], 3)


def test_trees_of_two_directories_collide_under_one_output(planned: Planner, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        photo(tmp_path / name / "a.png")
    found, code = planned("-r", "one", "two", "-o", "out")
    assert code == 1
    assert found[1][1] == "the output out/a.sdz is already that of one/a.png"


def test_inputs_that_are_none(planned: Planner, tmp_path: Path, sdz: bytes) -> None:
    (tmp_path / "broken.png").symlink_to("nowhere.png")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "map.sdz").write_bytes(b"PK\x03\x04" + bytes(40))
    (tmp_path / "text.sdz").write_bytes(sdz.replace(b"\r\n", b"\n"))
    (tmp_path / "seven.sdz").write_bytes(sdz.replace(b"\x89", b"\x09"))
    (tmp_path / "cut.sdz").write_bytes(sdz[:5])
    photo(tmp_path / "png.sdz", format="PNG")
    names = [
        "missing.png",
        "broken.png",
        "empty.png",
        "map.sdz",
        "text.sdz",
        "seven.sdz",
        "cut.sdz",
        "png.sdz",
        "b.sdz",
    ]
    found, code = planned(*names)
    assert code == 1
    expected = [
        "no such file",
        "is a link to nowhere.png, which does not exist",
        "the file is empty",
        "ZIP archive",
        "text-mode transfer",
        "text-mode transfer",
        "ends within the magic",
        "not an .sdz file",
        "b.png",
    ]
    for (name, problem), text in zip(found, expected, strict=True):
        assert text in problem, name


def test_neither_side_is_sdz(planned: Planner, tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    found, code = planned("a.png", "-o", "a.jpg")
    assert code == 1
    assert "neither the input nor the output is SDZ" in found[0][1]
    assert "not an .sdz file" in planned("a.png", "--preview")[0][0][1]


def test_standard_input_decides_the_direction_by_its_magic(planned: Planner, tmp_path: Path, sdz: bytes) -> None:
    assert planned("-", "-o", "x/", stdin=sdz) == ([("-", "x/stdin.png")], 0)
    assert planned("-", "-o", "y.webp", stdin=sdz) == ([("-", "y.webp")], 0)
    assert planned("-", stdin=b"P5 1 1 255 a") == ([("-", "-")], 0)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "Missing argument"),
        (("-q", "5", "view", "a.png"), "comes first"),
        (("a.png", "-q", "101"), "0<=x<=100"),
        (("a.png", "-q", "high"), "not a valid integer"),
        (("a.png", "--qualty", "5"), "--quality"),
        (("a.png", "--effort", "10"), "0<=x<=9"),
        (("a.png", "--colors", "1"), "2 to 4096"),
        (("a.png", "--colors", "256,x"), "palette size"),
        (("a.png", "--target-size", "5 potatoes"), "not a size"),
        (("a.png", "--target-size", "5kB", "-q", "5"), "exclude"),
        (("a.png", "--target-size", "5kB", "--colors", "5"), "exclude"),
        (("a.png", "--payload", "direct", "--colors", "5"), "cannot be given together"),
        (("a.png", "--device", "toaster"), "is not a device"),
        (("a.png", "--tile", "1"), "64<=x"),
        (("a.png", "--strip", "everything"), "not one of 'all', 'icc'"),
        (("a.png", "-f", "psd"), "writes no such format"),
        (("a.png", "-o", "a.xyz"), "writes no format called .xyz"),
        (("a.png", "-o", "a.jpg", "-f", "png"), "names JPEG, but -f asks for PNG"),
        (("a.png", "b.png", "-o", "-"), "cannot share standard output"),
        (("a.png", "b.png", "-o", "file"), "several inputs need a directory"),
        (("-", "-", "-o", "x/"), "read only once"),
        (("a.png", "--json", "-o", "-"), "cannot share standard output"),
        (("a.png", "-i", "-o", "x"), "writes no file"),
        (("a.png", "--preview", "-f", "sdz"), "--preview reads .sdz"),
    ],
)
def test_wrong_usage(run: Run, tmp_path: Path, arguments: tuple[str, ...], text: str) -> None:
    photo(tmp_path / "a.png")
    photo(tmp_path / "b.png")
    (tmp_path / "file").write_bytes(b"")
    before = sorted(tmp_path.iterdir())
    assert run(*arguments) == 2
    assert text in run.err
    assert run.out == ""
    assert sorted(tmp_path.iterdir()) == before
