"""Conversions that fail: which file, in which words, with which exit code, and what stays as it was."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cli_fakes import Run, names_in, photo

from pillow_sdz.errors import SdzModelError

if TYPE_CHECKING:
    from pathlib import Path


def test_failed_encoder_leaves_the_old_file(run: Run, tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    (tmp_path / "a.sdz").write_bytes(b"old")
    run.toy.failure = RuntimeError("broken")
    assert run("a.png", "--force") == 1
    assert "a.png: cannot be converted: RuntimeError: broken" in run.err
    assert "Traceback" not in run.err
    assert names_in(tmp_path) == ["a.png", "a.sdz"]
    assert (tmp_path / "a.sdz").read_bytes() == b"old"
    assert run("a.png", "--force", "-v") == 1
    assert "Traceback" in run.err


def test_damaged_inputs_name_the_file_and_the_others_are_done(run: Run, tmp_path: Path) -> None:
    photo(tmp_path / "good.png")
    photo(tmp_path / "a.png")
    assert run("a.png") == 0
    data = (tmp_path / "a.sdz").read_bytes()
    (tmp_path / "cut.sdz").write_bytes(data[:-9])
    (tmp_path / "flipped.sdz").write_bytes(data[:60] + bytes([data[60] ^ 4]) + data[61:])
    (tmp_path / "newer.sdz").write_bytes(data[:8] + b"\x09" + data[9:])
    (tmp_path / "text.png").write_text("no picture")
    png = (tmp_path / "a.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(png[: len(png) // 2])
    names = ["cut.sdz", "flipped.sdz", "newer.sdz", "text.png", "cut.png", "good.png"]
    assert run(*names, "--json", "-o", "out/") == 1
    records = {record["input"]: record for record in map(json.loads, run.out.splitlines())}
    assert [records[name]["status"] for name in names] == ["failed"] * 5 + ["done"]
    for name in names[:3]:
        assert records[name]["error"].startswith(f"{name}: ")
    assert "newer pillow_sdz" in records["newer.sdz"]["error"]
    assert "does not recognise" in records["text.png"]["error"]
    assert "truncated" in records["cut.png"]["error"]
    assert "1 converted, 5 failed" in run.err
    assert names_in(tmp_path / "out") == ["good.sdz"]


def test_pixel_limit(run: Run, tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    assert run("a.png", "--max-pixels", "959") == 1
    assert "--max-pixels" in run.err
    assert run("a.png", "--max-pixels", "960") == 0
    assert run("a.sdz", "--max-pixels", "959", "-o", "b.png") == 1
    assert "959" in run.err
    assert not (tmp_path / "b.png").exists()


def test_missing_model_ends_with_its_own_code(run: Run, tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        photo(tmp_path / name)
    assert run("c.png") == 0
    run.toy.failure = SdzModelError("no such model", field="model", found="x")
    assert run("a.png", "b.png") == 4
    assert "1 failed, 1 not done" in run.err  # the next would fail in the same way
    assert run("c.sdz", "a.png", "-o", "out/") == 4
    assert "2 failed" in run.err  # another file may have another model
