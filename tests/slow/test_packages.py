"""The wheel holds the package and nothing else, and the sdist everything; the README's sizes have instructions."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tools.install.check_packages import check_contents, reading_instructions

ROOT = Path(__file__).parents[2]


def build(kind: str, source: Path, target: Path) -> Path:
    """Build a package as pip does, but with the setuptools of this environment."""
    code = f"import setuptools.build_meta as backend, sys; print(backend.build_{kind}(sys.argv[1]))"
    command = [sys.executable, "-c", code, str(target)]
    process = subprocess.run(command, cwd=source, capture_output=True, text=True, timeout=300)
    assert process.returncode == 0, process.stderr
    return target / process.stdout.splitlines()[-1]


def test_wheel_and_sdist(tmp_path: Path) -> None:
    """The wheel is made from the sdist, as ``python -m build`` does it."""
    if not (ROOT / ".git").exists():
        pytest.skip("the sdist holds what Git knows: this test needs a clone of the repository")
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", ROOT.as_uri(), str(clone)], check=True)
    sdist = build("sdist", clone, tmp_path)
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    check_contents(build("wheel", unpacked, tmp_path), sdist)


def test_what_reading_needs_is_in_the_readme() -> None:
    found = reading_instructions((ROOT / "README.md").read_text("utf-8"))
    for first, *rest in found:
        assert first[0] == "install"
        assert {"numpy", "construct==2.10.70"} <= set(first)
        assert rest == [["install", "--no-deps", "."]]
