"""Hostile patches sections: refused when the file is read, before a sheet is decoded or memory is taken for one."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import pytest
from hostile_streams import av1_stream
from pixel_samples import HEIGHT, RECTANGLES, WIDTH, letters, patched, pixels_file, with_patches
from sample_files import assemble, sections_of

from pillow_sdz import limits
from pillow_sdz.codec.file import read
from pillow_sdz.codec.patching import blend, cut_sheet, encode_patches
from pillow_sdz.coding.boxes import build_box
from pillow_sdz.container.framing import LAYER, PATCHES
from pillow_sdz.container.header import HEADER_BYTES
from pillow_sdz.container.patches import PATCH, PATCHES_HEAD, Rectangle
from pillow_sdz.container.sections import build, parse
from pillow_sdz.errors import SdzError, SdzFormatError, SdzLimitError, SdzTruncatedError, SdzVersionError
from pillow_sdz.payloads.pixels import streams

Box = tuple[int, int, int, int]
MEGABYTE = 1 << 20
SHEET_WIDTH = 5


def sheet() -> bytes:
    """The stream of the sheet of `RECTANGLES` that is five cells wide."""
    return streams.encode(cut_sheet(letters(), RECTANGLES, SHEET_WIDTH), "vp8l", 60)


def body(
    *rectangles: Box,
    sheet_width: int = SHEET_WIDTH,
    coding: int = 2,
    count: int | None = None,
    stream: bytes | None = None,
) -> bytes:
    """A section with any numbers in it."""
    head = build_box(
        PATCHES_HEAD, coding=coding, sheet_width=sheet_width, count=len(rectangles) if count is None else count
    )
    boxes = (build_box(PATCH, x=x, y=y, width=width, height=height) for x, y, width, height in rectangles)
    return head + b"".join(boxes) + (sheet() if stream is None else stream)


GOOD = tuple((each.x, each.y, each.width, each.height) for each in RECTANGLES)


def refused(section: bytes, error: type[SdzError], match: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file with this section is refused when it is read, whoever reads it."""
    data = with_patches(section)
    with monkeypatch.context() as patch:
        patch.setattr(streams, "_plugin", lambda _: pytest.fail("Pillow was called"))
        tracemalloc.start()
        try:
            for allow_truncated in (False, True):
                with pytest.raises(error, match=match):
                    read(data, allow_truncated=allow_truncated)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 2 * MEGABYTE + 4 * len(data)


def test_the_section_made_here_is_read() -> None:
    assert read(with_patches(body(*GOOD))).patches is not None


