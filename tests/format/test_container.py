"""Bytes <-> header and sections."""

import dataclasses
import struct
from collections.abc import Callable

import pytest
from sample_files import assemble, example, header, layer_body, sections_of, small

from pillow_sdz import limits
from pillow_sdz.container import sections as container
from pillow_sdz.container.header import HEADER_BYTES
from pillow_sdz.container.sections import MAGIC, Container, build, parse
from pillow_sdz.errors import SdzError, SdzFormatError, SdzLimitError, SdzTruncatedError, SdzVersionError


def head_of(kind: Container) -> bytes:
    return build(kind)[:HEADER_BYTES]


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
    full.icc, full.exif, full.xmp = b"\x00icc", b"\x00exif", b"\x00xmp"
    full.unknown = [(0xFE, b"later"), (0xFF, b"")]
    assert parse(build(full)) == full


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
@pytest.mark.parametrize("synthesised", [True, False])
def test_header_values_survive(mode: str, synthesised: bool) -> None:
    head = header(
        mode=mode,
        synthesised=synthesised,
        layer_count=8,
        width=65535,
        height=1,
        factor=64,
        channels=64,
        latent_width=1024,
        latent_height=1,
        noise=255,
        steps=255,
    )
    made = Container(head, [b"x"] * 8, alpha=b"a" if "A" in mode else None)
    assert parse(build(made)).header == head


@pytest.mark.parametrize("payload", ["direct", "scalar"])
def test_payloads_of_one_layer(payload: str) -> None:
    made = Container(header(mode="L", payload=payload, layer_count=1), [b"x"])
    assert parse(build(made)) == made


def test_overhead_of_a_plain_picture_is_at_most_64_bytes() -> None:
    head = header(mode="RGB", layer_count=1, width=512, height=512, latent_width=64, latent_height=64)
    palette, indices = [[i] * 4 for i in range(256)], bytes(4096)
    made = Container(head, [layer_body(palette, indices)], preview=bytes(15))
    assert len(build(made)) - 1024 - 4096 <= 64


# Headers -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("width", 0, SdzLimitError),
        ("height", 0, SdzLimitError),
        ("width", 65536, SdzLimitError),
        ("mode", "P", SdzFormatError),
        ("payload", "fractal", SdzFormatError),
        ("layer_count", 0, SdzFormatError),
        ("layer_count", 9, SdzFormatError),
        ("factor", 0, SdzFormatError),
        ("factor", 3, SdzFormatError),
        ("factor", 128, SdzFormatError),
        ("channels", 0, SdzFormatError),
        ("channels", 65, SdzFormatError),
        ("latent_width", 1, SdzFormatError),
        ("latent_width", 3, SdzFormatError),
        ("latent_height", 0, SdzFormatError),
        ("quantiser", 1, SdzVersionError),
        ("noise", 256, SdzFormatError),
        ("steps", -1, SdzFormatError),
        ("fingerprint", b"short", SdzFormatError),
        ("version", 1, SdzVersionError),
    ],
)
def test_building_checks_the_header(field: str, value: object, error: type[SdzError]) -> None:
    made = dataclasses.replace(example(), header=header(**{field: value}))
    with pytest.raises(error) as caught:
        build(made)
    assert caught.value.field is not None
    assert field.replace("layer_count", "layers") in caught.value.field


@pytest.mark.parametrize(
    ("offset", "value", "field", "error"),
    [
        (8, 1, "version", SdzVersionError),
        (9, 2, "flags", SdzVersionError),
        (9, 0x80, "flags", SdzVersionError),
        (10, 4, "mode", SdzVersionError),
        (11, 0x31, "payload", SdzVersionError),
        (11, 0x00, "layers", SdzFormatError),
        (11, 0x09, "layers", SdzFormatError),
        (11, 0x12, "layers", SdzFormatError),
        (11, 0x20, "layers", SdzFormatError),
        (11, 0x22, "layers", SdzFormatError),
        (12, 0, "width", SdzLimitError),
        (14, 0, "height", SdzLimitError),
        (16, 7, "factor", SdzFormatError),
        (17, 0, "channels", SdzFormatError),
        (18, 3, "latent_width", SdzFormatError),
        (20, 0, "latent_height", SdzFormatError),
        (22, 1, "quantiser", SdzVersionError),
    ],
)
def test_parsing_checks_the_header(offset: int, value: int, field: str, error: type[SdzError]) -> None:
    head = bytearray(head_of(example()))
    head[offset] = value
    with pytest.raises(error) as caught:
        parse(assemble(bytes(head), *sections_of(build(example()))), file="bad.sdz")
    assert caught.value.field == field
    assert caught.value.file == "bad.sdz"
    if error is SdzVersionError:
        assert "needs a newer pillow_sdz" in str(caught.value)


