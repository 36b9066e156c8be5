"""Damage through Pillow: what is refused when a file is opened, verified or loaded, and in which words."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
import sample_files
import toy_model
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from in_memory import opened
from PIL import Image, UnidentifiedImageError
from toy_files import file_of

from pillow_sdz import errors, limits
from pillow_sdz.container.header import HEADER_BYTES
from pillow_sdz.container.metadata import Metadata
from pillow_sdz.container.sections import Container, build
from pillow_sdz.errors import SdzError
from pillow_sdz.plugin.image_file import SdzImageFile

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

pytestmark = pytest.mark.usefixtures("toy")

RICH = Metadata(icc=b"icc" * 50, exif=b"MM\0*\0\0\0\x08\0\0", xmp=b"<x/>" * 50, text={"Title": "x", "b": "y" * 99})


@pytest.mark.parametrize(
    "damaged",
    [b"", b"\x89SD", b"PK\x03\x04" + bytes(100), b"\x89SDZ\n\x1a\n" + bytes(100), b"\x09SDZ\r\n\x1a\n" + bytes(100)],
    ids=["empty", "cut", "zip", "text mode", "seven bits"],
)
def test_what_lacks_the_magic_is_left_to_others(damaged: bytes, tmp_path: Path) -> None:
    file = tmp_path / "map.sdz"
    file.write_bytes(damaged)
    with pytest.raises(UnidentifiedImageError):
        Image.open(file)
    with file.open("rb") as stream, pytest.raises(SyntaxError):
        SdzImageFile(stream)


def test_damage_is_an_sdz_error_that_names_the_file(path: Path, data: bytes) -> None:
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(SdzError, match=r"cat\.sdz: .*checksum") as caught:
        Image.open(path)
    assert caught.value.file == str(path)
    assert isinstance(caught.value, OSError)
    assert not isinstance(caught.value, SyntaxError)


def test_errors_of_streams_name_what_there_is(path: Path, data: bytes) -> None:
    with pytest.raises(SdzError, match=r"^<stream>: "):
        opened(data[:-1])
    path.write_bytes(data[:-1])
    with path.open("rb") as file, pytest.raises(SdzError, match=r"cat\.sdz: "):
        Image.open(file)


def test_every_cut_and_every_flipped_bit_is_refused() -> None:
    data = file_of(toy_model.blocks(9, 9), metadata=Metadata(icc=b"icc", text={"Title": "x"}))
    for length in range(8, len(data)):
        with pytest.raises(SdzError):
            opened(data[:length])
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SdzError if bit >= 64 else UnidentifiedImageError):
            opened(bytes(damaged))


def test_damaged_metadata_are_noticed_on_opening(rgb: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch) -> None:
    data = file_of(rgb, metadata=Metadata(xmp=bytes(5000)))
    monkeypatch.setattr(limits, "MAX_METADATA_BYTES", 4999)
    with pytest.raises(errors.SdzLimitError, match="xmp"):
        opened(data)


def test_verify(path: Path, data: bytes) -> None:
    with Image.open(path) as image:
        image.verify()
    with Image.open(path) as image:
        path.write_bytes(data[:-1] + b"?")  # damage since it was opened
        with pytest.raises(SdzError, match="checksum"):
            image.verify()
    path.write_bytes(data)
    with Image.open(path) as image:
        image.load()
        with pytest.raises(RuntimeError):
            image.verify()
    stream = io.BytesIO(data)
    Image.open(stream).verify()
    assert not stream.closed


def test_verify_decodes_the_integers() -> None:
    """Checksums are right, but an index is beyond the palette's end: only decoding shows it."""
    body = sample_files.layer_body([[0] * 3, [1] * 3, [2] * 3], bytes([0b11_00_00_00]))
    head = sample_files.header(mode="RGB", layer_count=1, channels=3)
    data = build(Container(head, [body]))
    with pytest.raises(SdzError, match="ind"):
        opened(data).verify()


def test_codings_of_later_versions() -> None:
    """The reserved palette coding shows on opening, an unknown index coding when the indices are decoded."""
    palette = [[128] * 3] * 2
    head = sample_files.header(mode="RGB", layer_count=1, channels=3)
    body = sample_files.layer_body(palette, b"\x40", palette_coding=15)
    with pytest.raises(errors.SdzVersionError, match="layer 1, palette coding: the file needs a newer"):
        opened(build(Container(head, [body])))
    head = sample_files.header(mode="RGB", layer_count=2, channels=3)
    bodies = [sample_files.layer_body(palette, b"\x40", index_coding=coding) for coding in (0, 15)]
    image = opened(build(Container(head, bodies)))
    assert image.info["colors"] == (2, 2)
    with pytest.raises(errors.SdzVersionError, match="layer 2, indices coding: "):
        image.verify()


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_files_of_wild_bodies_with_right_checksums(draws: st.DataObject) -> None:
    """Whatever the sections hold: an `SdzError` or a picture, nothing else."""
    valid = file_of(toy_model.blocks(20, 12), np.full((12, 20), 3, np.uint8), "RGBA", metadata=RICH, layers=2)
    sections = sample_files.sections_of(valid)
    which = draws.draw(st.integers(0, len(sections) - 1))
    kind, body = sections[which]
    at = draws.draw(st.integers(0, len(body)))
    body = body[:at] + draws.draw(st.binary(max_size=6)) + body[at + draws.draw(st.integers(0, 6)) :]
    sections[which] = kind, body
    data = sample_files.assemble(valid[:HEADER_BYTES], *sections)
    for act in (Image.Image.load, Image.Image.verify, lambda image: image.thumbnail((1, 1))):
        try:
            image = opened(data)
            act(image)
        except SdzError as error:
            assert "<stream>" in str(error)  # noqa: PT017
