"""The README's examples run as they stand, and its option table tells the truth."""

from __future__ import annotations

import inspect
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pillow_sdz.options import SaveOptions
from pillow_sdz.plugin.save_keywords import ENCODING, METADATA

if TYPE_CHECKING:
    from PIL import Image

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, chelsea: Image.Image) -> Path:
    chelsea.save(tmp_path / "photo.jpg")
    return tmp_path


def test_there_are_examples() -> None:
    assert len(blocks("python")) >= 2
    assert any("sdz-convert" in block for block in blocks("sh"))


@pytest.mark.parametrize("code", blocks("python"))
def test_python_examples_run(code: str, folder: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert process.returncode == 0, process.stderr
    assert list(folder.glob("*.sdz"))
    if (folder / "exact.sdz").exists():
        assert 3500 < (folder / "exact.sdz").stat().st_size <= 4000


def test_command_examples_run(folder: Path) -> None:
    commands = [
        shlex.split(line, comments=True)
        for block in blocks("sh")
        for line in block.splitlines()
        if line.startswith("sdz-convert")
    ]
    assert len(commands) >= 5
    for command in commands:
        process = subprocess.run(
            [sys.executable, "-m", "pillow_sdz.cli", *command[1:]],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert process.returncode == 0, (command, process.stderr)
    assert (folder / "photo.png").exists()
    assert (folder / "four.sdz").stat().st_size <= 4000


def test_the_two_commands_exist() -> None:
    for name in ("try", "test"):
        assert f"bash tools/{name}.sh" in README
        assert (ROOT / "tools" / f"{name}.sh").is_file()
    assert "bash tools/test.sh" in (ROOT / ".ci" / "run").read_text()


def test_the_option_table_is_complete_and_true() -> None:
    table = README.split("### Options of `save`", 1)[1].split("\n#", 1)[0]
    rows = re.findall(r"^\|([^|]*`[^|]*)\|([^|]*)\|([^|]*)\|", table, re.MULTILINE)
    listed = {name: default.strip() for names, _, default in rows for name in re.findall(r"`(\w+)`", names)}
    assert listed.keys() == {*ENCODING, *METADATA}
    for name, parameter in inspect.signature(SaveOptions).parameters.items():
        if parameter.default is not None:
            assert listed[name].strip('`"') == str(parameter.default)


def test_links_inside_the_project_lead_somewhere() -> None:
    targets = [t for t in re.findall(r"\]\(([^)]+)\)", README) if "://" not in t]
    headings = re.findall(r"^#+ (.+)$", README, re.MULTILINE)
    anchors = {"#" + re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert targets
    for target in targets:
        assert target in anchors if target.startswith("#") else (ROOT / target).exists(), target
