"""The benchmark of metadata: its samples are what they claim to be, and it fails where a file costs too much."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import ExifTags, Image

from tools.bench import bench_metadata
from tools.bench.camera_metadata import (
    LATITUDE,
    MAKER_NOTE_BYTES,
    THUMBNAIL_BYTES,
    camera_exif,
    editor_xmp,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (24, 40, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    return tmp_path


def test_the_cameras_exif() -> None:
    exif = Image.Exif()
    exif.load(camera_exif())
    assert exif[0x110] == "NIKON Z 7_2"
    below = exif.get_ifd(ExifTags.IFD.Exif)
    assert len(below[0x927C]) == MAKER_NOTE_BYTES
    assert below[0xA434] == "NIKKOR Z 24-120mm f/4 S"
    assert exif.get_ifd(ExifTags.IFD.GPSInfo)[2] == tuple(a / b for a, b in LATITUDE)
    assert exif.get_ifd(ExifTags.IFD.Interop)[1] == "R98"
    thumbnail = exif.get_ifd(ExifTags.IFD.IFD1)
    start, size = thumbnail[0x201], thumbnail[0x202]
    assert size == THUMBNAIL_BYTES
    assert camera_exif()[start : start + 2] == b"\xff\xd8"
    assert start + size == len(camera_exif())
    exif.load(camera_exif(position=False))
    assert not exif.get_ifd(ExifTags.IFD.GPSInfo)


def test_the_editors_xmp() -> None:
    root = ET.fromstring(editor_xmp())
    (description,) = root.iter("{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description")
    assert description.get("{http://ns.adobe.com/exif/1.0/}GPSLatitude") == "48,51.4993N"
    assert len(editor_xmp()) - len(editor_xmp(padding=0)) > 1_900


def test_the_benchmark(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = CliRunner().invoke(bench_metadata.main, [str(photos)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert re.search(r"3 photos, 2 with one of \d+ sRGB profiles", result.output)
    assert "mean of the photos: 0.0 bytes, of at most 40" in result.output
    assert "MISSED" not in result.output
    monkeypatch.setitem(bench_metadata.MOST, "camera", 10)
    result = CliRunner().invoke(bench_metadata.main, [str(photos), "--count", "1"], catch_exceptions=False)
    assert result.exit_code == 1
    assert "bytes, of at most 10: MISSED" in result.output
