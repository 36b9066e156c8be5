"""Layer bodies, direct codes, and codes from either."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sample_files import EXAMPLE_CODES, example, header, layer_body, small

from pillow_sdz import limits
from pillow_sdz.coding.boxes import LAYER_HEAD, build_box
from pillow_sdz.coding.deflate import deflate
from pillow_sdz.container.header import Header
from pillow_sdz.container.sections import Container, build, parse
from pillow_sdz.errors import SdzError, SdzFormatError, SdzLimitError, SdzModelError, SdzTruncatedError, SdzVersionError
from pillow_sdz.payloads.palette import palette_coder as palette_coding
from pillow_sdz.payloads.palette.layers import (
    Layer,
    codes_from_layers,
    decode_codes,
    decode_direct,
    decode_layer,
    encode_direct,
    encode_layer,
    read_head,
)

Codes = NDArray[np.uint8]


def head_for(h: int, w: int, channels: int, **changes: object) -> Header:
    fields = {"width": w * 8, "height": h * 8, "latent_width": w, "latent_height": h, "channels": channels}
    return header(**{**fields, "mode": "RGB", **changes})


def random_layer(entries: int, channels: int, position: int = 0) -> Layer:
    rng = np.random.default_rng(entries + channels)
    palette = rng.integers(0, 256, (entries, channels), dtype=np.uint8)
    if position:
        palette[0] = 128
    return Layer(palette, None, rng.integers(0, entries, (9, 11)).astype(np.uint16))


@pytest.mark.parametrize("entries", [2, 3, 256, 300, 4096])
@pytest.mark.parametrize("channels", [1, 4, 64])
@pytest.mark.parametrize("position", [0, 3])
def test_layers_round_trip(entries: int, channels: int, position: int) -> None:
    layer = random_layer(entries, channels, position)
    assert layer.palette is not None
    for effort in (0, 4):
        body = encode_layer(layer, effort=effort)
        decoded = decode_layer(body, head_for(9, 11, channels), position)
        assert decoded.palette is not None
        assert (decoded.palette == layer.palette).all()
        assert (decoded.indices == layer.indices).all()
        assert decoded.palette_number is None
        head = read_head(body, head_for(9, 11, channels))
        assert head.entries == entries
        assert head.palette_number is None


def test_palette_by_number() -> None:
    layer = random_layer(40, 4)
    palette = layer.palette
    assert palette is not None
    for named in (Layer(palette, 777, layer.indices), Layer(None, 777, layer.indices)):
        body = encode_layer(named, model_palette=palette)
        assert len(body) < len(encode_layer(layer)) - 40
        assert read_head(body, head_for(9, 11, 4)).palette_number == 777
        asked: list[int] = []

        def lookup(number: int, asked: list[int] = asked) -> Codes:
            asked.append(number)
            return palette

        decoded = decode_layer(body, head_for(9, 11, 4), palette_lookup=lookup)
        assert asked == [777]
        assert decoded.palette_number == 777
        assert decoded.palette is palette
        assert (decoded.indices == layer.indices).all()


def test_palette_by_number_without_or_with_another_model() -> None:
    layer = random_layer(40, 4)
    body = encode_layer(Layer(layer.palette, 777, layer.indices))
    with pytest.raises(SdzModelError, match=r"f: layer 1, palette: .*no model is at hand"):
        decode_layer(body, head_for(9, 11, 4), file="f")
    for shape in ((39, 4), (40, 3)):
        with pytest.raises(SdzModelError, match="another shape"):
            decode_layer(body, head_for(9, 11, 4), palette_lookup=lambda _, shape=shape: np.zeros(shape, np.uint8))


def test_encoder_needs_a_palette_that_fits() -> None:
    indices = np.zeros((2, 2), np.uint16)
    with pytest.raises(ValueError, match="has no palette"):
        encode_layer(Layer(None, 3, indices))
    for shape in ((1, 4), (4097, 4), (2, 0), (2, 65)):
        with pytest.raises(ValueError, match="cannot hold"):
            encode_layer(Layer(np.zeros(shape, np.uint8), None, indices))


def test_codes_are_summed_then_clipped() -> None:
    def layer(vector: list[int]) -> Layer:
        return Layer(np.array([[128, 128, 128], vector], np.uint8), None, np.array([[0, 1]], np.uint16))

    first = Layer(np.array([[5, 250, 100], [0, 255, 7]], np.uint8), None, np.array([[1, 0]], np.uint16))
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
    assert decode_codes(example()).tolist() == EXAMPLE_CODES
    cut = parse(build(example())[:-1], allow_truncated=True)
    assert decode_codes(cut).tolist() == [[[10, 20, 30, 40], [250, 180, 170, 160]]]
    assert decode_codes(small()).tolist() == [
        [[0, 129, 3, 3], [50, 60, 70, 80]],
        [[127, 127, 128, 8], [50, 60, 70, 80]],
    ]


@pytest.mark.parametrize("shape", [(9, 11, 4), (1, 1, 1), (5, 4, 64)])
def test_direct_codes_round_trip(shape: tuple[int, int, int]) -> None:
    codes = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    head = head_for(*shape, payload="direct", layer_count=1)
    for effort in (0, 4, 9):
        body = encode_direct(codes, effort)
        assert len(body) <= codes.size + 1
        assert (decode_direct(body, head) == codes).all()
        whole = parse(build(Container(head, [body])))
        assert (decode_codes(whole) == codes).all()


def test_direct_codes_are_planes_of_channels() -> None:
    head = head_for(1, 2, 3, payload="direct", layer_count=1)
    assert decode_direct(b"\x00abcdef", head).tolist() == [[[97, 99, 101], [98, 100, 102]]]


def body(last_entry: int, palette: int, indices: int, rest: bytes) -> bytes:
    fields = {"last_entry": last_entry, "coding": {"palette": palette, "indices": indices}}
    return build_box(LAYER_HEAD, **fields, palette_number=5, palette_length=9) + rest


FIRST = [[1, 2, 3, 4], [5, 6, 7, 8]]


@pytest.mark.parametrize(
    ("layer", "position", "error", "text"),
    [
        (b"", 0, SdzTruncatedError, "layer 1: .*too early"),
        (b"\x01\x00", 0, SdzTruncatedError, "layer 1: .*too early"),
        (body(0, 0, 0, bytes(4)), 0, SdzFormatError, "entries: .*found 1, expected 2 to 4096"),
        (body(4096, 0, 0, bytes(4097 * 4)), 0, SdzFormatError, "entries: .*found 4097"),
        (body(65535, 0, 0, b""), 0, SdzFormatError, "entries: .*found 65536"),
        (body(4095, 0, 0, bytes(100)), 0, SdzTruncatedError, "palette: .*100 bytes, expected 16384 bytes"),
        (body(1, 0, 0, bytes(7)), 0, SdzTruncatedError, "palette: .*7 bytes, expected 8 bytes"),
        (body(1, 1, 0, bytes(8)), 0, SdzTruncatedError, "palette: .*8 bytes, expected 9 bytes"),
        (body(1, 15, 0, b"")[:-1], 0, SdzTruncatedError, "too early"),
        (b"\x01\x00\x10\x80", 0, SdzTruncatedError, "too early"),
        (b"\x01\x00\x10\x80\x80\x80\x80\x80", 0, SdzFormatError, "too many bytes"),
        (b"\x01\x00\x10\x88\x00" + bytes(9), 0, SdzFormatError, "shortest form"),
        *[(body(1, coding, 0, bytes(10)), 0, SdzVersionError, "newer") for coding in range(2, 15)],
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
    with pytest.raises(error, match=text) as caught:
        decode_layer(layer, header(), position, file="f.sdz")
    assert caught.value.file == "f.sdz"


def test_the_residual_rule_holds_for_palettes_by_number_too() -> None:
    by_number = body(1, 15, 0, b"\x40")
    with pytest.raises(SdzFormatError, match="must be zero"):
        decode_layer(by_number, header(), 1, palette_lookup=lambda _: np.array(FIRST, np.uint8))
    zero_first = np.array([[128] * 4, [1, 2, 3, 4]], np.uint8)
    assert decode_layer(by_number, header(), 1, palette_lookup=lambda _: zero_first).palette is zero_first


def test_compact_palettes_are_checked_by_their_own_coder() -> None:
    coded = palette_coding.encode(np.repeat(np.arange(200, dtype=np.uint8)[:, None], 4, axis=1))
    assert coded[0] == 1
    fields = {"last_entry": 199, "coding": {"palette": 1, "indices": 0}, "palette_number": None}
    whole = build_box(LAYER_HEAD, **fields, palette_length=len(coded[1])) + coded[1] + bytes(2)
    assert decode_layer(whole, header()).indices.tolist() == [[0, 0]]
    short = build_box(LAYER_HEAD, **fields, palette_length=len(coded[1]) - 1) + coded[1] + bytes(1)
    with pytest.raises(SdzFormatError):
        decode_layer(short, header())


def test_an_error_names_the_layer() -> None:
    fields = {"last_entry": 1, "palette_number": None}
    unknown = build_box(LAYER_HEAD, **fields, coding={"palette": 7, "indices": 0}, palette_length=0)
    with pytest.raises(SdzVersionError, match="layer 3, palette coding: "):
        decode_layer(unknown, header(), 2)
    cut = build_box(LAYER_HEAD, **fields, coding={"palette": 1, "indices": 0}, palette_length=0)
    with pytest.raises(SdzFormatError, match="layer 3, palette: "):
        decode_layer(cut, header(), 2)
    damaged = layer_body([[128] * 4, [1, 2, 3, 4]], b"\0", index_coding=2)
    with pytest.raises(SdzFormatError, match="layer 3, indices: "):
        decode_layer(damaged, header(), 2)


def test_what_all_layers_ask_for_together_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    palette = [[128] * 4, [1, 2, 3, 4]]
    one = layer_body(palette, b"", index_coding=2)
    container = Container(header=header(), layers=[one] * 3)
    monkeypatch.setattr(limits, "MAX_CONTEXT_FREQUENCIES", 3 * 2 * 2 - 1)
    with pytest.raises(SdzLimitError, match=r"layers: .* \(found 12 frequencies, expected at most 11\)"):
        decode_codes(container)
    monkeypatch.setattr(limits, "MAX_CONTEXT_FREQUENCIES", 3 * 2 * 2)
    decode_codes(container)


def test_the_encoder_stays_within_what_a_reader_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = Layer(np.array([[0] * 4, [9] * 4, [99] * 4], np.uint8), None, np.zeros((30, 40), np.uint16))
    coded = encode_layer(layer, layers=2)
    assert read_head(coded, head_for(30, 40, 4), 0).index_coding == 2
    monkeypatch.setattr(limits, "MAX_CONTEXT_FREQUENCIES", 2 * 30 * 40 * 3 - 1)
    assert read_head(encode_layer(layer, layers=2), head_for(30, 40, 4), 0).index_coding != 2
    assert encode_layer(layer, layers=1) == coded
