"""Regression test of everything that the package writes and reports, compared with pinned digests and texts.

``vectors/encodings.json`` pins what each coder, payload and option writes for fixed inputs, and the texts of errors and
warnings; ``vectors/readings.json`` what golden files contain, and what becomes of damaged ones. The cases are in
`guard`, a package in ``tests/support``. They need no model weights. After an intended change, write both files anew,
and read their difference:

    PYTHONPATH=.:tests/support python tests/format/test_encoding_guard.py --write

Two results depend on other projects. DEFLATE streams depend on the build of zlib: "plain" is the digest of the same
data with its streams inflated, and with another build than the one recorded in the file only that is compared. Palettes
that start from libimagequant's are in groups of their own, which are skipped with another version of libimagequant.
"""

from __future__ import annotations

import json
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from guard import calls, groups, models

if TYPE_CHECKING:
    from collections.abc import Iterator

VECTORS = Path(__file__).parents[1] / "vectors"
GROUPS = {"encodings": groups.WRITTEN, "readings": groups.READ}
"""Groups of cases by the file that pins them."""

SLOW = ("damaged", "saves", "index planes", "layers", "palettes")
"""Groups that take about two seconds or more on one core."""

BUILT_WITH = "built with"


def path_of(kind: str) -> Path:
    return VECTORS / f"{kind}.json"


def builds() -> dict[str, str]:
    return {"zlib": groups.zlib_build(), "imagequant": version("imagequant")}


def found(kind: str, group: str, folder: Path) -> dict[str, Any]:
    """The present results of a group as read back from JSON, without the path of the folder of models."""
    text = json.dumps(groups.entries(GROUPS[kind][group])).replace(str(folder), "<guard>")
    result: dict[str, Any] = json.loads(text)
    return result


def written(kind: str, folder: Path) -> str:
    """The text of a file of pins: one entry per line, sorted."""
    lines = []
    for group in sorted(GROUPS[kind]):
        entries = found(kind, group, folder)
        rows = [f"  {json.dumps(name)}: {json.dumps(entry)}" for name, entry in sorted(entries.items())]
        lines.append(f" {json.dumps(group)}: {{\n" + ",\n".join(rows) + "\n }")
    head = f" {json.dumps(BUILT_WITH)}: {json.dumps(builds())}"
    return "{\n" + ",\n".join([head, *lines]) + "\n}\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the guard's models, the only models beside the shipped ones."""
    place = tmp_path_factory.mktemp("guard")
    models.write_models(place)
    with pytest.MonkeyPatch.context() as patch:
        calls.replace_models(patch, place, models.Networks)
        yield place


@pytest.fixture(scope="module")
def pins() -> dict[str, dict[str, Any]]:
    return {kind: json.loads(path_of(kind).read_text()) for kind in GROUPS}


def independent_of_zlib(entries: dict[str, Any]) -> dict[str, Any]:
    """The entries without what another build of zlib may change."""
    kept = {}
    for name, entry in entries.items():
        if isinstance(entry, dict) and "plain" in entry:
            entry = {key: value for key, value in entry.items() if key not in ("bytes", "sha256")}
        if "target" not in name:  # which step or palette fits depends on the length of what is deflated
            kept[name] = entry
    return kept


@pytest.mark.parametrize(
    ("kind", "group"),
    [
        pytest.param(kind, group, marks=pytest.mark.slow if group in SLOW else ())
        for kind, named in GROUPS.items()
        for group in named
    ],
)
def test_nothing_has_changed(kind: str, group: str, folder: Path, pins: dict[str, dict[str, Any]]) -> None:
    built = pins[kind][BUILT_WITH]
    if group in groups.OF_LIBIMAGEQUANT and built["imagequant"] != version("imagequant"):
        pytest.skip("another version of libimagequant makes other palettes")
    old, new = pins[kind][group], found(kind, group, folder)
    if built["zlib"] != builds()["zlib"]:
        old, new = independent_of_zlib(old), independent_of_zlib(new)
    changed = [
        f"{name}\n    was {old.get(name, 'not there')}\n    is  {new.get(name, 'not there')}"
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]
    assert not changed, f"{len(changed)} of {len(old)} changed:\n" + "\n".join(changed[:20])


def test_every_group_is_pinned(pins: dict[str, dict[str, Any]]) -> None:
    for kind, named in GROUPS.items():
        assert set(pins[kind]) == {BUILT_WITH, *named}


def main() -> None:
    """Write both files anew."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as name:
        place = Path(name)
        models.write_models(place)
        calls.replace_models(patch, place, models.Networks)
        for kind in GROUPS:
            path = path_of(kind)
            path.write_text(written(kind, place))
            print(path, path.stat().st_size, "bytes")


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit("usage: python tests/format/test_encoding_guard.py --write")
    main()
