"""spec/sdz.md against the code: its tables, formulas and worked example cannot drift from what is built."""

import re
from pathlib import Path
from typing import Any

import construct
import numpy as np
import pytest
from PIL import Image
from sample_files import EXAMPLE_CODES, decode_everything, example

from pillow_sdz import limits
from pillow_sdz.coding import boxes as structs
from pillow_sdz.coding import planes
from pillow_sdz.container import header, metadata
from pillow_sdz.container import sections as container
from pillow_sdz.container.sections import build, parse
from pillow_sdz.payloads.palette import index_coder as index_coding

SPEC = (Path(__file__).parents[2] / "spec" / "sdz.md").read_text(encoding="utf-8")
BOXES = {
    name: box for name, box in vars(structs).items() if isinstance(box, construct.Struct) and not name.startswith("_")
}


def table(mark: str) -> list[list[str]]:
    """The cells of the table after ``<!-- MARK -->``, without its heading; line by line."""
    text = SPEC.split(f"<!-- {mark} -->\n", 1)[1]
    lines = re.match(r"(?:\|.*\|\n)+", text)
    assert lines, f"no table after {mark}"
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines.group().splitlines()]
    assert set("".join(rows[1])) == {"-"}
    return rows[2:]


def fields_of(box: Any) -> list[Any]:
    """The fields of a box that take bytes; ``end`` only reports a position."""
    return [field for field in box.subcons if field.name != "end"]


def size_of(field: Any) -> str:
    """The size of a construct field, in the words of the specification."""
    inner = field.subcon
    if isinstance(inner, construct.IfThenElse):
        return f"0 or {size_of(construct.Renamed(inner.thensubcon))}"
    if inner is construct.VarInt:
        return "1 to 4"
    return str(field.sizeof())


def test_every_box_has_a_table_and_every_table_a_box() -> None:
    assert sorted(re.findall(r"<!-- box: (\w+) -->", SPEC)) == sorted(BOXES)


@pytest.mark.parametrize("name", BOXES)
def test_boxes(name: str) -> None:
    fields = fields_of(BOXES[name])
    rows = table(f"box: {name}")
    assert [row[2] for row in rows] == [field.name for field in fields]
    assert [row[1] for row in rows] == [size_of(field) for field in fields]
    offset = 0
    for row, field in zip(rows, fields, strict=True):
        assert row[0] == str(offset)
        if row[1].isdigit():  # a field that may be absent shares its offset with the next one
            offset += field.sizeof()


def test_byte_order_is_little_endian() -> None:
    for box in BOXES.values():
        for field in fields_of(box):
            if isinstance(field.subcon, construct.FormatField):
                assert field.subcon.fmtstr.startswith("<") or field.sizeof() == 1


@pytest.mark.parametrize("mark", re.findall(r"<!-- bits: ([\w.]+) -->", SPEC))
def test_nibbles(mark: str) -> None:
    name, field_name = mark.split(".")
    field = next(field for field in BOXES[name].subcons if field.name == field_name)
    high, low = table(f"bits: {mark}")
    assert (high[0], low[0]) == ("7..4", "3..0")
    assert field.subcon.parse(b"\xa5") == {high[1]: 0xA, low[1]: 0x5}


def test_every_byte_of_nibbles_is_documented() -> None:
    split = {
        f"{name}.{field.name}"
        for name, box in BOXES.items()
        for field in box.subcons
        if isinstance(field.subcon, construct.Transformed)
    }
    assert set(re.findall(r"<!-- bits: ([\w.]+) -->", SPEC)) == split


def test_magic_and_header_size() -> None:
    row = table("box: HEADER")[0]
    assert bytes.fromhex(re.findall(r"`([0-9A-F ]+)`", row[3])[0]) == container.MAGIC
    assert row[3].split('"')[1].encode().decode("unicode_escape").encode("latin-1") == container.MAGIC
    assert structs.HEADER.sizeof() == header.HEADER_BYTES == 33
    assert " 33 bytes " in SPEC