def huge(width: int, height: int, factor: int, channels: int) -> bytes:
    head = bytearray(head_of(example()))
    head[12:16] = struct.pack("<HH", width, height)
    head[16:18] = bytes([factor, channels])
    head[18:22] = struct.pack("<HH", -(-width // factor), -(-height // factor))
    return bytes(head)


def test_pixel_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SdzLimitError, match="MAX_PIXELS"):
        parse(huge(65535, 65535, 64, 4))
    with pytest.raises(SdzTruncatedError):  # that is, past the limits
        parse(huge(16384, 16384, 64, 4))
    monkeypatch.setattr(limits, "MAX_PIXELS", 127)
    with pytest.raises(SdzLimitError, match="MAX_PIXELS"):
        parse(build_unlimited())
    monkeypatch.setattr(limits, "MAX_PIXELS", 128)
    assert parse(build_unlimited())


def build_unlimited() -> bytes:
    head = huge(16, 8, 8, 4)
    return assemble(
        head,
        (container.ALPHA, b"\x01\xff"),
        *[(container.LAYER, body) for body in example().layers],
    )


def test_latent_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SdzLimitError, match="MAX_LATENT_VALUES"):
        parse(huge(16384, 16384, 1, 64))
    monkeypatch.setattr(limits, "MAX_LATENT_VALUES", 7)
    with pytest.raises(SdzLimitError, match="MAX_LATENT_VALUES"):
        build(example())


