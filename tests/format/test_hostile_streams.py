"""Hostile pictures in the codings of AVIF and WebP: refused by their headers, before Pillow or any memory is asked."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hostile_streams import av1_stream, flipped, frame, obu, pixels_of, real, sequence_header
from pixel_samples import HEIGHT, WIDTH, pixels_header

from pillow_sdz import limits
from pillow_sdz.codec.file import read
from pillow_sdz.container.sections import Container, build
from pillow_sdz.errors import SdzError, SdzFormatError, SdzLimitError, SdzTruncatedError, SdzVersionError
from pillow_sdz.payloads.pixels import av1, streams

if TYPE_CHECKING:
    from collections.abc import Callable

AV1, VP8, VP8L = 0, 1, 2
MEGABYTE = 1 << 20


def refused(data: bytes, error: type[SdzError], match: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is refused when it is read: no pixels are decoded, and next to no memory is taken."""
    monkeypatch.setattr(streams, "_plugin", lambda _: pytest.fail("Pillow was called"))
    tracemalloc.start()
    try:
        with pytest.raises(error, match=match):
            read(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MEGABYTE + 4 * len(data)


def test_the_headers_made_here_are_those_of_real_streams() -> None:
    made, real_one = (read(pixels_of(stream, AV1)).codes() for stream in (av1_stream(), real(AV1)))
    assert made.shape == (HEIGHT, WIDTH, 3)
    assert (made == real_one).all()


def test_a_header_without_colour_description_is_read() -> None:
    """The boxes have one: the matrix is the same."""
    none = dict.fromkeys(("color_primaries", "transfer_characteristics", "matrix_coefficients"), (0, 0))
    stream = av1_stream(color_description_present_flag=(1, 0), **none)
    assert (read(pixels_of(stream, AV1)).codes() == read(pixels_of(av1_stream(), AV1)).codes()).all()


AV1_HEADERS = {
    "another profile": ({"seq_profile": (3, 2)}, SdzVersionError, "seq_profile"),
    "a reserved profile": ({"seq_profile": (3, 7)}, SdzVersionError, "seq_profile"),
    "moving pictures": ({"still_picture": (1, 0)}, SdzFormatError, "still_picture"),
    "the full header": ({"reduced_still_picture_header": (1, 0)}, SdzFormatError, "reduced_still_picture_header"),
    "ten bits": ({"high_bitdepth": (1, 1)}, SdzVersionError, "bit depth"),
    "identity matrix": ({"matrix_coefficients": (8, 0)}, SdzFormatError, "colour description"),
    "PQ": ({"transfer_characteristics": (8, 16)}, SdzFormatError, "colour description"),
    "limited range": ({"color_range": (1, 0)}, SdzFormatError, "color_range"),
    "film grain": ({"film_grain_params_present": (1, 1)}, SdzFormatError, "film_grain_params_present"),
    "another width": ({"max_frame_width_minus_1": (7, WIDTH)}, SdzFormatError, r"another size .found 71 x 53"),
    "another height": ({"max_frame_height_minus_1": (6, 0)}, SdzFormatError, r"another size .found 70 x 1,"),
    "65536 x 65536": (
        {
            "frame_width_bits_minus_1": (4, 15), "frame_height_bits_minus_1": (4, 15),
            "max_frame_width_minus_1": (16, 65535), "max_frame_height_minus_1": (16, 65535),
        },
        SdzFormatError, r"another size .found 65536 x 65536, expected 70 x 53",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", AV1_HEADERS)
def test_sequence_headers(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    changes, error, match = AV1_HEADERS[name]
    refused(pixels_of(av1_stream(**changes), AV1), error, f"layer 1.*{match}", monkeypatch)


def test_a_header_that_claims_65536_is_beyond_any_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """The header of the file cannot hold it; the largest square that it can hold is beyond MAX_PIXELS."""
    side = 65535
    sizes = {
        "frame_width_bits_minus_1": (4, 15), "frame_height_bits_minus_1": (4, 15),
        "max_frame_width_minus_1": (16, side - 1), "max_frame_height_minus_1": (16, side - 1),
    }  # fmt: skip
    small = pixels_of(av1_stream(**sizes), AV1)
    head = small[:12] + side.to_bytes(2, "little") * 2 + small[16:18] + side.to_bytes(2, "little") * 2 + small[22:]
    refused(head, SdzLimitError, "the picture is too large", monkeypatch)


def test_a_side_that_no_decoder_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    width = limits.MAX_AV1_SIDE + 1
    stream = av1_stream(
        frame_width_bits_minus_1=(4, 15), max_frame_width_minus_1=(16, width - 1), max_frame_height_minus_1=(6, 0)
    )
    refused(pixels_of(stream, AV1, width, 1), SdzLimitError, "the coded picture is too large", monkeypatch)


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: obu(2, b"") + av1_stream(), SdzFormatError, r"other units .found OBUs of types \[2, 1, 6\]"),
        (lambda: av1_stream() + obu(6, frame()), SdzFormatError, r"other units .found OBUs of types \[1, 6, 6\]"),
        (lambda: obu(1, sequence_header()) + av1_stream(), SdzFormatError, r"found OBUs of types \[1, 1, 6\]"),
        (lambda: obu(1, sequence_header()) + obu(3, frame()), SdzFormatError, r"found OBUs of types \[1, 3\]"),
        (lambda: av1_stream() + obu(5, b"metadata"), SdzFormatError, r"found OBUs of types \[1, 6, 5\]"),
        (lambda: av1_stream() + obu(15, b""), SdzFormatError, r"found OBUs of types \[1, 6, 15\]"),
        (lambda: obu(6, frame()), SdzFormatError, r"found OBUs of types \[6\]"),
        (lambda: obu(1, sequence_header()), SdzFormatError, r"found OBUs of types \[1\]"),
        (lambda: b"", SdzFormatError, r"found OBUs of types \[\]"),
        (lambda: obu(1, sequence_header()) + obu(6, b""), SdzTruncatedError, "the frame is empty"),
        (lambda: obu(1, bytes(17)) + obu(6, frame()), SdzFormatError, "is too long .found 17 bytes"),
        (lambda: obu(1, sequence_header()[:5]) + obu(6, frame()), SdzTruncatedError, "the data ends too early"),
        (lambda: obu(1, sequence_header() + b"\0") + obu(6, frame()), SdzFormatError, "trailing bits"),
        (lambda: av1_stream() + b"\0", SdzFormatError, "OBU header that is not allowed .found 0x00"),
        (lambda: av1_stream() + b"garbage", SdzFormatError, "OBU header that is not allowed"),
        (lambda: obu(1, sequence_header(), head=0b110) + obu(6, frame()), SdzFormatError, "found 0x0e at byte 0"),
        (lambda: obu(1, sequence_header(), head=0b011) + obu(6, frame()), SdzFormatError, "found 0x0b at byte 0"),
        (lambda: obu(17, sequence_header()) + obu(6, frame()), SdzFormatError, "found 0x8a at byte 0"),
        (lambda: obu(1, sequence_header(), head=0b000) + obu(6, frame()), SdzFormatError, "found 0x08 at byte 0"),
        (lambda: av1_stream()[:-1], SdzTruncatedError, "ends within an OBU"),
        (lambda: av1_stream()[:-100], SdzTruncatedError, "ends within an OBU"),
        (lambda: b"\x0a\x8d\x00" + sequence_header(), SdzFormatError, "not in its shortest form"),
        (lambda: b"\x0a\xff\xff\xff\xff\xff\xff\xff\x7f", SdzFormatError, "written in too many bytes"),
        (lambda: b"\x0a\xff\xff", SdzTruncatedError, "the data ends too early"),
        (lambda: b"\x0a\xff\xff\xff\x7f" + sequence_header(), SdzTruncatedError, "ends within an OBU"),
    ],
)
def test_units(make: Callable[[], bytes], error: type[SdzError], match: str, monkeypatch: pytest.MonkeyPatch) -> None:
    refused(pixels_of(make(), AV1), error, f"layer 1.*{match}", monkeypatch)


@pytest.mark.parametrize(
    ("coding", "at", "mask", "error", "match"),
    [
        (VP8, 0, 0x01, SdzFormatError, "key frame"),
        (VP8, 0, 0x08, SdzVersionError, "version"),
        (VP8, 0, 0x10, SdzFormatError, "show_frame"),
        (VP8, 2, 0x40, SdzTruncatedError, "the data ends too early"),
        (VP8, 4, 0x01, SdzFormatError, "start code"),
        (VP8, 6, 0x01, SdzFormatError, r"another size .found 71 x 53"),
        (VP8, 7, 0x40, SdzFormatError, "horizontal scale"),
        (VP8, 9, 0x80, SdzFormatError, "vertical scale"),
        (VP8, 9, 0x20, SdzFormatError, r"another size .found 70 x 8245"),
        (VP8L, 0, 0x10, SdzFormatError, "signature"),
        (VP8L, 1, 0x01, SdzFormatError, r"another size .found 69 x 53"),
        (VP8L, 4, 0x08, SdzFormatError, r"another size .found 70 x 8245"),
        (VP8L, 4, 0x10, SdzFormatError, "alpha_is_used"),
        (VP8L, 4, 0x20, SdzVersionError, "version"),
        (VP8L, 4, 0x80, SdzVersionError, "version"),
    ],
)
def test_headers_of_webp(
    coding: int, at: int, mask: int, error: type[SdzError], match: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = pixels_of(flipped(real(coding), at, mask), coding)
    refused(data, error, f"layer 1.*{match}", monkeypatch)


@pytest.mark.parametrize(
    ("coding", "length"), [(VP8, 0), (VP8, 5), (VP8, 9), (VP8, 40), (VP8L, 0), (VP8L, 4), (VP8L, 5)]
)
def test_short_webp(coding: int, length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    refused(pixels_of(real(coding)[:length], coding), SdzTruncatedError, "layer 1", monkeypatch)


@pytest.mark.parametrize("coding", [3, 7, 255])
def test_reserved_codings(coding: int, monkeypatch: pytest.MonkeyPatch) -> None:
    refused(pixels_of(real(AV1), coding), SdzVersionError, "layer 1, coding: the file needs a newer", monkeypatch)


def test_an_empty_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    data = build(Container(pixels_header(WIDTH, HEIGHT), [b""]))
    refused(data, SdzTruncatedError, "layer 1: the data ends too early", monkeypatch)


@pytest.mark.parametrize("coding", [AV1, VP8, VP8L])
def test_another_coding_than_the_streams(coding: int, monkeypatch: pytest.MonkeyPatch) -> None:
    refused(pixels_of(real(coding), (coding + 1) % 3), SdzError, "layer 1", monkeypatch)


@pytest.mark.parametrize("coding", [AV1, VP8, VP8L])
def test_every_flipped_bit_and_every_cut_is_refused(coding: int) -> None:
    data = pixels_of(real(coding), coding)
    for at in range(len(data)):
        with pytest.raises(SdzError):
            read(data[:at])
        with pytest.raises(SdzError):
            read(flipped(data, at, 1 << at % 8))


@pytest.mark.parametrize("coding", [AV1, VP8, VP8L])
def test_damage_within_a_stream_never_escapes(coding: int) -> None:
    """Behind valid headers and checksums: another picture of the same size, or an SdzError."""
    stream = real(coding)
    for at in range(0, len(stream), 5):
        for mask in (0x01, 0x80, 0xFF):
            try:
                pixels = read(pixels_of(flipped(stream, at, mask), coding)).codes()
            except SdzError as error:
                assert error.field  # noqa: PT017
            else:
                assert pixels.shape == (HEIGHT, WIDTH, 3)


def test_a_decoder_that_gives_another_size_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that follows a frame size that overrides the sequence's: the size is checked again after decoding."""
    file = read(pixels_of(real(AV1), AV1))
    other = streams.encode(file.codes()[:-8, 1:], "av1", 60)
    wrong = av1.avif_of(other, av1.parse_stream(other, ""))
    monkeypatch.setattr(av1, "avif_of", lambda *_: wrong)
    with pytest.raises(SdzFormatError, match=r"^layer 1: the picture is another one .*found 69 x 45, RGB, 1 frames"):
        file.codes()
