"""The reader of float16 weights gives what safetensors gives, and refuses everything else by one clear error."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from pillow_sdz.errors import SdzModelError
from pillow_sdz.models import registry
from pillow_sdz.models.half_weights import WEIGHTS_NAME, read_half

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Header = dict[str, Any]


def written(path: Path, header: Header | bytes, data: bytes = b"", length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + data)
    return path


def entry(begin: int, end: int, *shape: int, dtype: str = "F16") -> Header:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


@pytest.mark.parametrize("part", ["vae", "unet"])
def test_it_reads_what_safetensors_reads(part: str) -> None:
    path = registry.find("tiny").folder / part / WEIGHTS_NAME
    found, expected = read_half(path, ""), load_file(path)
    assert found.tensors.keys() == expected.keys() == found.places.keys()
    whole = path.read_bytes()
    for name, values in expected.items():
        assert np.array_equal(found.tensors[name], values)
        assert whole[found.places[name] :][: values.nbytes] == values.tobytes()


def test_the_layout_is_that_of_the_tensors_and_not_of_their_values(tmp_path: Path) -> None:
    layouts = []
    for number, shape in ((1, (2, 3)), (2, (2, 3)), (1, (3, 2))):
        save_file({"a": np.full(shape, number, np.float16)}, tmp_path / "weights")
        layouts.append(read_half(tmp_path / "weights", "").layout)
    assert layouts[0] == layouts[1] != layouts[2]


def test_scalars_empty_tensors_and_notes(tmp_path: Path) -> None:
    header = {"__metadata__": {"format": "pt"}, "b": entry(0, 2), "a": entry(0, 0, 0, 5), "c": entry(2, 6, 1, 2)}
    found = read_half(written(tmp_path / "weights", header, np.array([1, 2, 3], "<f2").tobytes()), "")
    assert {name: values.shape for name, values in found.tensors.items()} == {"a": (0, 5), "b": (), "c": (1, 2)}
    assert found.tensors["b"] == 1
    assert found.tensors["c"].tolist() == [[2, 3]]


BROKEN: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "no header": lambda path: path.write_bytes(b"\xff" * 8),
    "a header longer than the file": lambda path: written(path, {}, length=3),
    "an endless header": lambda path: written(path, {}, length=2**63),
    "not JSON": lambda path: written(path, b"{]"),
    "not text": lambda path: written(path, b"\xff\xfe{}"),
    "deep": lambda path: written(path, b"[" * 100_000),
    "not an object": lambda path: written(path, b"[]"),
    "a name twice": lambda path: written(path, b'{"a":%b,"a":%b}' % ((json.dumps(entry(0, 0, 0)).encode(),) * 2)),
    "an entry that is no object": lambda path: written(path, {"a": 7}),
    "a field too many": lambda path: written(path, {"a": entry(0, 2) | {"more": 1}}, b"xx"),
    "float32": lambda path: written(path, {"a": entry(0, 4, 1, dtype="F32")}, b"xxxx"),
    "a size that is not the shape's": lambda path: written(path, {"a": entry(0, 4, 1)}, b"xxxx"),
    "a negative size": lambda path: written(path, {"a": entry(0, 2, -1, -1)}, b"xx"),
    "a size that is no number": lambda path: written(path, {"a": entry(0, 2) | {"shape": [True]}}, b"xx"),
    "a huge size": lambda path: written(path, {"a": entry(0, 2, 2**60)}, b"xx"),
    "nine dimensions": lambda path: written(path, {"a": entry(0, 2, *[1] * 9)}, b"xx"),
    "three offsets": lambda path: written(path, {"a": entry(0, 2) | {"data_offsets": [0, 1, 2]}}, b"xx"),
    "an end before the beginning": lambda path: written(path, {"a": entry(2, 0)}, b"xx"),
    "beyond the end": lambda path: written(path, {"a": entry(0, 4, 2)}, b"xx"),
    "a gap": lambda path: written(path, {"a": entry(0, 2), "b": entry(4, 6)}, b"xxxxxx"),
    "an overlap": lambda path: written(path, {"a": entry(0, 4, 2), "b": entry(2, 6, 2)}, b"xxxxxx"),
    "something at the end": lambda path: written(path, {"a": entry(0, 2)}, b"xxx"),
}


@pytest.mark.parametrize("kind", [*BROKEN, "missing", "a folder"])
def test_anything_else_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "weights"
    if kind in BROKEN:
        BROKEN[kind](path)
    elif kind == "a folder":
        path.mkdir()
    with pytest.raises(SdzModelError, match=r"weights: cannot load the weights: .*; do something"):
        read_half(path, "do something")
