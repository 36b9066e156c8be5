"""Damaged and hostile files: each is refused with an SdzError; none crashes, hangs, allocates much or passes."""

import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import toy_scalar
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_files import assemble, decode_everything, example, header, layer_body, sections_of, small

from pillow_sdz.coding import planes
from pillow_sdz.coding.deflate import deflate
from pillow_sdz.container.framing import ALPHA, LAYER
from pillow_sdz.container.header import HEADER_BYTES
from pillow_sdz.container.magic import MAGIC
from pillow_sdz.container.metadata import Metadata, encode_metadata
from pillow_sdz.container.metadata_codings import COMPACT, PRESET
from pillow_sdz.container.sections import Container, build, parse
from pillow_sdz.container.stored_error import StoredError, build_error, build_error_map
from pillow_sdz.container.tiff import EXIF_IFD, Directory, Value, write_tiff
from pillow_sdz.errors import SdzError, SdzFormatError, SdzLimitError
from pillow_sdz.payloads.direct.payload import encode_direct
from pillow_sdz.payloads.palette.layers import Layer, encode_layer
from pillow_sdz.payloads.protocol import Latent
from pillow_sdz.payloads.scalar.payload import PAYLOAD, ScalarPlan

MEGABYTE = 1 << 20


def coded() -> Container:
    """A file with the codings that a real encoder picks, deflated metadata, and an unknown section."""
    rng = np.random.default_rng(3)
    smooth = (np.add.outer(np.arange(6), np.arange(5)) // 2 + rng.integers(0, 2, (6, 5))).astype(np.uint16)
    first = Layer(np.sort(rng.integers(0, 256, (8, 4), dtype=np.uint8), axis=0), smooth)
    residual = np.vstack([np.full((1, 4), 128), rng.integers(100, 150, (4, 4))]).astype(np.uint8)
    second = Layer(residual, (smooth % 5).astype(np.uint16))
    return Container(
        header=header(mode="RGB", width=40, height=48, latent_width=5, latent_height=6),
        layers=[encode_layer(first), encode_layer(second)],
        preview=bytes(range(15)),
        metadata={"exif": b"\x01" + deflate(b"II*\0" * 40)},
        unknown=[(0xC0, b"later")],
    )


def direct() -> Container:
    y, x = np.mgrid[:6, :5]
    codes = np.stack([x * 9, y * 8, x + y, x * y * 5], axis=2).astype(np.uint8)
    head = header(mode="L", payload="direct", layer_count=1, width=40, height=48, latent_width=5, latent_height=6)
    return Container(head, [encode_direct(codes)])


def scalar() -> Container:
    y, x = np.mgrid[:6, :5]
    targets = np.stack([x * 9, y * 8, x * y * 5], axis=2).astype(np.float32)
    latent = Latent((targets + 128).astype(np.uint8), targets)
    encoded = PAYLOAD.encode(latent, ScalarPlan(100), toy_scalar.ModelData(), 4)
    head = header(
        mode="L", payload="scalar", layer_count=1, noise=encoded.noise, width=40, height=48, latent_width=5,
        latent_height=6, channels=toy_scalar.CHANNELS,
    )  # fmt: skip
    return Container(head, encoded.layers)


def described() -> Container:
    """A file that names its colour space, with compact EXIF, and XMP in the preset coding."""
    orientation, maker = Value(3, 1, b"\6\0"), Value(2, 6, b"Maker\0")
    directory: Directory = {0x10F: maker, 0x112: orientation, EXIF_IFD: {0x9003: Value(2, 5, b"2020\0")}}
    metadata = encode_metadata(Metadata(exif=write_tiff(directory), xmp=b'<x:xmpmeta xmlns:x="adobe:ns:meta/">'))
    assert (metadata["exif"][0], metadata["xmp"][0]) == (COMPACT, PRESET)
    made = direct()
    return replace(made, header=replace(made.header, mode="RGB", colour_space="Display P3"), metadata=metadata)


def measured() -> Container:
    """A file that says how far its picture is from the original."""
    figures = StoredError(25.31, None, -3.5, synthesised=0.9, patched=0.0, whole=0.0)
    levels = build_error_map(np.array([[3, 7], [0, 15]], np.uint8))
    return replace(direct(), error=build_error(figures), error_map=levels)


FILES = [small, coded, direct, scalar, described, measured]


def assert_refused(data: bytes) -> None:
    with pytest.raises(SdzError) as caught:
        decode_everything(data)
    error = caught.value
    assert error.file == "test.sdz"
    assert error.field
    assert str(error).startswith(f"test.sdz: {error.field}: ")
    if data[: len(MAGIC)] != MAGIC:
        assert isinstance(error, SdzFormatError)
        assert error.field == "magic"


@pytest.mark.parametrize("make", FILES)
def test_the_undamaged_files_decode(make: Callable[[], Container]) -> None:
    codes, _ = decode_everything(build(make()))
    assert codes.shape == make().header.latent_shape


@pytest.mark.parametrize("make", FILES)
def test_every_flipped_bit_is_refused(make: Callable[[], Container]) -> None:
    data = build(make())
    for bit in range(len(data) * 8):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        assert_refused(bytes(damaged))


@pytest.mark.parametrize("make", FILES)
def test_every_cut_is_refused(make: Callable[[], Container]) -> None:
    data = build(make())
    for length in range(len(data)):
        assert_refused(data[:length])


@pytest.mark.parametrize("make", FILES)
def test_every_lost_doubled_or_zeroed_byte_is_refused(make: Callable[[], Container]) -> None:
    data = build(make())
    for offset in range(len(data)):
        lost = data[:offset] + data[offset + 1 :]
        doubled = data[:offset] + data[offset : offset + 1] + data[offset:]
        zeroed = data[:offset] + b"\0" + data[offset + 1 :]
        for damaged in (lost, doubled, zeroed):
            if damaged != data:
                assert_refused(damaged)


@pytest.mark.parametrize(
    "make",
    [direct, *(pytest.param(each, marks=pytest.mark.slow) for each in (small, coded, scalar, described, measured))],
)
def test_damage_behind_valid_checksums_never_escapes(make: Callable[[], Container]) -> None:
    """Bodies changed by someone who also mends the checksums: another picture, or an SdzError, nothing else."""
    data = build(make())
    head, sections = data[:HEADER_BYTES], sections_of(data)
    for number, (kind, body) in enumerate(sections):
        for changed in changes(body):
            forged = assemble(head, *sections[:number], (kind, changed), *sections[number + 1 :])
            try:
                codes, _ = decode_everything(forged)
            except SdzError as error:
                assert error.file == "test.sdz"  # noqa: PT017
            else:
                assert codes.shape == make().header.latent_shape


def changes(body: bytes) -> Iterator[bytes]:
    for length in range(len(body)):
        yield body[:length]
    yield body + b"\0"
    for offset in range(min(len(body), 40)):
        for value in (0, 1, 0x10, 0x20, 0x7F, 0x80, 0xF0, 0xFF, body[offset] ^ 1, body[offset] ^ 0x40):
            yield body[:offset] + bytes([value]) + body[offset + 1 :]


# Bombs --------------------------------------------------------------------------------------------------------------

BOMB = deflate(bytes(100 * MEGABYTE), 0)
"""100 MiB of zeros in less than half a megabyte."""


def replaced(make: Callable[[], Container], kind: int, body: bytes) -> bytes:
    data = build(make())
    sections = [(number, body if number == kind else old) for number, old in sections_of(data)]
    if kind not in dict(sections):
        sections.insert(0, (kind, body))
    return assemble(data[:HEADER_BYTES], *sections)


@pytest.mark.parametrize(
    ("name", "make", "kind", "body", "error"),
    [
        ("alpha", small, ALPHA, b"\x02" + BOMB, SdzFormatError),
        ("alpha", small, ALPHA, bytes([planes.BILEVEL]) + BOMB, SdzFormatError),
        ("icc", small, 0x82, b"\x01" + BOMB, SdzLimitError),
        ("exif", small, 0x83, b"\x01" + BOMB, SdzLimitError),
        ("xmp", small, 0x84, b"\x01" + BOMB, SdzLimitError),
        ("text", small, 0x85, b"\x01" + BOMB, SdzLimitError),
        ("xmp", small, 0x84, b"\x02" + BOMB, SdzLimitError),
        ("exif", small, 0x83, b"\x03" + BOMB, SdzLimitError),
        ("error map", small, 0x88, b"\x02" + BOMB, SdzFormatError),
        ("error map", small, 0x88, bytes([planes.BILEVEL]) + BOMB, SdzFormatError),
        ("error", small, 0x87, bytes(MEGABYTE), SdzFormatError),
        ("layer 1", small, LAYER, layer_body([[0] * 4, [1] * 4], BOMB, index_coding=1), SdzFormatError),
        ("layer 1", small, LAYER, layer_body([[0] * 4] * 300, BOMB, index_coding=1), SdzFormatError),
        ("direct codes", direct, LAYER, b"\x05" + BOMB, SdzFormatError),
        ("layer 1", scalar, LAYER, b"\x64\x00" + BOMB, SdzFormatError),
    ],
)
def test_deflate_bombs(name: str, make: Callable[[], Container], kind: int, body: bytes, error: type[SdzError]) -> None:
    assert len(BOMB) < MEGABYTE / 2
    data = replaced(make, kind, body)
    tracemalloc.start()
    try:
        with pytest.raises(error) as caught:
            decode_everything(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert name in str(caught.value.field)
    # The file's own copies, and for metadata the 16 MiB that they may have (twice: zlib grows its buffer).
    assert peak < (34 if error is SdzLimitError else 0) * MEGABYTE + 5 * len(data) + MEGABYTE


def test_absurd_sizes_cost_nothing() -> None:
    """The largest header that is allowed, on a file that is cut right after it or has tiny bodies."""
    head = header(mode="RGBA", width=16384, height=16384, factor=1, channels=1, latent_width=16384, latent_height=16384)
    bodies = [
        layer_body([[0], [1]], b"\x40"),
        layer_body([[0], [1]], deflate(b"\0"), index_coding=1),
        layer_body([[0], [1]], b"", index_coding=1),
    ]
    for body in bodies:
        data = build(Container(head, [body, body], alpha=b"\x02" + deflate(b"\0")))
        tracemalloc.start()
        try:
            assert_refused(data)
            assert_refused(data[: HEADER_BYTES + 1])
            parsed = parse(data)
            with pytest.raises(SdzError):
                decode_everything(build(Container(head, [body, body], alpha=b"\x00abc")))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert parsed.header.latent_shape == (16384, 16384, 1)
        assert peak < MEGABYTE


def test_a_length_of_many_bytes_costs_nothing() -> None:
    """A varint without an end, in each place that has one."""
    endless = b"\xff" * MEGABYTE
    head = build(example())[:HEADER_BYTES]
    assert_refused(head + b"\x02" + endless)
    assert_refused(replaced(small, LAYER, b"\x01\x00\x10" + endless))


# Fuzz ---------------------------------------------------------------------------------------------------------------

FUZZ = settings(max_examples=150, deadline=None, derandomize=True, database=None)


def survives(data: bytes) -> None:
    for truncated in (False, True):
        try:
            codes, _ = decode_everything(data, allow_truncated=truncated)
        except SdzError as error:
            assert error.file == "test.sdz"  # noqa: PT017
        else:
            assert codes.dtype == np.uint8


@FUZZ
@given(st.binary(max_size=200))
def test_fuzz_anything(data: bytes) -> None:
    survives(data)
    survives(MAGIC + data)


@pytest.mark.slow
@FUZZ
@given(
    st.lists(
        st.tuples(st.sampled_from([1, 1, 1, 2, 3, 0x81, 0x82, 0x83, 0x85, 0x90]), st.binary(max_size=40)), max_size=6
    )
)
def test_fuzz_sections(sections: list[tuple[int, bytes]]) -> None:
    for make in FILES:
        survives(assemble(build(make())[:HEADER_BYTES], *sections))


@pytest.mark.slow
@FUZZ
@given(st.sampled_from(FILES), st.lists(st.tuples(st.integers(0, 500), st.integers(0, 255)), min_size=1, max_size=4))
def test_fuzz_bodies(make: Callable[[], Container], edits: list[tuple[int, int]]) -> None:
    data = build(make())
    head, sections = data[:HEADER_BYTES], sections_of(data)
    spread = bytearray(b"".join(body for _, body in sections))
    for offset, value in edits:
        spread[offset % len(spread)] = value
    forged, start = [], 0
    for kind, body in sections:
        forged.append((kind, bytes(spread[start : start + len(body)])))
        start += len(body)
    survives(assemble(head, *forged))


@pytest.mark.slow
@FUZZ
@given(st.binary(min_size=25, max_size=25))
def test_fuzz_headers(rest: bytes) -> None:
    for make in FILES:
        survives(assemble(MAGIC + rest, *sections_of(build(make()))))
