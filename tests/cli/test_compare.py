"""``sdz-convert compare``: what is refused, what is missing, and what is left when it fails."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from cli_fakes import Run, environment, names_in, photo
from compare_report import OUTPUTS

from pillow_sdz.cli import outputs

if TYPE_CHECKING:
    import os
    from pathlib import Path


def test_help_imports_nothing_large(tmp_path: Path) -> None:
    code = """
import sys
from pillow_sdz.cli import main
try:
    main(["compare", "--help"])
except SystemExit as end:
    assert not end.code
    assert not {"torch", "jinja2", "matplotlib"} & set(sys.modules)
"""
    process = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, timeout=60, check=True
    )
    assert "--perceptual" in process.stdout


def test_outputs_that_exist_are_refused(run_real: Run, tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "compare.png").write_bytes(b"mine")
    assert run_real("compare", "a.png", "-o", "out") == 1
    assert "compare.png exists" in run_real.err
    assert "--force" in run_real.err
    assert names_in(tmp_path / "out") == ["compare.png"]
    (tmp_path / "file").write_bytes(b"")
    assert run_real("compare", "a.png", "-o", "file") == 2
    (tmp_path / "out" / "compare.png").unlink()
    (tmp_path / "out" / "compare.html").mkdir()
    assert run_real("compare", "a.png", "-o", "out", "--force") == 1
    assert "is a directory" in run_real.err


@pytest.mark.slow
def test_force_replaces_and_a_broken_photo_does_not_stop_the_others(run_real: Run, tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    (tmp_path / "broken.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "compare.png").write_bytes(b"mine")
    (tmp_path / "out" / "other.txt").write_bytes(b"theirs")
    assert run_real("compare", "broken.png", "a.png", "missing.png", "-o", "out", "--force", "-q", "100") == 1
    assert "broken.png" in run_real.err
    assert "missing.png: no such file" in run_real.err
    assert names_in(tmp_path / "out") == [*OUTPUTS, "other.txt"]
    document = json.loads((tmp_path / "out" / "compare.json").read_bytes())
    assert [picture["name"] for picture in document["pictures"]] == ["a.png"]
    stages = {stage["stage"]: stage for stage in document["pictures"][0]["stages"]}
    assert stages["sdz"]["details"]["payload"] == "pixels"  # no noise, so no U-Net, and that is said
    assert "sdz-without-unet" not in stages
    assert "sdz with U-Net" in document["pictures"][0]["left_out"]


@pytest.mark.slow
def test_nothing_to_compare(run_real: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert run_real("compare", "empty") == 3
    assert run_real("compare") == 2
    photo(tmp_path / "a.png")
    assert run_real("a.png") == 0, run_real.err
    assert run_real("compare", "a.sdz", "-o", "out") == 1
    assert "is an .sdz" in run_real.err
    assert run_real("compare", "a.png", "--model", "tinny", "-o", "out") == 4
    assert "tinny" in run_real.err
    assert run_real("compare", "a.png", "--device", "toaster") == 2
    assert run_real("compare", "a.png", "--strength", "0") == 2
    assert run_real("compare", "a.png", "--max-pixels", "10", "-o", "out") == 1
    assert "--max-pixels" in run_real.err
    assert not (tmp_path / "out").exists()


def test_missing_packages_and_weights(run_real: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo(tmp_path / "a.png")
    (tmp_path / "weights").mkdir()
    assert run_real("compare", "a.png", "--perceptual", "weights") == 4
    assert "lpips_alex.npz" in run_real.err
    (tmp_path / "weights" / "lpips_alex.npz").write_bytes(b"not an archive")
    assert run_real("compare", "a.png", "--perceptual", "weights") == 4
    assert "cannot be read" in run_real.err
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert run_real("compare", "a.png") == 4
    assert "pip install 'pillow-sdz[compare]'" in run_real.err
    assert names_in(tmp_path) == ["a.png", "weights"]


@pytest.mark.slow
def test_a_full_disk_leaves_nothing(run_real: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo(tmp_path / "a.png")
    write = outputs.Outputs.write
    calls: list[str] = []

    def full(self: outputs.Outputs, target: Path, data: bytes, like: os.stat_result | None = None) -> list[str]:
        calls.append(target.name)
        if target.name == "compare.html":
            raise outputs.WriteError("cannot write: no space left")
        return write(self, target, data, like)

    monkeypatch.setattr(outputs.Outputs, "write", full)
    assert run_real("compare", "a.png", "-o", "out") == 1
    assert "no space left" in run_real.err
    assert calls == ["compare.json", "compare.png", "compare.html"]
    assert names_in(tmp_path / "out") == []
