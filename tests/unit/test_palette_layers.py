"""Layers of palette payloads: bodies, and codes from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from sample_files import EXAMPLE_CODES, example, layer_body, small
from scalar_samples import PriorOnly

from pillow_sdz import limits
from pillow_sdz.coding.boxes import build_box
from pillow_sdz.coding.deflate import deflate
from pillow_sdz.container.sections import build, parse
from pillow_sdz.errors import SdzError, SdzFormatError, SdzLimitError, SdzTruncatedError, SdzVersionError
from pillow_sdz.payloads.palette import palette_coder
from pillow_sdz.payloads.palette.layers import (
    LAYER_HEAD,
    Layer,
    codes_from_layers,
    decode_layer,
    encode_layer,
    read_head,
)
from pillow_sdz.payloads.palette.payload import PAYLOAD

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pillow_sdz.container.sections import Container
    from pillow_sdz.payloads.protocol import Shape

SHAPE = (1, 2, 4)
NO_MODEL = PriorOnly(None)


def decode(body: bytes, position: int = 0, shape: Shape = SHAPE) -> Layer:
    return decode_layer(body, read_head(body, shape[2], position), shape, position)


def codes_of(container: Container) -> NDArray[np.uint8]:
    header = container.header
    return PAYLOAD.read(container.layers, header.latent_shape, header.noise).decode(NO_MODEL)


def random_layer(entries: int, channels: int, position: int = 0) -> Layer:
    rng = np.random.default_rng(entries + channels)
    palette = rng.integers(0, 256, (entries, channels), dtype=np.uint8)
    if position:
        palette[0] = 128
    return Layer(palette, rng.integers(0, entries, (9, 11)).astype(np.uint16))


@pytest.mark.parametrize("entries", [2, 3, 256, 300, 4096])
@pytest.mark.parametrize("channels", [1, 4, 64])
@pytest.mark.parametrize("position", [0, 3])
def test_layers_round_trip(entries: int, channels: int, position: int) -> None:
    layer = random_layer(entries, channels, position)
    for effort in (0, 4):
        body = encode_layer(layer, effort=effort)
        decoded = decode(body, position, (9, 11, channels))
        assert (decoded.palette == layer.palette).all()
        assert (decoded.indices == layer.indices).all()
        assert read_head(body, channels, position).entries == entries


def test_encoder_needs_a_palette_that_fits() -> None:
    indices = np.zeros((2, 2), np.uint16)
    for shape in ((1, 4), (4097, 4), (2, 0), (2, 65)):
        with pytest.raises(ValueError, match="cannot hold"):
            encode_layer(Layer(np.zeros(shape, np.uint8), indices))


def test_codes_are_summed_then_clipped() -> None:
    def layer(vector: list[int]) -> Layer:
        return Layer(np.array([[128, 128, 128], vector], np.uint8), np.array([[0, 1]], np.uint16))

    first = Layer(np.array([[5, 250, 100], [0, 255, 7]], np.uint8), np.array([[1, 0]], np.uint16))
    assert codes_from_layers([first]).tolist() == [[[0, 255, 7], [5, 250, 100]]]
    # 5 - 128 + 127 = 4 and 250 + 127 - 128 = 249: clipping after each layer would give 127 and 127.
    assert codes_from_layers([first, layer([0, 255, 128]), layer([255, 0, 129])]).tolist() == [
        [[0, 255, 7], [4, 249, 101]]
    ]
    assert codes_from_layers([first, layer([0, 255, 128])]).tolist() == [[[0, 255, 7], [0, 255, 100]]]
    low, high = layer([0, 0, 0]), layer([255, 255, 255])
    assert codes_from_layers([first] + [low] * 7).tolist() == [[[0, 255, 7], [0, 0, 0]]]
    assert codes_from_layers([first] + [high] * 7).tolist() == [[[0, 255, 7], [255, 255, 255]]]


def test_whole_containers() -> None:
    assert codes_of(example()).tolist() == EXAMPLE_CODES
    cut = parse(build(example())[:-1], allow_truncated=True)
    assert codes_of(cut).tolist() == [[[10, 20, 30, 40], [250, 180, 170, 160]]]
    assert codes_of(small()).tolist() == [
        [[0, 129, 3, 3], [50, 60, 70, 80]],
        [[127, 127, 128, 8], [50, 60, 70, 80]],
    ]


def head(last_entry: int, palette: int, indices: int = 0, palette_length: int = 9) -> bytes:
    coding = {"palette": palette, "indices": indices}
    return build_box(LAYER_HEAD, last_entry=last_entry, coding=coding, palette_length=palette_length)


FIRST = [[1, 2, 3, 4], [5, 6, 7, 8]]


@pytest.mark.parametrize(
    ("layer", "position", "error", "text"),
    [
        (b"", 0, SdzTruncatedError, "layer 1: .*too early"),
        (b"\x01\x00", 0, SdzTruncatedError, "layer 1: .*too early"),
        (head(0, 0) + bytes(4), 0, SdzFormatError, "entries: .*found 1, expected 2 to 4096"),
        (head(4096, 0) + bytes(4097 * 4), 0, SdzFormatError, "entries: .*found 4097"),
        (head(65535, 0), 0, SdzFormatError, "entries: .*found 65536"),
        (head(4095, 0) + bytes(100), 0, SdzTruncatedError, "palette: .*100 bytes, expected 16384 bytes"),
        (head(1, 0) + bytes(7), 0, SdzTruncatedError, "palette: .*7 bytes, expected 8 bytes"),
        (head(1, 1) + bytes(8), 0, SdzTruncatedError, "palette: .*8 bytes, expected 9 bytes"),
        (b"\x01\x00\x10\x80", 0, SdzTruncatedError, "too early"),
        (b"\x01\x00\x10\x80\x80\x80\x80\x80", 0, SdzFormatError, "too many bytes"),
        (b"\x01\x00\x10\x88\x00" + bytes(9), 0, SdzFormatError, "shortest form"),
        *[(head(1, coding) + bytes(10), 0, SdzVersionError, "newer") for coding in range(2, 15)],
        *[(layer_body(FIRST, b"\x40", index_coding=coding), 0, SdzVersionError, "newer") for coding in range(3, 16)],
        (layer_body(FIRST, b""), 0, SdzFormatError, "0 bytes instead of 1"),
        (layer_body(FIRST, b"\x40\x00"), 0, SdzFormatError, "2 bytes instead of 1"),
        (layer_body(FIRST, b"\x41"), 0, SdzFormatError, "not zero"),
        (layer_body([*FIRST, [0] * 4], b"\xc0"), 0, SdzFormatError, "layer 1, indices: .*past the palette"),
        (layer_body(FIRST, deflate(bytes(3)), index_coding=1), 0, SdzFormatError, "wrong size"),
        (layer_body(FIRST, b"\x40"), 1, SdzFormatError, "layer 2, palette: .*must be zero"),
        (layer_body([[128, 128, 128, 127], [0] * 4], b"\x40"), 7, SdzFormatError, "layer 8, palette: .*must be zero"),
    ],
)
def test_damaged_layers(layer: bytes, position: int, error: type[SdzError], text: str) -> None:
    with pytest.raises(error, match=text):
        decode(layer, position)


@pytest.mark.parametrize("rest", [b"", b"\x40", b"\x05\x00\x40", bytes(20)])
def test_the_reserved_palette_coding_is_refused_as_newer(rest: bytes) -> None:
    """Drafts named palettes by number with it; what follows is not looked at."""
    with pytest.raises(SdzVersionError, match=r"^layer 3, palette coding: the file needs a newer .*found 15"):
        read_head(b"\x01\x00\xf0" + rest, 4, 2)


def test_compact_palettes_are_checked_by_their_own_coder() -> None:
    coding, coded = palette_coder.encode(np.repeat(np.arange(200, dtype=np.uint8)[:, None], 4, axis=1))
    assert coding == 1
    assert decode(head(199, 1, palette_length=len(coded)) + coded + bytes(2)).indices.tolist() == [[0, 0]]
    with pytest.raises(SdzFormatError):
        decode(head(199, 1, palette_length=len(coded) - 1) + coded + bytes(1))


def test_an_error_names_the_layer() -> None:
    with pytest.raises(SdzVersionError, match="layer 3, palette coding: "):
        decode(head(1, 7, palette_length=0), 2)
    with pytest.raises(SdzFormatError, match="layer 3, palette: "):
        decode(head(1, 1, palette_length=0), 2)
    damaged = layer_body([[128] * 4, [1, 2, 3, 4]], b"\0", index_coding=2)
    with pytest.raises(SdzFormatError, match="layer 3, indices: "):
        decode(damaged, 2)


def test_what_all_layers_ask_for_together_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    one = layer_body([[128] * 4, [1, 2, 3, 4]], b"", index_coding=2)
    stored = PAYLOAD.read([one] * 3, SHAPE, 3)
    monkeypatch.setattr(limits, "MAX_CONTEXT_FREQUENCIES", 3 * 2 * 2 - 1)
    with pytest.raises(SdzLimitError, match=r"layers: .* \(found 12 frequencies, expected at most 11\)"):
        stored.decode(NO_MODEL)
    monkeypatch.setattr(limits, "MAX_CONTEXT_FREQUENCIES", 3 * 2 * 2)
    stored.decode(NO_MODEL)


def test_the_encoder_stays_within_what_a_reader_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = Layer(np.array([[0] * 4, [9] * 4, [99] * 4], np.uint8), np.zeros((30, 40), np.uint16))
    coded = encode_layer(layer, layers=2)
    assert read_head(coded, 4).index_coding == 2
    monkeypatch.setattr(limits, "MAX_CONTEXT_FREQUENCIES", 2 * 30 * 40 * 3 - 1)
    assert read_head(encode_layer(layer, layers=2), 4).index_coding != 2
    assert encode_layer(layer, layers=1) == coded
