"""ICC, EXIF, XMP and text bodies."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_files import text_body

from pillow_sdz import limits
from pillow_sdz.coding.deflate import deflate
from pillow_sdz.container.dictionary import preset_dictionary
from pillow_sdz.container.metadata import decode_text, encode_text
from pillow_sdz.container.metadata_codings import DEFLATED, PRESET, STORED, decode_blob, encode_blob
from pillow_sdz.errors import SdzError, SdzFormatError, SdzLimitError, SdzTruncatedError, SdzVersionError


@pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)), b"profile " * 1000, bytes(70000)])
def test_blobs_round_trip_in_the_smaller_form(data: bytes) -> None:
    body = encode_blob(data)
    assert len(body) <= len(data) + 1
    assert (body[0] == STORED) == (len(body) == len(data) + 1)
    assert decode_blob(body) == data


@pytest.mark.parametrize(
    "text",
    [
        {},
        {"Title": "cat"},
        {"b": "2", "a": "1", "empty": ""},
        {"k" * 255: "v", "Ünïcode \U0001f408": "läuft\n\0" * 500},
        {str(i): str(i) for i in range(1024)},
    ],
)
def test_text_round_trips_in_order(text: dict[str, str]) -> None:
    assert list(decode_text(encode_text(text)).items()) == list(text.items())


@pytest.mark.parametrize(
    ("text", "error", "problem"),
    [
        ({"": "x"}, SdzFormatError, "key is empty"),
        ({"k" * 256: "x"}, SdzLimitError, "key is too long"),
        ({"é" * 128: "x"}, SdzLimitError, "key is too long"),
        ({"k": "\ud800"}, SdzFormatError, "UTF-8"),
        ({"\ud800": "v"}, SdzFormatError, "UTF-8"),
        ({str(i): "" for i in range(1025)}, SdzLimitError, "too many entries"),
    ],
)
def test_text_that_does_not_fit(text: dict[str, str], error: type[SdzError], problem: str) -> None:
    with pytest.raises(error, match=problem):
        encode_text(text)


def test_metadata_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_METADATA_BYTES", 1000)
    assert decode_blob(encode_blob(bytes(1000))) == bytes(1000)
    assert decode_blob(b"\x00" + bytes(1000)) == bytes(1000)
    with pytest.raises(SdzLimitError, match="icc: is too large"):
        encode_blob(bytes(1001), field="icc")
    with pytest.raises(SdzLimitError, match="too large"):
        encode_text({"a": "x" * 600, "b": "y" * 600})
    for body in (b"\x00" + bytes(1001), b"\x01" + deflate(bytes(1001)), b"\x01" + deflate(bytes(10**7))):
        with pytest.raises(SdzLimitError, match=r"^exif: .*too large"):
            decode_blob(body, None, "exif")
    with pytest.raises(SdzLimitError):
        decode_blob(b"\x00abc", 2)


@pytest.mark.parametrize(
    ("body", "error", "problem"),
    [
        (b"", SdzTruncatedError, "too early"),
        (b"\x03abc", SdzVersionError, "newer"),
        (b"\x04abc", SdzVersionError, "newer"),
        (b"\x02", SdzTruncatedError, "too early"),
        (b"\x02" + deflate(b"http://ns.adobe.com/", 9, preset_dictionary())[:-1], SdzTruncatedError, "too early"),
        (b"\x01" + deflate(b"http://ns.adobe.com/", 9, preset_dictionary()), SdzFormatError, "invalid"),
        (b"\x01", SdzTruncatedError, "too early"),
        (b"\x01" + deflate(b"abc")[:-1], SdzTruncatedError, "too early"),
        (b"\x01" + deflate(b"abc") + b"x", SdzFormatError, "after the deflated"),
        (b"\x01\xff", SdzFormatError, "invalid"),
    ],
)
def test_damaged_blobs(body: bytes, error: type[SdzError], problem: str) -> None:
    with pytest.raises(error, match=problem) as caught:
        decode_blob(body, None, "xmp")
    assert str(caught.value).startswith("xmp")


def test_the_smallest_coding_is_taken() -> None:
    assert encode_blob(bytes(range(256)))[0] == STORED
    assert encode_blob(b"0123456789!" * 300)[0] in (DEFLATED, PRESET)
    packet = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/>'
    assert encode_blob(packet)[0] == PRESET
    assert len(encode_blob(packet)) < 30
    assert len(encode_blob(bytes((1 << 20) + 1))) < 2000  # too long to try the dictionary


@settings(deadline=None)
@given(st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
def test_any_bytes_come_back(data: bytes) -> None:
    assert decode_blob(encode_blob(data)) == data


@settings(deadline=None)
@given(st.dictionaries(st.text(min_size=1, max_size=20), st.text(max_size=60), max_size=8))
def test_any_text_comes_back(text: dict[str, str]) -> None:
    assert list(decode_text(encode_text(text)).items()) == list(text.items())


GOOD = text_body((b"key", b"value"), (b"other", b""))


@pytest.mark.parametrize(
    ("body", "error", "problem"),
    [
        (b"\x00", SdzTruncatedError, "too early"),
        (b"\x00\x01", SdzTruncatedError, "too early"),
        (b"\x00\x01\x00", SdzTruncatedError, "too early"),
        (GOOD[:-1], SdzTruncatedError, "text ends too early"),
        (GOOD + b"x", SdzFormatError, "after the last entry"),
        (b"\x00\x01\x04" + bytes(6 * 1025), SdzLimitError, "too many entries"),
        (text_body((b"", b"value")), SdzFormatError, "key is empty"),
        (text_body((b"a", b"1"), (b"a", b"2")), SdzFormatError, "appears twice"),
        (text_body((b"\xff", b"1")), SdzFormatError, "not UTF-8"),
        (text_body((b"a", b"\xc3")), SdzFormatError, "not UTF-8"),
        (b"\x00\x01\x00\x01\xff\xff\xff\xffa", SdzTruncatedError, "text ends too early"),
    ],
)
def test_damaged_text(body: bytes, error: type[SdzError], problem: str) -> None:
    with pytest.raises(error, match=problem) as caught:
        decode_text(body)
    assert str(caught.value).startswith("text")


def test_the_good_text_is_good() -> None:
    assert decode_text(GOOD) == {"key": "value", "other": ""}
