"""What the package writes and says, pinned to the byte and to the letter.

``vectors/encodings.json`` holds what each coder, payload and option writes for fixed inputs (`guard_cases`), and the
texts of failures; ``vectors/readings.json`` what golden files say, and what becomes of damaged ones (`guard_readings`).
No weights are needed for any of it. After a change that is meant to be one:

    python tests/test_encoding_guard.py --write

and the difference of the two files shows what has changed.

Two things are other projects' work. DEFLATE streams depend on the build of zlib: "plain" is the digest of the same body
or file with its streams inflated, and where the build is another one than the files name, only that is compared.
Palettes that start from libimagequant's have groups of their own, which are left out with another version of it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import guard_calls
import guard_cases
import guard_readings
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VECTORS = Path(__file__).parents[1] / "vectors"
FILES: dict[str, tuple[Path, tuple[str, ...], Callable[[str], dict[str, Any]]]] = {
    "encodings": (VECTORS / "encodings.json", tuple(guard_cases.WRITTEN), guard_cases.entries),
    "readings": (VECTORS / "readings.json", tuple(guard_readings.READ), guard_readings.entries),
}
GROUPS = [(kind, group) for kind, (_, groups, _) in FILES.items() for group in groups]
BUILT_WITH = "built with"


def builds() -> dict[str, str]:
    return {"zlib": guard_cases.zlib_build(), "imagequant": version("imagequant")}


def found(kind: str, group: str, folder: Path) -> dict[str, Any]:
    """What a group gives now, as JSON has it, without the name of the folder of models."""
    text = json.dumps(FILES[kind][2](group)).replace(str(folder), "<guard>")
    result: dict[str, Any] = json.loads(text)
    return result


def written(kind: str, folder: Path) -> str:
    """The text of a file of pins: an entry a line, sorted."""
    lines = []
    for group in sorted(FILES[kind][1]):
        entries = found(kind, group, folder)
        rows = [f"  {json.dumps(name)}: {json.dumps(entry)}" for name, entry in sorted(entries.items())]
        lines.append(f" {json.dumps(group)}: {{\n" + ",\n".join(rows) + "\n }")
    head = f" {json.dumps(BUILT_WITH)}: {json.dumps(builds())}"
    return "{\n" + ",\n".join([head, *lines]) + "\n}\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the guard's models, which stand in for all but the shipped ones."""
    place = tmp_path_factory.mktemp("guard")
    guard_cases.write_models(place)
    with pytest.MonkeyPatch.context() as patch:
        guard_calls.replace_models(patch, place, guard_cases.Networks)
        yield place


@pytest.fixture(scope="module")
def pins() -> dict[str, dict[str, Any]]:
    return {kind: json.loads(path.read_text()) for kind, (path, _, _) in FILES.items()}


def independent_of_zlib(entries: dict[str, Any]) -> dict[str, Any]:
    """The entries less what another build of zlib may change."""
    kept = {}
    for name, entry in entries.items():
        if isinstance(entry, dict) and "plain" in entry:
            entry = {key: value for key, value in entry.items() if key not in ("bytes", "sha256")}
        if "target" not in name:  # which step or palette fits depends on the length of what is deflated
            kept[name] = entry
    return kept


@pytest.mark.parametrize(("kind", "group"), GROUPS)
def test_nothing_has_changed(kind: str, group: str, folder: Path, pins: dict[str, dict[str, Any]]) -> None:
    built = pins[kind][BUILT_WITH]
    if group in guard_cases.OF_LIBIMAGEQUANT and built["imagequant"] != version("imagequant"):
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
    for kind, (_, groups, _) in FILES.items():
        assert set(pins[kind]) == {BUILT_WITH, *groups}


def main() -> None:
    """Write both files anew."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as name:
        place = Path(name)
        guard_cases.write_models(place)
        guard_calls.replace_models(patch, place, guard_cases.Networks)
        for kind, (path, _, _) in FILES.items():
            path.write_text(written(kind, place))
            print(path, path.stat().st_size, "bytes")


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit("python tests/test_encoding_guard.py --write")
    main()
