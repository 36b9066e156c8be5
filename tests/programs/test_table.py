"""The README's table of programs: each row names tests that exist, or says why there is none."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import pytest

ROOT: Final = Path(__file__).parents[2]
HEADING: Final = "## Programs that open .sdz\n"
HERE: Final = "tests/programs/"

AT_LEAST: Final = 12
"""Programs with a test that runs wherever the tests of this package run."""


class Row(NamedTuple):
    """A row of the table."""

    program: str
    what_to_do: str
    shown_by: str

    @property
    def tests(self) -> list[tuple[str, str]]:
        """The tests that it names: function and file."""
        return re.findall(r"\[`(\w+)`\]\(([^)]+)\)", self.shown_by)


def read() -> list[Row]:
    section = (ROOT / "README.md").read_text("utf-8").split(HEADING, 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [Row(*(cell.strip() for cell in line.strip("|").split("|"))) for line in lines[2:]]


@cache
def functions(file: str) -> dict[str, ast.FunctionDef]:
    """The test functions of a file."""
    nodes = ast.walk(ast.parse((ROOT / file).read_text("utf-8")))
    return {node.name: node for node in nodes if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def may_be_skipped(test: ast.FunctionDef) -> bool:
    """Whether a test is skipped on some machines: by a decorator, in its body, or by the fixture ``program``."""
    body = {ast.unparse(node.func) for node in ast.walk(test) if isinstance(node, ast.Call)}
    return (
        "program" in [argument.arg for argument in test.args.args]
        or any(re.search(r"skip|needs", ast.unparse(decorator)) for decorator in test.decorator_list)
        or bool(body & {"pytest.skip", "pytest.importorskip"})
    )


@cache
def sources(folder: str) -> str:
    """All Python files below a folder, and their names, as one text."""
    paths = [path for path in sorted((ROOT / folder).rglob("*.py")) if path != Path(__file__)]
    return "\n".join(f"{path.name}\n{path.read_text('utf-8')}" for path in paths)


ROWS: Final = read()


@pytest.mark.parametrize("row", ROWS, ids=[row.program for row in ROWS])
def test_a_row_has_tests_or_a_reason(row: Row) -> None:
    if row.shown_by.startswith("no test: "):
        assert len(row.shown_by.split()) > 5
        return
    assert row.tests, row.shown_by
    for name, file in row.tests:
        assert name in functions(file)
    for code in re.findall(r"`([^`]+)`", row.what_to_do):
        assert code in sources(str(Path(row.tests[0][1]).parent)), "the test does something else"


def test_enough_programs_are_tested_everywhere() -> None:
    everywhere = [row for row in ROWS if any(not may_be_skipped(functions(file)[name]) for name, file in row.tests)]
    assert len(everywhere) >= AT_LEAST
    assert len({row.program for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize(
    ("test", "skipped"),
    [
        ("def test_it(environment): run()", False),
        ("@pytest.mark.slow\ndef test_it(environment): run()", False),
        ("def test_it(program): run()", True),
        ("@needs_server\ndef test_it(environment): run()", True),
        ("@pytest.mark.skipif(sys.platform == 'win32', reason='POSIX')\ndef test_it(): run()", True),
        ("def test_it():\n    if not there:\n        pytest.skip('not there')", True),
        ("def test_it():\n    module = pytest.importorskip('module')", True),
    ],
)
def test_what_counts_as_everywhere(test: str, skipped: bool) -> None:
    (function,) = ast.parse(test).body
    assert isinstance(function, ast.FunctionDef)
    assert may_be_skipped(function) == skipped


def test_every_file_of_tests_is_in_the_table() -> None:
    named = {file for row in ROWS for _, file in row.tests if file.startswith(HERE)}
    there = {f"{HERE}{path.name}" for path in Path(__file__).parent.glob("test_*.py")}
    assert there - named == {f"{HERE}{Path(__file__).name}"}


def test_the_command_that_runs_all_of_them_exists() -> None:
    import programs

    assert f"`{programs.COMMAND}`" in (ROOT / "README.md").read_text("utf-8")
    script = ROOT / programs.COMMAND.removeprefix("bash ")
    assert programs.OPT_IN in script.read_text("utf-8")
