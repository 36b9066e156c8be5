"""TIFF streams of EXIF and their compact form: round trips, and hostile bytes."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tiff_streams import HOSTILE, directories, stream

from pillow_sdz import limits
from pillow_sdz.coding.deflate import deflate
from pillow_sdz.container.compact_exif import pack, unpack
from pillow_sdz.container.dictionary import preset_dictionary
from pillow_sdz.container.metadata_codings import COMPACT, decode_exif, encode_exif
from pillow_sdz.container.tiff import EXIF_IFD, GPS_IFD, Directory, Value, has_next_directory, read_tiff, write_tiff
from pillow_sdz.errors import SdzError, SdzFormatError, SdzLimitError, SdzTruncatedError

SHORT = Value(3, 1, b"\x06\0")


@settings(deadline=None)
@given(directories())
def test_normal_form_round_trips(directory: Directory) -> None:
    written = write_tiff(directory)
    assert read_tiff(written) == directory
    assert write_tiff(read_tiff(written)) == written
    assert not has_next_directory(written)
    body = encode_exif(written)
    assert decode_exif(body) == written


@settings(deadline=None)
@given(st.binary(max_size=300) | st.binary(max_size=200).map(lambda data: b"II*\0\x08\0\0\0" + data))
def test_any_bytes_are_stored_exactly(data: bytes) -> None:
    assert decode_exif(encode_exif(data)) == data


@settings(deadline=None)
@given(directories(), st.sampled_from("<>"))
def test_both_byte_orders_give_the_same(directory: Directory, order: str) -> None:
    entries = [(tag, value) for tag, value in sorted(directory.items()) if isinstance(value, Value)]
    fields, after, offset = [], b"", 8 + 2 + 12 * len(entries) + 4
    sizes = {5: 4, 10: 4, 3: 2, 8: 2, 4: 4, 9: 4, 11: 4, 13: 4, 12: 8}
    for tag, value in entries:
        unit = sizes.get(value.type, 1)
        units = [value.data[at : at + unit] for at in range(0, len(value.data), unit)]
        data = b"".join(each[::-1] if order == ">" else each for each in units)
        place = data.ljust(4, b"\0") if len(data) <= 4 else struct.pack(order + "I", offset + len(after))
        after += data if len(data) > 4 else b""
        fields.append((tag, value.type, value.count, struct.unpack(order + "I", place)[0]))
    assert read_tiff(stream(*fields, after=after, order=order)) == dict(entries)


def test_what_pillow_writes_is_read() -> None:
    tags = Image.Exif()
    tags[0x10F], tags[0x112] = "Maker", 6
    tags[EXIF_IFD] = {0x9003: "2020:01:02 03:04:05"}
    tags[GPS_IFD] = {1: "N", 2: (48.0, 51.0, 29.5)}
    found = read_tiff(tags.tobytes()[6:])
    assert found[0x10F] == Value(2, 6, b"Maker\0")
    assert found[0x112] == SHORT
    assert found[EXIF_IFD] == {0x9003: Value(2, 20, b"2020:01:02 03:04:05\0")}
    assert found[GPS_IFD] == {
        1: Value(2, 2, b"N\0"),
        2: Value(5, 3, struct.pack("<6I", 48, 1, 51, 1, 59, 2)),
    }


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_streams(name: str) -> None:
    """They are refused, or give no more than they hold; and any of them can be stored."""
    try:
        directory = read_tiff(HOSTILE[name])
    except SdzFormatError:
        pass
    else:
        assert len(write_tiff(directory)) <= 4 * len(HOSTILE[name]) + 100
        has_next_directory(HOSTILE[name])
    assert decode_exif(encode_exif(HOSTILE[name])) == HOSTILE[name]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("nothing", "no TIFF"),
        ("bigtiff", "no TIFF"),
        ("head only", "first directory is missing"),
        ("first directory outside", "first directory is missing"),
        ("values that overlap", "overlap"),
    ],
)
def test_what_cannot_be_read(name: str, problem: str) -> None:
    with pytest.raises(SdzFormatError, match=problem):
        read_tiff(HOSTILE[name])


def test_what_is_left_out_of_damaged_streams() -> None:
    assert read_tiff(HOSTILE["huge counts"]) == {}
    assert read_tiff(HOSTILE["unknown types"]) == {}
    assert read_tiff(HOSTILE["offsets outside"]) == {EXIF_IFD: {}}
    assert read_tiff(HOSTILE["a circle"]) == {EXIF_IFD: {}, GPS_IFD: {}}
    assert read_tiff(HOSTILE["the same tag many times"]) == {0x112: SHORT}
    assert read_tiff(HOSTILE["a directory where a value should be"])[EXIF_IFD] == Value(2, 4, b"\x08\0\0\0")
    assert has_next_directory(HOSTILE["next directory is the first"])


def test_only_normal_form_is_compact() -> None:
    directory: Directory = {0x112: SHORT}
    assert encode_exif(write_tiff(directory))[0] == COMPACT
    for other in (stream((0x112, 3, 1, 6), order=">"), stream((0x112, 3, 1, 6), following=8)):
        assert encode_exif(other)[0] != COMPACT


def test_too_many_entries_and_none() -> None:
    assert pack(dict.fromkeys(range(255), SHORT)) is not None
    assert pack(dict.fromkeys(range(256), SHORT)) is None
    assert pack({}) is None
    assert pack({EXIF_IFD: {}}) is None


GOOD = pack({0x10F: Value(2, 3, b"ab\0"), 0x112: SHORT, EXIF_IFD: {0x9003: Value(2, 2, b"x\0")}})
assert GOOD is not None


@pytest.mark.parametrize(
    ("data", "error", "problem"),
    [
        (b"", SdzTruncatedError, "too early"),
        (b"\0", SdzFormatError, "no entries"),
        (b"\x01\x12\x01", SdzTruncatedError, "too early"),
        (b"\x01\x12\x01\x03", SdzTruncatedError, "values end too early"),
        (b"\x01\x12\x01\x03\x06\0\0", SdzFormatError, "after the last value"),
        (b"\x01\x12\x01\x02abc", SdzTruncatedError, "values end too early"),
        (b"\x01\x12\x01\x0f\0", SdzFormatError, "no such form"),
        (b"\x01\x12\x01\0\0", SdzFormatError, "no such form"),
        (b"\x01\x12\x01\x80\0\0\0\0", SdzFormatError, "no such form"),
        (b"\x01\x12\x01\x83\x01\0\0\0\x06\0", SdzFormatError, "shortest form"),
        (b"\x01\x12\x01\x82\x02\0\0\0x\0", SdzFormatError, "shortest form"),
        (b"\x01\x12\x01\x83\xff\xff\xff\xff\x06\0", SdzTruncatedError, "values end too early"),
        (b"\x02\x12\x01\x03\x12\x01\x03\x06\0\x06\0", SdzFormatError, "do not rise"),
        (b"\x01\x05\xa0\0\x01\x12\x01\x03\x06\0", SdzFormatError, "no such form"),
        (b"\x01\x69\x87\0\x01\x69\x87\0\x01\x12\x01\x03\x06\0", SdzFormatError, "no such form"),
        (GOOD[:-1], SdzTruncatedError, "values end too early"),
        (GOOD + b"\0", SdzFormatError, "after the last value"),
    ],
)
def test_damaged_compact_exif(data: bytes, error: type[SdzError], problem: str) -> None:
    with pytest.raises(error, match=problem) as caught:
        decode_exif(bytes([COMPACT]) + deflate(data, 9, preset_dictionary()))
    assert str(caught.value).startswith("exif")


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_random_compact_exif_is_refused_or_exact(data: bytes) -> None:
    try:
        written = unpack(data)
    except SdzFormatError:
        return
    assert pack(read_tiff(written)) == data


def test_compact_exif_respects_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    directory: Directory = dict.fromkeys(range(255), SHORT)
    written = write_tiff(directory)
    body = encode_exif(written)
    assert body[0] == COMPACT
    monkeypatch.setattr(limits, "MAX_METADATA_BYTES", len(written))
    assert decode_exif(body) == written
    monkeypatch.setattr(limits, "MAX_METADATA_BYTES", len(written) - 1)
    with pytest.raises(SdzLimitError, match="exif: is too large"):
        decode_exif(body)
    monkeypatch.setattr(limits, "MAX_METADATA_BYTES", 100)
    with pytest.raises(SdzLimitError, match=r"exif: .*too large"):
        decode_exif(body)


def test_a_tag_of_a_directory_is_no_number() -> None:
    """Otherwise the stream would lead to offsets that are not its own."""
    with pytest.raises(SdzFormatError, match="0x8769: leads to a directory that is not there"):
        unpack(bytes([1]) + (0x8769).to_bytes(2, "little") + bytes([4]) + bytes([100, 0, 0, 0]))
