"""The benchmark of the start-up hook, and what the check of an environment compares."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools.programs.folder_state import differences, state

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs the module resource of POSIX; run it on another system")
def test_the_benchmark_prints_what_the_hook_costs() -> None:
    command = [sys.executable, str(ROOT / "tools" / "bench" / "bench_autoload.py"), "--runs", "1"]
    process = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert process.returncode in (0, 1), process.stderr  # 1: one start on a busy machine says nothing
    for program in ("pass", "import PIL.Image"):
        assert (
            len(re.findall(rf"^{program} +(?:wall clock|processor)(?: +-?\d+\.\d\d){{3}}$", process.stdout, re.M)) == 2
        )
    assert re.search(r"^the hook costs -?\d+\.\d\d ms where PIL\.Image is not imported", process.stdout, re.M)
    assert process.stderr == ""


def test_every_difference_of_a_folder_is_seen(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    for name in ("kept", "changed", "gone", "inner/executable"):
        (folder / name).write_text(name)
    before = state(folder)
    assert differences(before, state(folder)) == []

    (folder / "changed").write_text("CHANGED")
    (folder / "gone").unlink()
    (folder / "inner" / "__pycache__").mkdir()
    expected = ["new: inner/__pycache__", "gone: gone", "changed: changed"]
    if os.name != "nt":
        (folder / "inner" / "executable").chmod(0o755)
        expected.append("changed: inner/executable")
        (folder / "link").symlink_to("kept")
        expected.insert(1, "new: link")
    assert [line.replace(os.sep, "/") for line in differences(before, state(folder))] == expected
