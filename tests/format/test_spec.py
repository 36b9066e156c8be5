"""spec/sdz.md against the code: its tables, formulas and worked example cannot drift from what is built."""

import json
import re
from pathlib import Path
from typing import Any

import construct
import numpy as np
import pytest
from PIL import Image
from reference_scalar import scan
from sample_files import EXAMPLE_CODES, decode_everything, example
from specification import SPEC, table

from pillow_sdz import limits
from pillow_sdz.coding import boxes, planes
from pillow_sdz.container import (
    colour_spaces,
    compact_exif,
    framing,
    header,
    magic,
    metadata,
    metadata_codings,
    patches,
    stored_error,
)
from pillow_sdz.container.sections import build, parse
from pillow_sdz.models import registry
from pillow_sdz.models.code_mapping import CodeMapping, PriorFile
from pillow_sdz.models.configuration import read_config
from pillow_sdz.models.fingerprint import DECODER_FIELDS, SCHEDULE_FIELDS, UNET_FIELDS, Decoding
from pillow_sdz.models.manifest import CONFIG_FILES
from pillow_sdz.payloads import kinds
from pillow_sdz.payloads.palette import index_codings, layers, palette_coder
from pillow_sdz.payloads.pixels import streams
from pillow_sdz.payloads.scalar import payload as scalar_payload

VECTORS = Path(__file__).parents[1] / "vectors"
BOXES = {
    name: box
    for module in (boxes, header, framing, metadata, patches, compact_exif, stored_error, layers, scalar_payload)
    for name, box in vars(module).items()
    if isinstance(box, construct.Struct) and not name.startswith("_")
}


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
    offset: int | None = 0
    for row, field in zip(rows, fields, strict=True):
        assert row[0] == ("" if offset is None else str(offset))
        if not row[1].isdigit():  # after a field whose size varies there are no offsets
            offset = None
        elif offset is not None:
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
    assert bytes.fromhex(re.findall(r"`([0-9A-F ]+)`", row[3])[0]) == magic.MAGIC
    assert row[3].split('"')[1].encode().decode("unicode_escape").encode("latin-1") == magic.MAGIC
    assert header.HEADER_BYTES == 33
    assert " 33 bytes " in SPEC


def test_header_values() -> None:
    content = {row[2]: row[3] for row in table("box: HEADER")}
    assert content["version"] == str(header.VERSION)
    space, mode = table("bits: HEADER.colour")
    assert re.findall(r"\d `(\w+)`", mode[2]) == list(header.MODES)
    assert f"0 to {len(colour_spaces.COLOUR_SPACES) - 1}" in space[2]
    assert tuple(map(int, re.findall(r"\d+", content["factor"]))) == limits.FACTORS
    row = table("bits: HEADER.payload")[0]
    assert re.findall(r"\d: (\w+)", row[2]) == list(kinds.KINDS)
    flags = [1 << int(bit) for bit in re.findall(r"bit (\d)", content["flags"])]
    assert flags == [header.FLAG_SYNTHESISED, header.FLAG_PATCHED]


def test_section_types() -> None:
    rows = table("values: SECTION_NAMES")
    assert {int(row[0], 16): row[1] for row in rows} == framing.SECTION_NAMES
    for row in rows:
        assert bool(int(row[0], 16) & framing.ANCILLARY) == row[3].startswith(("MAY", "SHOULD"))


@pytest.mark.parametrize(
    ("mark", "module"),
    [
        ("INDEX_CODINGS", index_codings),
        ("PLANE_CODINGS", planes),
        ("METADATA_CODINGS", metadata_codings),
        ("STREAM_CODINGS", streams),
    ],
)
def test_codings(mark: str, module: Any) -> None:
    documented = {row[1].upper(): int(row[0]) for row in table(f"values: {mark}")}
    assert documented == {name: getattr(module, name) for name in documented}
    assert sorted(documented.values()) == list(range(len(documented)))
    public = {name for name, value in vars(module).items() if name.isupper() and name[0] != "_" and type(value) is int}
    assert public == set(documented)


def test_palette_codings() -> None:
    documented = {row[1].upper(): int(row[0]) for row in table("values: PALETTE_CODINGS")}
    assert documented == {"RAW": palette_coder.RAW, "COMPACT": palette_coder.COMPACT}


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


def test_links_within_the_document_lead_to_headings() -> None:
    titles = re.findall(r"^#{2,4} (.+)$", SPEC, re.MULTILINE)
    anchors = [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]
    assert len(set(anchors)) == len(anchors)
    assert set(re.findall(r"\]\(#([^)]+)\)", SPEC)) <= set(anchors)


def test_drawing_of_the_scan() -> None:
    lines = SPEC.split("<!-- drawing: scan -->\n```\n", 1)[1].split("```", 1)[0].splitlines()
    grid = [[int(cell) for cell in line[4:38].split()] for line in lines[2:]]
    passes = list(scan(17, 17))
    expected = {place: number for number, (*_, places) in enumerate(passes) for place in places}
    assert {(y, x): number for y, row in enumerate(grid) for x, number in enumerate(row)} == expected
    for top, offsets in ((2, passes[1][2]), (13, passes[2][2])):
        columns = [int(cell) for cell in lines[top][45:].split()[1:]]
        rows = [line[45:].removeprefix("dy").split() for line in lines[top + 1 : top + 1 + len(columns)]]
        drawn = {
            int(cell): (int(row[0]), column)
            for row in rows
            for column, cell in zip(columns, row[1:], strict=True)
            if cell.isdigit()
        }
        assert [drawn.get(number) for number in range(12)] == offsets