def test_header_values() -> None:
    content = {row[2]: row[3] for row in table("box: HEADER")}
    assert content["version"] == str(header.VERSION)
    assert re.findall(r"\d `(\w+)`", content["mode"]) == list(header.MODES)
    assert tuple(map(int, re.findall(r"\d+", content["factor"]))) == limits.FACTORS
    kinds = table("bits: HEADER.payload")[0][2]
    assert re.findall(r"\d: (\w+)", kinds) == list(header.PAYLOADS)
    assert 1 << int(re.findall(r"bit (\d)", content["flags"])[0]) == header.FLAG_SYNTHESISED


def test_section_types() -> None:
    rows = table("values: SECTION_NAMES")
    assert {int(row[0], 16): row[1] for row in rows} == container.SECTION_NAMES
    for row in rows:
        assert bool(int(row[0], 16) & container.ANCILLARY) == (row[3] in ("MAY", "SHOULD be there"))


@pytest.mark.parametrize(
    ("mark", "module"), [("INDEX_CODINGS", index_coding), ("PLANE_CODINGS", planes), ("METADATA_CODINGS", metadata)]
)
def test_codings(mark: str, module: Any) -> None:
    documented = {row[1].upper(): int(row[0]) for row in table(f"values: {mark}")}
    assert documented == {name: getattr(module, name) for name in documented}
    assert sorted(documented.values()) == list(range(len(documented)))
    public = {name for name, value in vars(module).items() if name.isupper() and name[0] != "_" and type(value) is int}
    assert public == set(documented)


def test_palette_codings() -> None:
    ids = [int(row[0]) for row in table("values: PALETTE_CODINGS")]
    assert ids == [0, 1, structs.PALETTE_BY_NUMBER]


def test_limits() -> None:
    documented = {row[0]: int(row[1]) for row in table("values: LIMITS")}
    public = {name: value for name, value in vars(limits).items() if name.isupper() and type(value) is int}
    assert documented == public


def test_grey_formula_is_pillows() -> None:
    weights = tuple(map(int, re.findall(r"\((\d+) R \+ (\d+) G \+ (\d+) B \+ (\d+)\) >> 16", SPEC)[0]))
    rgb = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    wide = rgb.astype(np.int64)
    grey = (wide @ np.array(weights[:3]) + weights[3]) >> 16
    assert (grey == np.asarray(Image.fromarray(rgb).convert("L"))).all()


def test_chapters_that_other_chapters_name_exist() -> None:
    numbers = set(re.findall(r"^#{2,3} ([\d.]+?)\.? ", SPEC, re.MULTILINE))
    named = set(re.findall(r"[Ss]ections? (\d+(?:\.\d+)?)", SPEC)) | set(re.findall(r" and (\d\.\d)", SPEC))
    assert named <= numbers


def test_worked_example() -> None:
    lines = SPEC.split("<!-- hex dump -->\n```\n", 1)[1].split("```", 1)[0].splitlines()
    data = b""
    for line in lines:
        offset, digits = re.fullmatch(r"([0-9a-f]{4})  ((?:[0-9a-f]{2} )+) *\S.*", line).groups()  # type: ignore[union-attr]
        assert int(offset, 16) == len(data)
        data += bytes.fromhex(digits)
    assert data == build(example())
    assert parse(data) == example()
    codes, (alpha, text, _) = decode_everything(data)  # type: ignore[misc]
    assert codes.tolist() == EXAMPLE_CODES
    assert alpha == [[255] * 16] * 8
    assert text == {"Title": "Hi"}
    shown = [[int(value) for value in vector.split(",")] for vector in re.findall(r"`\((\d[\d, ]+)\)`", SPEC)]
    assert [shown] == EXAMPLE_CODES


def test_example_facts_in_the_text() -> None:
    head = example().header
    text = SPEC.split("## 12. Example", 1)[1].split("<!--", 1)[0]
    assert f"{head.width} x {head.height} pixels" in text
    assert f"latent {head.latent_width} x {head.latent_height} with {head.channels} channels" in text
    assert f"`{head.fingerprint.hex(' ')}`" in text
