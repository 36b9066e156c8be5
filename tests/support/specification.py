"""The text of ``spec/sdz.md`` and its tables, for the tests that compare them with the code."""

from __future__ import annotations

import re
from pathlib import Path

SPEC = (Path(__file__).parents[2] / "spec" / "sdz.md").read_text(encoding="utf-8")


def table(mark: str) -> list[list[str]]:
    """The cells of the table after ``<!-- MARK -->``, without its heading; line by line."""
    text = SPEC.split(f"<!-- {mark} -->\n", 1)[1]
    lines = re.match(r"(?:\|.*\|\n)+", text)
    assert lines, f"no table after {mark}"
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines.group().splitlines()]
    assert set("".join(rows[1])) == {"-"}
    return rows[2:]