def test_canonical_json() -> None:
    """The examples of what enters a fingerprint are what the code makes of those models."""
    shown = SPEC.split("<!-- canonical json -->\n```\n", 1)[1].split("```", 1)[0].strip().split("\n\n")
    digest = re.findall(r'"sha256":"([0-9a-f]{64})"', SPEC)[0]
    vae = {"_class_name": "AutoencoderKL", "latent_channels": 4}
    alone = Decoding(CodeMapping(0.18215, None, 4, 8), vae, latent_scaling=0.18215)
    configs = [read_config(registry.find("tiny").folder / name) for name in CONFIG_FILES]
    mapping = CodeMapping(1.5e-7, 3, 8, 8, prior=PriorFile(4, 64, 48, digest))
    whole = Decoding(mapping, configs[0], configs[1], configs[2])
    assert [text.replace("\n", "").encode() for text in shown] == [each.canonical_json() for each in (alone, whole)]


def test_fields_that_the_fingerprint_covers() -> None:
    """The table of fields, and of the values that stand for those that a configuration lacks."""
    expected = [
        *(("decoder", name, fields) for name, fields in DECODER_FIELDS.items()),
        *(("denoiser", name, fields) for name, fields in UNET_FIELDS.items()),
        ("schedule", "", SCHEDULE_FIELDS),
    ]
    text = SPEC.split("| object | class | fields |\n|---|---|---|\n", 1)[1].split("\n\n", 1)[0]
    found = []
    for line in text.splitlines():
        kind, name, fields = (cell.strip() for cell in line.strip("|").split("|"))
        pairs = [each.split("` ") for each in fields.lstrip("`").split(", `")] if fields else []
        found.append((kind, name.strip("`"), {key: json.loads(value) for key, value in pairs}))
    assert found == expected


def test_reals_of_the_canonical_json() -> None:
    """As the document says: fewest digits that read back, of those the nearest; an exponent below 0.0001 only."""

    def written(value: float) -> str:
        digits, exponent = next(
            text.split("e") for text in (f"{value:.{n}e}" for n in range(17)) if float(text) == value
        )
        digits, power = digits.replace(".", ""), int(exponent)
        if power < -4:
            return digits[0] + ("." + digits[1:] if digits[1:] else "") + f"e-{-power:02}"
        if power < 0:
            return "0." + "0" * (-power - 1) + digits
        digits = digits.ljust(power + 1, "0")
        return f"{digits[: power + 1]}.{digits[power + 1 :] or '0'}"

    rng = np.random.default_rng(0)
    values = [1e-9, 1e-5, 1e-4, 3.0, 6 / 255, 0.18215, 1e9, 123456789.125, *10 ** rng.uniform(-9, 9, 2000)]
    for value in values:
        text = f'"factor":8,"step":{written(value)}}}'.encode()
        assert text in Decoding(CodeMapping(float(value), None, 4, 8), {}).canonical_json()


def test_every_test_vector_is_listed_once_and_every_listed_one_exists() -> None:
    patterns = [row[0].strip("`") for row in table("values: VECTORS")]
    listed = [path for pattern in patterns for path in VECTORS.glob(pattern) if path.is_file()]
    assert sorted(listed) == sorted(path for path in VECTORS.rglob("*") if path.is_file())
    assert all(any(VECTORS.glob(pattern)) for pattern in patterns)


def test_worked_example() -> None:
    lines = SPEC.split("<!-- hex dump -->\n```\n", 1)[1].split("```", 1)[0].splitlines()
    data = b""
    for line in lines:
        offset, digits = re.fullmatch(r"([0-9a-f]{4})  ((?:[0-9a-f]{2} )+) *\S.*", line).groups()  # type: ignore[union-attr]
        assert int(offset, 16) == len(data)
        data += bytes.fromhex(digits)
    assert data == build(example())
    assert parse(data) == example()
    codes, rest = decode_everything(data)
    assert codes.tolist() == EXAMPLE_CODES
    assert rest == ([[255] * 16] * 8, metadata.Metadata(text={"Title": "Hi"}))
    shown = [[int(value) for value in vector.split(",")] for vector in re.findall(r"`\((\d[\d, ]+)\)`", SPEC)]
    assert [shown] == EXAMPLE_CODES


def test_example_facts_in_the_text() -> None:
    head = example().header
    text = SPEC.split("## Appendix B: Worked example", 1)[1].split("<!--", 1)[0]
    assert f"{head.width} x {head.height} pixels" in text
    assert f"latent {head.latent_width} x {head.latent_height} with {head.channels} channels" in text
    assert f"`{head.fingerprint.hex(' ')}`" in text
