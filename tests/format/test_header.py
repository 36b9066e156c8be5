"""The header: its fields, their limits, and files that are no .sdz."""

from __future__ import annotations

import dataclasses
import struct
from typing import TYPE_CHECKING

import pytest
from sample_files import assemble, example, header, sections_of, small

from pillow_sdz import limits
from pillow_sdz.container.colour_spaces import COLOUR_SPACES, GREY_MODES, GREY_SPACES
from pillow_sdz.container.framing import ALPHA, LAYER
from pillow_sdz.container.header import HEADER_BYTES
from pillow_sdz.container.magic import MAGIC
from pillow_sdz.container.sections import Container, build, parse
from pillow_sdz.errors import SdzError, SdzFormatError, SdzLimitError, SdzTruncatedError, SdzVersionError

if TYPE_CHECKING:
    from collections.abc import Callable


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
        denoise_steps=255,
    )
    made = Container(head, [b"x"] * 8, alpha=b"a" if "A" in mode else None)
    assert parse(build(made)).header == head


@pytest.mark.parametrize("number", range(len(COLOUR_SPACES)))
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_colour_spaces_take_no_bytes(mode: str, number: int) -> None:
    space = COLOUR_SPACES[number]
    made = Container(header(mode=mode, colour_space=space), [b"x", b"y"], alpha=b"a" if "A" in mode else None)
    if space in GREY_SPACES and mode not in GREY_MODES:
        with pytest.raises(SdzFormatError, match=f"colour_space: is for grey, and the mode is {mode}"):
            build(made)
        return
    data = build(made)
    assert parse(data).header == made.header
    assert data[10] >> 4 == number
    plain = build(dataclasses.replace(made, header=header(mode=mode)))
    assert (len(data), data[:10], data[10] & 15, data[11:33]) == (len(plain), plain[:10], plain[10], plain[11:33])


@pytest.mark.parametrize("payload", ["direct", "scalar"])
def test_payloads_of_one_layer(payload: str) -> None:
    made = Container(header(mode="L", payload=payload, layer_count=1), [b"x"])
    assert parse(build(made)) == made


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("width", 0, SdzLimitError),
        ("height", 0, SdzLimitError),
        ("width", 65536, SdzLimitError),
        ("mode", "P", SdzFormatError),
        ("colour_space", "CMYK", SdzFormatError),
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
        ("denoise_steps", -1, SdzFormatError),
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
        (9, 4, "flags", SdzVersionError),
        (9, 0x80, "flags", SdzVersionError),
        (10, 4, "mode", SdzVersionError),
        (10, 0x70, "colour_space", SdzVersionError),
        (10, 0xF1, "colour_space", SdzVersionError),
        (10, 0x53, "colour_space", SdzFormatError),
        (10, 0x62, "colour_space", SdzFormatError),
        (11, 0x41, "payload", SdzVersionError),
        (11, 0x32, "layers", SdzFormatError),
        (11, 0x00, "layers", SdzFormatError),
        (11, 0x09, "layers", SdzFormatError),
        (11, 0x12, "layers", SdzFormatError),
        (11, 0x20, "layers", SdzFormatError),
        (11, 0x25, "layers", SdzFormatError),
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
    head = bytearray(build(example())[:HEADER_BYTES])
    head[offset] = value
    with pytest.raises(error) as caught:
        parse(assemble(bytes(head), *sections_of(build(example()))))
    assert caught.value.field == field
    if error is SdzVersionError:
        assert "needs a newer pillow_sdz" in str(caught.value)


def huge(width: int, height: int, factor: int, channels: int) -> bytes:
    head = bytearray(build(example())[:HEADER_BYTES])
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
        (ALPHA, b"\x01\xff"),
        *[(LAYER, body) for body in example().layers],
    )


def test_latent_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SdzLimitError, match="MAX_LATENT_VALUES"):
        parse(huge(16384, 16384, 1, 64))
    monkeypatch.setattr(limits, "MAX_LATENT_VALUES", 7)
    with pytest.raises(SdzLimitError, match="MAX_LATENT_VALUES"):
        build(example())


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
        parse(start)
    assert caught.value.field == "magic"
    assert str(caught.value).startswith("magic: ")


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
