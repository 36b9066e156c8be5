"""spec/sdz.md against the code: the sequence header, the AVIF file around a stream, and the limits of patches."""

from __future__ import annotations

import re

from hostile_streams import SEQUENCE
from specification import SPEC, table

from pillow_sdz import limits
from pillow_sdz.codec import patching
from pillow_sdz.container import patches
from pillow_sdz.payloads.pixels import av1


def drawn(sequence: av1.Sequence, stream: bytes) -> bytes:
    """The file around a stream, as the specification has it."""
    text = SPEC.split("<!-- canonical avif -->\n```\n", 1)[1].split("```", 1)[0]
    subsampled = 0 if sequence.profile else 3
    values = {
        "W": sequence.width.to_bytes(4, "big"),
        "H": sequence.height.to_bytes(4, "big"),
        "L": len(stream).to_bytes(4, "big"),
        "M": (len(stream) + 8).to_bytes(4, "big"),
        "P": bytes([sequence.profile << 5 | sequence.level]),
        "Q": bytes([int(sequence.monochrome) << 4 | subsampled << 2 | sequence.chroma_position]),
    }
    out = b""
    for line in text.splitlines():
        offset, rest = line.split("  ", 1)
        assert int(offset, 16) == len(out)
        cells = re.match(r"(?:(?:[0-9a-f]{2}|[WHLMPQ])(?: |$))+", rest)
        assert cells
        for cell in re.sub(r"([WHLM]) \1 \1 \1", r"\1", cells.group()).split():
            out += values[cell] if cell in values else bytes.fromhex(cell)
        name = rest[cells.end() :].strip().encode()
        assert not name or name in out[int(offset, 16) :]
    return out + stream


def test_the_file_around_a_stream() -> None:
    for sequence in (av1.Sequence(70, 53, 0, 8, False, 2), av1.Sequence(4000, 32768, 1, 31, False, 0)):
        stream = bytes(range(200)) * 3
        assert av1.avif_of(stream, sequence) == drawn(sequence, stream)


def test_the_file_without_chroma_is_two_bytes_shorter() -> None:
    sequence = av1.Sequence(70, 53, 0, 0, True, 0)
    expected = bytearray(drawn(sequence, b"stream"))
    at = expected.index(b"pixi") + 8
    expected[at : at + 4] = b"\1\x08"
    for name in (b"pixi", b"ipco", b"iprp", b"meta"):
        expected[expected.index(name) - 1] -= 2
    expected[expected.index(b"iloc") + 4 + 17] -= 2
    assert av1.avif_of(b"stream", sequence) == expected


def test_the_length_of_the_file_around_a_stream() -> None:
    length = len(av1.avif_of(b"", av1.Sequence(1, 1, 0, 0, False, 0)))
    assert f"in this file of {length} bytes and the stream" in SPEC
    offset = f"0x{length:04x}"
    assert f"offset in `iloc` ({offset})" in SPEC


def test_the_table_of_the_sequence_header() -> None:
    """Its fields and widths are those that the hostile files are made of, and its values those of good ones."""
    rows = table("values: SEQUENCE_HEADER")
    names = [re.findall(r"[a-z]\w+_\w+", row[1]) for row in rows]
    single = {fields[0]: row for fields, row in zip(names, rows, strict=True) if len(fields) == 1}
    assert len(single) == len(rows) - 2  # the tools, and the three numbers of the colour description
    for name, (bits, _, value) in single.items():
        if bits.isdigit():
            assert int(bits) == SEQUENCE[name][0]
        if value.isdigit():
            assert int(value) == SEQUENCE[name][1]
    named = [name for fields in names for name in fields]
    tools = named.index("use_128x128_superblock")
    assert len(named[tools:]) - len(named[tools + 6 :]) == SEQUENCE["tools"][0]
    assert [*named[:tools], "tools", *named[tools + 6 :]] == [*SEQUENCE]
    colours = next(row for row in rows if "matrix_coefficients" in row[1])
    assert tuple(map(int, colours[2].split(", "))) == av1.COLOUR_DESCRIPTION


def test_numbers_of_patches_in_the_text() -> None:
    text = SPEC.split("\n## Patches\n", 1)[1].split("\n## ", 1)[0]
    assert f"ceil(width / {patches.CELL})" in text
    assert f"number of patches, 1 to {limits.MAX_PATCHES}" in text
    assert f"out = (decoded * ({patching.FADE + 1} - d) + sheet * d + 2) / {patching.FADE + 1}" in text
    assert limits.MAX_SHEET_SIDE % patches.CELL == 0
    assert min(limits.MAX_WEBP_SIDE, limits.MAX_AV1_SIDE) >= limits.MAX_SHEET_SIDE
