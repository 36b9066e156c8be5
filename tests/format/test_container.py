"""Bytes <-> header and sections: order, number, lengths and checksums of sections."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from sample_files import assemble, example, header, layer_body, sections_of, small

from pillow_sdz import limits
from pillow_sdz.container.framing import ALPHA, LAYER, PREVIEW
from pillow_sdz.container.header import HEADER_BYTES
from pillow_sdz.container.sections import Container, build, parse, parts_of
from pillow_sdz.errors import SdzError, SdzFormatError, SdzLimitError, SdzTruncatedError, SdzVersionError
from pillow_sdz.payloads.protocol import Truncation

if TYPE_CHECKING:
    from collections.abc import Callable

LAYERS = [(LAYER, body) for body in example().layers]
ALPHA_SECTION = (ALPHA, b"\x01\xff")
TEXT_SECTION = (0x85, b"\x00\x00\x00")
HEAD = build(example())[:HEADER_BYTES]


@pytest.mark.parametrize("make", [example, small])
def test_round_trip(make: Callable[[], Container]) -> None:
    data = build(make())
    assert parse(data) == make()
    assert build(parse(data)) == data


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_other_bytes_like_input(kind: type) -> None:
    assert parse(kind(build(example()))) == example()


def test_all_sections_survive() -> None:
    full = example()
    full.metadata |= {"icc": b"\x00icc", "exif": b"\x00exif", "xmp": b"\x00xmp"}
    full.error, full.error_map = b"figures", b"map"
    full.unknown = [(0xFE, b"later"), (0xFF, b"")]
    assert parse(build(full)) == full


def test_overhead_of_a_plain_picture_is_at_most_64_bytes() -> None:
    head = header(mode="RGB", layer_count=1, width=512, height=512, latent_width=64, latent_height=64)
    palette, indices = [[i] * 4 for i in range(256)], bytes(4096)
    made = Container(head, [layer_body(palette, indices)], preview=bytes(15))
    assert len(build(made)) - 1024 - 4096 <= 64


@pytest.mark.parametrize(
    ("sections", "error", "text"),
    [
        (LAYERS, SdzFormatError, "needs an alpha section"),
        ([*LAYERS, ALPHA_SECTION], SdzFormatError, "needs an alpha section"),
        ([ALPHA_SECTION, ALPHA_SECTION, *LAYERS], SdzFormatError, "appears twice"),
        ([ALPHA_SECTION, TEXT_SECTION, TEXT_SECTION, *LAYERS], SdzFormatError, "appears twice"),
        ([ALPHA_SECTION, (0x90, b""), (0x90, b""), *LAYERS], SdzFormatError, "appears twice"),
        ([ALPHA_SECTION, LAYERS[0], TEXT_SECTION, LAYERS[1]], SdzFormatError, "only layers may follow"),
        ([ALPHA_SECTION, *LAYERS, TEXT_SECTION], SdzFormatError, "after the last layer"),
        ([ALPHA_SECTION, *LAYERS, LAYERS[1]], SdzFormatError, "after the last layer"),
        ([ALPHA_SECTION, LAYERS[0]], SdzTruncatedError, "ends too early"),
        ([ALPHA_SECTION], SdzTruncatedError, "ends too early"),
        ([ALPHA_SECTION, (0x03, b""), *LAYERS], SdzVersionError, "needs a newer pillow_sdz"),
        ([ALPHA_SECTION, (0x00, b""), *LAYERS], SdzVersionError, "needs a newer pillow_sdz"),
        ([ALPHA_SECTION, (PREVIEW, bytes(14)), *LAYERS], SdzFormatError, "wrong length"),
    ],
)
def test_order_and_number(sections: list[tuple[int, bytes]], error: type[SdzError], text: str) -> None:
    with pytest.raises(error, match=text):
        parse(assemble(HEAD, *sections))


def test_other_sections_in_any_order() -> None:
    preview = (PREVIEW, bytes(15))
    assert parse(assemble(HEAD, TEXT_SECTION, preview, ALPHA_SECTION, *LAYERS)) == parse(
        assemble(HEAD, ALPHA_SECTION, preview, TEXT_SECTION, *LAYERS)
    )


def test_alpha_without_a_mode_that_has_it() -> None:
    head = bytearray(HEAD)
    head[10] = 2
    with pytest.raises(SdzFormatError, match="mode RGB has no alpha"):
        parse(assemble(bytes(head), ALPHA_SECTION, *LAYERS))


def test_a_named_colour_space_and_a_profile_contradict_each_other() -> None:
    head = bytearray(HEAD)
    head[10] |= 0x10
    profile = (0x82, b"\x00icc")
    assert parse(assemble(HEAD, ALPHA_SECTION, profile, *LAYERS)).metadata == {"icc": b"\x00icc"}
    assert parse(assemble(bytes(head), ALPHA_SECTION, *LAYERS)).header.colour_space == "sRGB"
    with pytest.raises(SdzFormatError, match=r"icc section: contradicts the header.*expected sRGB"):
        parse(assemble(bytes(head), ALPHA_SECTION, profile, *LAYERS))
    both = dataclasses.replace(example(), header=header(colour_space="sRGB"), metadata={"icc": b"\x00icc"})
    with pytest.raises(SdzFormatError, match="contradicts the header"):
        build(both)


@pytest.mark.parametrize("make", [example, small])
def test_parts_add_up_to_the_file(make: Callable[[], Container]) -> None:
    made = make()
    made.metadata["xmp"] = bytes(200)
    made.unknown = [(0xFE, bytes(20_000))]
    parts = parts_of(made)
    assert sum(size for _, size in parts) == len(build(made))
    assert parts[0] == ("header", HEADER_BYTES)
    assert [name for name, _ in parts[-3:]] == ["unknown (0xfe)", "layer", "layer"]
    assert dict(parts)["xmp"] == 1 + 2 + 200 + 4


def test_unknown_ancillary_sections_are_kept_out_of_the_way() -> None:
    parsed = parse(assemble(HEAD, (0x99, b"abc"), ALPHA_SECTION, (0xFF, b""), *LAYERS))
    assert parsed.unknown == [(0x99, b"abc"), (0xFF, b"")]
    assert parsed.layers == example().layers


def test_bytes_after_the_end() -> None:
    with pytest.raises(SdzFormatError, match="after the last layer"):
        parse(build(example()) + b"\0")


def test_a_section_of_another_file_is_noticed() -> None:
    mine, other = build(example()), example()
    other.layers[0] = layer_body([[11, 20, 30, 40], [250, 180, 170, 160]], b"\x40")
    theirs = build(other)
    tail = len(build(example())) - mine.rindex(LAYERS[1][1]) + 2
    with pytest.raises(SdzFormatError, match="checksum"):
        parse(theirs[:-tail] + mine[-tail:])
    assert parse(theirs[:-tail] + theirs[-tail:])


def raw_sections(data: bytes) -> list[bytes]:
    """The sections as they lie in the file, checksums included."""
    pieces, offset = [], HEADER_BYTES
    for _, body in sections_of(data):
        size = 2 + len(body) + 4  # all lengths of the example take one byte
        pieces.append(data[offset : offset + size])
        offset += size
    return pieces


def test_lost_and_swapped_sections_are_noticed() -> None:
    data = build(example())
    alpha, preview, text, first, second = raw_sections(data)
    assert data == HEAD + alpha + preview + text + first + second
    for pieces in (
        [alpha, text, first, second],
        [preview, alpha, text, first, second],
        [alpha, preview, text, second, first],
        [alpha, preview, text, first, first],
    ):
        with pytest.raises(SdzFormatError, match="checksum"):
            parse(HEAD + b"".join(pieces))


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (b"\x82\x00", "shortest form"),
        (b"\x82\x80\x80\x00", "shortest form"),
        (b"\x82\x80\x80\x80\x00", "too many bytes"),
        (b"\xff" * 60, "too many bytes"),
        (b"\x80\x00", "shortest form"),
    ],
)
def test_lengths_have_one_form(length: bytes, text: str) -> None:
    data = build(example())
    assert data[HEADER_BYTES : HEADER_BYTES + 2] == bytes([ALPHA, 2])
    with pytest.raises(SdzFormatError, match=text):
        parse(data[: HEADER_BYTES + 1] + length + data[HEADER_BYTES + 2 :])


def test_length_beyond_the_file() -> None:
    with pytest.raises(SdzTruncatedError, match="within this section"):
        parse(HEAD + b"\x02\xff\xff\xff\x7f" + bytes(100))


def test_building_refuses_contradictions() -> None:
    for change, text in (
        ({"layers": []}, "another number"),
        ({"truncation": Truncation(1)}, "another number"),
        ({"alpha": None}, "needs an alpha"),
        ({"preview": b"x"}, "wrong length"),
        ({"unknown": [(0x90, b""), (0x90, b"")]}, "appears twice"),
        ({"unknown": [(0x82, b"")]}, "not an unknown type"),
        ({"unknown": [(0x01, b"")]}, "not an unknown type"),
    ):
        with pytest.raises(SdzFormatError, match=text):
            build(dataclasses.replace(example(), **change))


def test_building_refuses_a_section_that_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_SECTION_BYTES", 14)
    with pytest.raises(SdzLimitError, match="too long"):
        build(example())
