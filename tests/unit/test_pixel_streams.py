"""Streams of AV1, VP8 and VP8L without the boxes of their files."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from pixel_samples import CODINGS, letters

from pillow_sdz.errors import SdzError, SdzFormatError, SdzLimitError, SdzOptionError, SdzVersionError
from pillow_sdz.payloads.pixels import av1, streams

FIELD = "here"


def check(coding: str, stream: bytes, width: int = 70, height: int = 53) -> str:
    return streams.check(streams.number_of(coding), stream, width, height, FIELD)


def decode(coding: str, stream: bytes, width: int = 70, height: int = 53) -> np.ndarray:
    return streams.decode(streams.number_of(coding), stream, width, height, FIELD)


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 17), (70, 53), (64, 8), (300, 5)])
def test_pictures_come_back(coding: str, size: tuple[int, int]) -> None:
    rgb = letters(*size)
    stream = streams.encode(rgb, coding, 95)
    again = decode(coding, stream, *size)
    assert again.shape == rgb.shape
    assert again.dtype == np.uint8
    if coding == streams.LOSSLESS:
        np.testing.assert_array_equal(again, rgb)
    elif min(size) > 2:
        assert np.abs(again.astype(int) - rgb).mean() < 24


@pytest.mark.parametrize("coding", CODINGS)
def test_streams_are_smaller_than_files_by_their_boxes(coding: str) -> None:
    rgb = letters()
    file = io.BytesIO()
    options = {"av1": {"speed": 6}, "vp8": {"method": 4}, "vp8l": {"lossless": True, "method": 4, "quality": 75}}
    Image.fromarray(rgb).save(file, "AVIF" if coding == "av1" else "WEBP", **{"quality": 60, **options[coding]})
    saved = len(file.getvalue()) - len(streams.encode(rgb, coding, 60))
    assert saved > 250 if coding == "av1" else saved in (20, 21)


def test_quality_and_speed_reach_the_encoder() -> None:
    rgb = letters(200, 150)
    sizes = [len(streams.encode(rgb, "av1", quality)) for quality in (10, 50, 90)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[2]
    assert streams.encode(rgb, "av1", 50, speed=10) != streams.encode(rgb, "av1", 50, speed=4)


@pytest.mark.parametrize(("subsampling", "words"), [("4:2:0", "AV1, 4:2:0"), ("4:4:4", "AV1, 4:4:4")])
def test_subsampling(subsampling: str, words: str) -> None:
    assert check("av1", streams.encode(letters(), "av1", 60, subsampling=subsampling)) == words


def test_grey_pictures_have_no_chroma() -> None:
    grey = np.repeat(letters()[..., :1], 3, axis=2)
    stream = streams.encode(grey, "av1", 80)
    assert check("av1", stream) == "AV1, 4:0:0"
    again = decode("av1", stream)
    assert (again == again[..., :1]).all()
    assert np.abs(again.astype(int) - grey).mean() < 12


def test_av1_is_a_sequence_header_and_a_frame() -> None:
    stream = streams.encode(letters(), "av1", 60)
    assert (stream[0] >> 3, stream[2 + stream[1]] >> 3) == (av1.SEQUENCE_HEADER, av1.FRAME)
    assert av1.without_delimiter(b"\x12\x00" + stream) == stream == av1.without_delimiter(stream)


def test_the_boxes_are_those_of_an_avif_file() -> None:
    """Sizes, offsets and nesting, read as any reader of ISO files would; and Pillow opens it."""
    stream = streams.encode(letters(), "av1", 60)
    avif = av1.avif_of(stream, av1.parse_stream(stream, FIELD))
    boxes = dict(boxes_of(avif))
    assert list(boxes) == [b"ftyp", b"meta", b"mdat"]
    assert boxes[b"mdat"] == stream
    meta = dict(boxes_of(boxes[b"meta"][4:]))
    assert list(meta) == [b"hdlr", b"pitm", b"iloc", b"iinf", b"iprp"]
    offset, length = (int.from_bytes(meta[b"iloc"][at : at + 4], "big") for at in (14, 18))
    assert avif[offset : offset + length] == stream
    assert list(dict(boxes_of(dict(boxes_of(meta[b"iprp"]))[b"ipco"]))) == [b"ispe", b"pixi", b"av1C", b"colr"]
    with Image.open(io.BytesIO(avif)) as image:
        assert (image.format, image.size, image.mode) == ("AVIF", (70, 53), "RGB")
        np.testing.assert_array_equal(np.asarray(image), decode("av1", stream))


def boxes_of(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        found.append((data[at + 4 : at + 8], data[at + 8 : at + size]))
        at += size
    assert at == len(data)
    return found


@pytest.mark.parametrize("coding", CODINGS)
def test_another_size_is_refused_without_pillow(coding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = streams.encode(letters(), coding, 60)
    monkeypatch.setattr(streams, "_plugin", lambda _: pytest.fail("Pillow was called"))
    for size in ((71, 53), (70, 52), (53, 70)):
        with pytest.raises(SdzFormatError, match=r"here: the coded picture has another size .found 70 x 53, expected"):
            decode(coding, stream, *size)


def test_options_are_checked() -> None:
    with pytest.raises(SdzOptionError, match=r"coding: no such coding .found 'jpeg', expected av1, vp8, vp8l"):
        streams.encode(letters(), "jpeg", 60)
    for quality, speed in ((101, 6), (50, 11)):
        with pytest.raises(SdzOptionError, match="is out of range"):
            streams.encode(letters(), "av1", quality, speed)
    with pytest.raises(SdzLimitError, match="vp8: the picture is too large for this coding"):
        streams.encode(np.zeros((1, 16384, 3), np.uint8), "vp8", 60)
    with pytest.raises(SdzVersionError, match="here, coding: the file needs a newer pillow_sdz"):
        streams.check(3, b"", 1, 1, FIELD)


@pytest.mark.parametrize("coding", CODINGS)
def test_every_cut_of_the_headers_is_refused(coding: str) -> None:
    stream = streams.encode(letters(), coding, 60)
    for length in range(20 if coding == "av1" else 5):
        with pytest.raises(SdzError):
            check(coding, stream[:length])