@pytest.mark.parametrize(
    "rectangle",
    [(8, 0, 2, 1), (0, 6, 1, 2), (9, 0, 1, 1), (0, 7, 1, 1), (2**27, 0, 1, 1), (0, 0, 1, 2**27), (0, 0, 10, 1)],
)
def test_a_rectangle_outside_the_picture(rectangle: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    section = body(rectangle, sheet_width=rectangle[2])
    refused(section, SdzFormatError, "patch 1: reaches beyond the picture .*expected within 9 x 7 cells", monkeypatch)


@pytest.mark.parametrize("second", [(1, 1, 3, 2), (3, 2, 1, 1), (0, 0, 9, 7), (2, 0, 1, 7), (0, 2, 9, 1)])
def test_overlapping_rectangles(second: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    section = body(GOOD[0], second, sheet_width=9)
    refused(section, SdzFormatError, "patch 2: overlaps with another .found patch 1", monkeypatch)


def test_rectangles_that_touch_do_not_overlap() -> None:
    rgb = letters()
    around = [Rectangle(x, y, 1, 1) for x, y in ((1, 1), (0, 1), (2, 1), (1, 0), (0, 0))]
    assert read(with_patches(encode_patches(rgb, around, "vp8l", 60))).patches is not None


def test_more_than_the_most_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    section = body(GOOD[0], count=limits.MAX_PATCHES + 1)
    refused(section, SdzLimitError, "patches, count: is out of range .found 1025, expected 1 to 1024", monkeypatch)


def test_hundreds_of_millions_of_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    refused(body(GOOD[0], count=2**28 - 1), SdzLimitError, "patches, count: is out of range", monkeypatch)


def test_no_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    refused(body(), SdzFormatError, "patches, count: is out of range .found 0, expected 1 to 1024", monkeypatch)


@pytest.mark.parametrize("rectangle", [(0, 0, 0, 1), (0, 0, 1, 0)])
def test_an_empty_side(rectangle: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    refused(body(rectangle), SdzFormatError, "patch 1: has an empty side", monkeypatch)


def test_a_patch_wider_than_the_sheet(monkeypatch: pytest.MonkeyPatch) -> None:
    section = body(*GOOD, sheet_width=2)
    refused(section, SdzFormatError, "sheet_width: is narrower than a patch .found 2, expected at least 3", monkeypatch)


def test_a_sheet_without_width(monkeypatch: pytest.MonkeyPatch) -> None:
    refused(body(*GOOD, sheet_width=0), SdzFormatError, "sheet_width: is narrower than a patch", monkeypatch)


@pytest.mark.parametrize("sheet_width", [4, 6])
def test_a_sheet_of_another_size_than_its_stream(sheet_width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    refused(body(*GOOD, sheet_width=sheet_width), SdzFormatError, "the coded picture has another size", monkeypatch)


def test_a_sheet_that_is_mostly_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    section = body((0, 0, 1, 1), sheet_width=67)
    refused(section, SdzLimitError, "too large for its patches .found 67 cells, expected at most 66", monkeypatch)


def test_a_high_sheet_that_is_mostly_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    section = body((0, 0, 1, 7), sheet_width=12)
    refused(section, SdzLimitError, "too large for its patches .found 84 cells, expected at most 78", monkeypatch)


def test_a_sheet_wider_than_any_coding_can_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    section = body(*GOOD, sheet_width=2048)
    refused(section, SdzLimitError, "the sheet is too large .found 16384 x 32, expected sides of at most", monkeypatch)


def test_a_sheet_stream_that_claims_65536(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = av1_stream(
        frame_width_bits_minus_1=(4, 15), frame_height_bits_minus_1=(4, 15), max_frame_width_minus_1=(16, 65535),
        max_frame_height_minus_1=(16, 65535),
    )  # fmt: skip
    section = body(*GOOD, coding=0, stream=stream)
    refused(section, SdzFormatError, "patches: the coded picture has another size .found 65536 x 65536", monkeypatch)


def test_a_reserved_coding(monkeypatch: pytest.MonkeyPatch) -> None:
    refused(body(*GOOD, coding=3), SdzVersionError, "patches, coding: the file needs a newer", monkeypatch)


def test_no_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    refused(body(*GOOD, stream=b""), SdzTruncatedError, "patches: the data ends too early", monkeypatch)


@pytest.mark.parametrize("length", range(14))
def test_a_section_that_ends_among_its_rectangles(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    refused(body(*GOOD, stream=b"")[:length], SdzTruncatedError, "patch", monkeypatch)


def test_numbers_in_too_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    refused(b"\x02\x05\x83\x00" + body(*GOOD)[3:], SdzFormatError, "not in its shortest form", monkeypatch)
    refused(b"\x02\x05\x01" + b"\xff" * 40, SdzFormatError, "too many bytes", monkeypatch)


def test_flags_without_a_section() -> None:
    container = patched()
    whole = build(container)
    assert container.patches is not None
    without = whole[: len(whole) - len(container.patches) - 4 - 3]
    with pytest.raises(SdzTruncatedError, match=r"the data ends too early.*all layers arrived"):
        parse(without)
    assert parse(without, allow_truncated=True).lacks_patches


def forged(flags: int, *sections: tuple[int, bytes]) -> bytes:
    head = bytearray(build(patched())[:HEADER_BYTES])
    head[9] = flags
    return assemble(bytes(head), *sections)


def test_a_section_without_its_flag() -> None:
    sections = sections_of(build(patched()))
    with pytest.raises(SdzFormatError, match="end of file: there are bytes after the last layer"):
        parse(forged(1, *sections))
    with pytest.raises(SdzFormatError, match="patches section: is not announced by the flags of the header"):
        parse(forged(1, sections[-1], *sections[:-1]))
    with pytest.raises(SdzFormatError, match="patches: contradicts the header"):
        build(replace(patched(), header=replace(patched().header, patched=False)))
    with pytest.raises(SdzFormatError, match="patches: contradicts the header"):
        build(replace(patched(), patches=None))


def test_patches_before_the_layers() -> None:
    sections = sections_of(build(patched()))
    with pytest.raises(SdzFormatError, match="patches section: stands before the last layer"):
        parse(forged(3, sections[-1], *sections[:-1]))


def test_two_sections_of_patches() -> None:
    sections = sections_of(build(patched()))
    with pytest.raises(SdzFormatError, match="end of file: there are bytes after the patches"):
        parse(forged(3, *sections, sections[-1]))


@pytest.mark.parametrize("kind", [LAYER, 0x81, 0x85, 0xC0, 0x40])
def test_another_section_in_their_place(kind: int) -> None:
    sections = sections_of(build(patched()))
    with pytest.raises(SdzFormatError, match="stands where the header announces patches"):
        parse(forged(3, *sections[:-1], (kind, sections[-1][1])))


def test_patches_of_pixels() -> None:
    data = pixels_file()
    head = bytearray(data[:HEADER_BYTES])
    head[9] = 2
    section = encode_patches(letters(), RECTANGLES, "vp8l", 60)
    with pytest.raises(SdzFormatError, match="patched: is not allowed with payload pixels"):
        parse(assemble(bytes(head), *sections_of(data), (PATCHES, section)))


def test_bytes_after_the_patches() -> None:
    with pytest.raises(SdzFormatError, match="there are bytes after the patches"):
        parse(build(patched()) + b"\0")


def test_every_flipped_bit_is_refused() -> None:
    data = build(patched())
    start = len(data) - len(patched().patches or b"") - 7
    for at in (*range(HEADER_BYTES), *range(start, len(data))):
        for bit in range(8):
            damaged = bytearray(data)
            damaged[at] ^= 1 << bit
            with pytest.raises(SdzError):
                read(bytes(damaged))


def test_every_cut_is_refused() -> None:
    data = build(patched())
    for length in range(len(data)):
        with pytest.raises(SdzError):
            read(data[:length])


def test_damage_behind_valid_checksums_never_escapes() -> None:
    """Bodies changed by someone who also mends the checksums: another picture, or an SdzError, nothing else."""
    good = body(*GOOD)
    for at in range(len(good)):
        for value in (0, 1, 0x7F, 0x80, 0xFF, good[at] ^ 1, good[at] ^ 0x40):
            changed = good[:at] + bytes([value]) + good[at + 1 :]
            try:
                file = read(with_patches(changed))
                assert file.patches is not None
                rgb = letters()
                blend(rgb, file.patches)
            except SdzError as error:
                assert error.field  # noqa: PT017
            else:
                assert rgb.shape == (HEIGHT, WIDTH, 3)
