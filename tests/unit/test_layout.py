"""What the architecture promises of the sources themselves: payload kinds are known in one folder, files are short."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "pillow_sdz"

LONGEST_FILE = 300
"""Lines of a source file."""

MOST_ENTRIES = 13
"""Modules and subpackages at the root of the package."""

KINDS = "scalar|palette|direct|pixels"
COMPARISONS = (
    rf"[!=]= *['\"]({KINDS})['\"]",  # payload == "scalar"
    rf"['\"]({KINDS})['\"] *[!=]=",
    rf"\bin *[(\[{{][^)\]}}]*['\"]({KINDS})['\"]",  # payload in ("scalar", "direct")
    r"\b(payload|kind) *[!=]= *payloads?\.",
    r"(?<!self)\.step is (not )?None",  # only scalar plans have one; SaveOptions checks its own field
    r"isinstance\([^)]*Plan\b",
    rf"case *['\"]({KINDS})['\"]",
)
"""Ways to ask which kind a payload is."""


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_no_module_outside_of_payloads_asks_which_kind_a_payload_is() -> None:
    outside = [path for path in sources("pillow_sdz") if PACKAGE / "payloads" not in path.parents]
    found = [
        f"{name_of(path)}: {line.strip()}"
        for path in outside
        for line in path.read_text().splitlines()
        if any(re.search(each, line) for each in COMPARISONS)
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        'if header.payload == "scalar":',
        'if "palette" != kind:',
        'if kind in ("scalar", "direct"):',
        "if plan.step is not None:",
        "if isinstance(plan, ScalarPlan):",
        'case "direct":',
    ],
)
def test_such_questions_would_be_found(line: str) -> None:
    assert any(re.search(each, line) for each in COMPARISONS)


def parameters(path: Path) -> Iterator[tuple[str, ast.arg]]:
    """All parameters of functions, each with the function's name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            arguments = node.args
            for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
                yield getattr(node, "name", "lambda"), argument


def test_file_names_are_known_above_the_codec_only() -> None:
    """Errors get the name by `pillow_sdz.errors.naming_file`; a parameter called ``file`` is an `SdzFile`."""
    below = sources(*(f"pillow_sdz/{folder}" for folder in ("container", "coding", "payloads", "codec", "models")))
    found = [
        f"{name_of(path)}: {function}: {argument.arg}"
        for path in below
        for function, argument in parameters(path)
        if argument.arg in ("file", "filename", "file_name")
        and (argument.annotation is None or ast.unparse(argument.annotation) != "SdzFile")
    ]
    assert found == []


def test_the_root_of_the_package_fits_on_one_screen() -> None:
    entries = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert len(entries - {"__init__", "__main__"}) <= MOST_ENTRIES


def test_files_are_short() -> None:
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in sources("pillow_sdz", "tests", "tools")}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}