# What is not an .sdz file -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "text"),
    [
        (b"", "is empty"),
        (MAGIC[:1], "ends within the magic"),
        (MAGIC[:7], "ends within the magic"),
        (b"PK\x03\x04" + bytes(100), "a ZIP archive, perhaps a Spring RTS map"),
        (b"\x09SDZ\r\n\x1a\n", "text-mode"),  # high bit stripped
        (b"\x89SDZ\n\x1a\n", "text-mode"),  # CR LF -> LF
        (b"\x89SDZ\r\r\n\x1a\r\n", "text-mode"),  # LF -> CR LF
        (b"\x89SDZ\r\r\x1a\r", "text-mode"),  # LF -> CR
        (b"\xef\xbf\xbdSDZ\r\n\x1a\n", "text-mode"),  # decoded and encoded as UTF-8
        (b"\xc2\x89SDZ\r\n\x1a\n", "text-mode"),  # Latin-1 -> UTF-8
        (b"?SDZ\r\n\x1a\n", "text-mode"),  # to ASCII
        (b"\x89PNG\r\n\x1a\n", "not an .sdz file"),
        (b"RIFF" + bytes(100), "not an .sdz file"),
        (bytes(8), "not an .sdz file"),
    ],
)
def test_other_files(start: bytes, text: str) -> None:
    with pytest.raises(SdzFormatError, match=text) as caught:
        parse(start, file="x.sdz")
    assert caught.value.field == "magic"
    assert str(caught.value).startswith("x.sdz: magic: ")


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data.replace(b"\r\n", b"\n"),
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: bytes(value & 0x7F for value in data),
        lambda data: data.decode("latin-1").encode(),
        lambda data: data.decode("utf-8", "replace").encode(),
        lambda data: data.decode("ascii", "replace").encode("ascii", "replace"),
    ],
)
def test_text_mode_damage_of_a_whole_file(damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(SdzFormatError, match="text-mode"):
        parse(damage(build(small())))


# Sections -----------------------------------------------------------------------------------------------------------

LAYERS = [(container.LAYER, body) for body in example().layers]
ALPHA = (container.ALPHA, b"\x01\xff")
TEXT = (container.TEXT, b"\x00\x00\x00")
HEAD = head_of(example())


@pytest.mark.parametrize(
    ("sections", "error", "text"),
    [
        (LAYERS, SdzFormatError, "needs an alpha section"),
        ([*LAYERS, ALPHA], SdzFormatError, "needs an alpha section"),
        ([ALPHA, ALPHA, *LAYERS], SdzFormatError, "appears twice"),
        ([ALPHA, TEXT, TEXT, *LAYERS], SdzFormatError, "appears twice"),
        ([ALPHA, (0x90, b""), (0x90, b""), *LAYERS], SdzFormatError, "appears twice"),
        ([ALPHA, LAYERS[0], TEXT, LAYERS[1]], SdzFormatError, "only layers may follow"),
        ([ALPHA, *LAYERS, TEXT], SdzFormatError, "after the last layer"),
        ([ALPHA, *LAYERS, LAYERS[1]], SdzFormatError, "after the last layer"),
        ([ALPHA, LAYERS[0]], SdzTruncatedError, "ends too early"),
        ([ALPHA], SdzTruncatedError, "ends too early"),
        ([ALPHA, (0x03, b""), *LAYERS], SdzVersionError, "needs a newer pillow_sdz"),
        ([ALPHA, (0x00, b""), *LAYERS], SdzVersionError, "needs a newer pillow_sdz"),
        ([ALPHA, (container.PREVIEW, bytes(14)), *LAYERS], SdzFormatError, "wrong length"),
    ],
)
def test_order_and_number(sections: list[tuple[int, bytes]], error: type[SdzError], text: str) -> None:
    with pytest.raises(error, match=text) as caught:
        parse(assemble(HEAD, *sections), file="bad.sdz")
    assert caught.value.file == "bad.sdz"


def test_other_sections_in_any_order() -> None:
    preview = (container.PREVIEW, bytes(15))
    assert parse(assemble(HEAD, TEXT, preview, ALPHA, *LAYERS)) == parse(assemble(HEAD, ALPHA, preview, TEXT, *LAYERS))


def test_alpha_without_a_mode_that_has_it() -> None:
    head = bytearray(HEAD)
    head[10] = 2
    with pytest.raises(SdzFormatError, match="mode RGB has no alpha"):
        parse(assemble(bytes(head), ALPHA, *LAYERS))


def test_unknown_ancillary_sections_are_kept_out_of_the_way() -> None:
    parsed = parse(assemble(HEAD, (0x99, b"abc"), ALPHA, (0xFF, b""), *LAYERS))
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
    assert data[HEADER_BYTES : HEADER_BYTES + 2] == bytes([container.ALPHA, 2])
    with pytest.raises(SdzFormatError, match=text):
        parse(data[: HEADER_BYTES + 1] + length + data[HEADER_BYTES + 2 :])


def test_length_beyond_the_file() -> None:
    with pytest.raises(SdzTruncatedError, match="within this section"):
        parse(HEAD + b"\x02\xff\xff\xff\x7f" + bytes(100))


def test_building_refuses_contradictions() -> None:
    for change, text in (
        ({"layers": []}, "another number"),
        ({"missing_layers": 1}, "another number"),
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


# Truncated files ----------------------------------------------------------------------------------------------------


def test_truncated_files_keep_their_whole_layers() -> None:
    data = build(example())
    first_layer_ends = data.index(LAYERS[0][1]) + len(LAYERS[0][1]) + 4
    for end in range(len(data)):
        if end < first_layer_ends:
            with pytest.raises(SdzFormatError):
                parse(data[:end], allow_truncated=True)
        else:
            parsed = parse(data[:end], allow_truncated=True)
            assert parsed == dataclasses.replace(example(), layers=example().layers[:1], missing_layers=1)
            with pytest.raises(SdzFormatError, match=r"1 of 2 layers arrived.*LOAD_TRUNCATED_IMAGES"):
                parse(data[:end])
    assert parse(data, allow_truncated=True) == example()


def test_truncated_mode_also_drops_damaged_layers_but_nothing_else() -> None:
    data = build(example())
    damaged = bytearray(data)
    damaged[-6] ^= 1
    assert parse(bytes(damaged), allow_truncated=True).missing_layers == 1
    for offset in range(HEADER_BYTES, data.index(LAYERS[0][1]) + len(LAYERS[0][1])):
        damaged = bytearray(data)
        damaged[offset] ^= 1
        with pytest.raises(SdzError):
            parse(bytes(damaged), allow_truncated=True)
    with pytest.raises(SdzFormatError, match="after the last layer"):
        parse(data + b"x", allow_truncated=True)
    with pytest.raises(SdzFormatError, match="only layers"):
        parse(assemble(HEAD, ALPHA, LAYERS[0], TEXT), allow_truncated=True)
