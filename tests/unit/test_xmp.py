"""XMP packets without what nobody reads, without a position, without an orientation."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from pillow_sdz.plugin.metadata.xmp import useful_xmp, without_orientation, without_position
from tools.bench.camera_metadata import editor_xmp

EDITOR = editor_xmp()


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        (b"", b""),
        (b"no packet   ", b"no packet   "),
        (b"<x/>" + b" " * 500 + b"<?xpacket end='w'?>", b"<x/>\n<?xpacket end='w'?>"),
        (b"<x/>\n<?xpacket end='w'?>", b"<x/>\n<?xpacket end='w'?>"),
        (b"<x/><?xpacket end='w'?>", b"<x/><?xpacket end='w'?>"),
        (b"<x><xmp:Thumbnails>AAAA</xmp:Thumbnails></x>", b"<x></x>"),
        (b"<x><xmp:Thumbnails>AAAA</x>", b"<x><xmp:Thumbnails>AAAA</x>"),
        (b"</xmp:Thumbnails><xmp:Thumbnails>", b"</xmp:Thumbnails><xmp:Thumbnails>"),
        ("<x/>   <?xpacket end=".encode("utf-16"), "<x/>   <?xpacket end=".encode("utf-16")),
        (b" " * 3_000_000, b" " * 3_000_000),
        (b"<xmp:Thumbnails>" * 100_000, b"<xmp:Thumbnails>" * 100_000),
    ],
)
def test_useful_xmp(packet: bytes, expected: bytes) -> None:
    assert useful_xmp(packet)[0] == expected


def test_useful_xmp_is_still_xml() -> None:
    with_thumbnail = EDITOR.replace(b"<dc:subject>", b"<xmp:Thumbnails><rdf:Alt/></xmp:Thumbnails><dc:subject>")
    packet, left_out = useful_xmp(with_thumbnail)
    assert left_out == ("thumbnail", "padding of XMP")
    assert b"Thumbnails" not in packet
    assert ET.canonicalize(packet.decode()) == ET.canonicalize(EDITOR.decode())


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        (b'<a exif:GPSLatitude="1,2N" b="c"/>', b'<a b="c"/>'),
        (b"<a exif:GPSLatitude='1,2N'\n exif:GPSAltitude = \"3/1\"/>", b"<a\n/>"),
        (b"<a><exif:GPSLongitude>1</exif:GPSLongitude><b/></a>", b"<a><b/></a>"),
        (b"<a><exif:GPSTimeStamp/><exif:GPSLatitude >1</exif:GPSLatitude></a>", b"<a></a>"),
        (b"<a exif:GPSVersionID='2.3.0.0'/>", b"<a/>"),
        (b"<a/>", b"<a/>"),
    ],
)
def test_xmp_without_its_position(packet: bytes, expected: bytes) -> None:
    assert without_position(packet) == expected


@pytest.mark.parametrize(
    "packet",
    [
        b"<a><exif:GPSLatitude>1",
        b"<a other:GPSLatitude='1'/>",
        b"<a drone-dji:GpsLatitude='1'/>",
        b"<a drone-dji:GPSLongtitude='1'/>",
        b"<a exif:GPSLatitude=1/>",
        "<a exif:GPSLatitude='1'/>".encode("utf-16"),
        b"<exif:GPSLatitude>" * 200_000,
        b' exif:GPSLatitude="' * 200_001,
        b" exif:GPSLatitude =" * 200_000,
    ],
)
def test_xmp_whose_position_cannot_be_taken_out(packet: bytes) -> None:
    with pytest.warns(UserWarning, match="may hold it, too"):
        assert without_position(packet) is None


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        (b'<a tiff:Orientation="6" b="c"/>', b'<a b="c"/>'),
        (b"<a\n tiff:Orientation='6'/>", b"<a\n/>"),
        (b"<a><tiff:Orientation>6</tiff:Orientation></a>", b"<a></a>"),
        (b"<a>tiff:Orientation</a>", b"<a>tiff:Orientation</a>"),
    ],
)
def test_xmp_without_its_orientation(packet: bytes, expected: bytes) -> None:
    assert without_orientation(packet) == expected
