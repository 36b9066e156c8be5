"""`sdz-convert` with names that need care: line feeds, characters that are not text, names as long as they may be."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from cli_fakes import names_in, photo
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

    from cli_fakes import Run

pytestmark = pytest.mark.skipif(os.name != "posix", reason="other systems do not have all of these names")

STEMS = {
    "line feed": b"a\nb\r",
    "not text": b"\xff\xfe\x80",
    "terminal": b"a\x1b[31m",
    "long": b"n" * 246,
    "longest": b"n" * 251,
    "wide": "\u732b".encode() * 83,
}


@pytest.fixture(params=list(STEMS.values()), ids=list(STEMS))
def stem(request: pytest.FixtureRequest) -> str:
    return os.fsdecode(request.param)


def test_there_and_back(run: Run, tmp_path: Path, stem: str) -> None:
    photo(tmp_path / "a.png").rename(tmp_path / f"{stem}.png")
    assert run(f"{stem}.png") == 0, run.err
    assert run(f"{stem}.sdz", "-o", f"{stem}.bmp") == 0, run.err
    assert names_in(tmp_path) == sorted(f"{stem}.{suffix}" for suffix in ("png", "sdz", "bmp"))
    with Image.open(tmp_path / f"{stem}.bmp") as back:
        assert back.size == (40, 24)
    assert all(line.isprintable() for line in run.err.splitlines())
    assert len(run.err.splitlines()) == 1


@pytest.mark.parametrize("action", ["--info", "--test", "--preview", "--dry-run"])
def test_actions(run: Run, tmp_path: Path, stem: str, action: str) -> None:
    photo(tmp_path / "a.png")
    run("a.png")
    (tmp_path / "a.sdz").rename(tmp_path / f"{stem}.sdz")
    preview_fits = len(os.fsencode(f"{stem}.preview.png")) <= 255
    assert run(f"{stem}.sdz", action) == (0 if action != "--preview" or preview_fits else 1), run.err
    assert all(line.isprintable() for line in (run.out + run.err).splitlines())
    expected = {"a.png", f"{stem}.sdz"}
    if action == "--preview" and preview_fits:
        expected.add(f"{stem}.preview.png")
    assert set(names_in(tmp_path)) == expected


def test_folders(run: Run, tmp_path: Path, stem: str) -> None:
    (tmp_path / "in" / stem).mkdir(parents=True)
    photo(tmp_path / "a.png").rename(tmp_path / "in" / stem / f"{stem}.png")
    assert run("-r", "in", "-o", "out") == 0, run.err
    assert names_in(tmp_path / "out" / stem) == [f"{stem}.sdz"]


def test_failures_leave_nothing(run: Run, tmp_path: Path, stem: str) -> None:
    (tmp_path / f"{stem}.png").write_bytes(b"no picture")
    assert run(f"{stem}.png") == 1
    assert names_in(tmp_path) == [f"{stem}.png"]
    assert all(line.isprintable() for line in run.err.splitlines())
