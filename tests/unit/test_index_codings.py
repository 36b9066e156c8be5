"""Index planes: each coding, and the choice among them."""

import numpy as np
import pytest
from numpy.typing import NDArray

from pillow_sdz.coding.bitpack import bits_for, pack
from pillow_sdz.coding.deflate import deflate
from pillow_sdz.errors import SdzError, SdzFormatError, SdzTruncatedError, SdzVersionError
from pillow_sdz.payloads.palette import context_index_coder, index_codings
from pillow_sdz.payloads.palette.index_codings import CONTEXT, DEFLATE, RAW, decode, encode

Indices = NDArray[np.uint16]
ENTRIES = [2, 3, 16, 17, 255, 256, 257, 1000, 4096]


def palette(entries: int) -> NDArray[np.uint8]:
    return np.random.default_rng(entries).integers(0, 256, (entries, 4), dtype=np.uint8)


def plane(entries: int, kind: str) -> Indices:
    """An index plane that reaches the last entry."""
    rng = np.random.default_rng(entries)
    if kind == "noise":
        indices = rng.integers(0, entries, (23, 31))
    elif kind == "flat":
        indices = np.zeros((23, 31), int)
    else:
        y, x = np.mgrid[:23, :31]
        indices = (y * 5 + x // 3 + rng.integers(0, 2, y.shape)) % entries
    indices[-1, -1] = entries - 1
    return indices.astype(np.uint16)


@pytest.mark.parametrize("entries", ENTRIES)
@pytest.mark.parametrize("kind", ["noise", "flat", "smooth"])
@pytest.mark.parametrize("effort", [0, 1, 4])
def test_round_trip(entries: int, kind: str, effort: int) -> None:
    indices, colours = plane(entries, kind), palette(entries)
    coding, data = encode(indices, colours, effort)
    assert coding in (RAW, DEFLATE, CONTEXT)
    assert effort >= 2 or coding != CONTEXT
    assert len(data) <= len(pack(indices, bits_for(entries)))
    decoded = decode(coding, data, indices.shape, colours)
    assert decoded.dtype == np.uint16
    assert (decoded == indices).all()


@pytest.mark.parametrize("entries", ENTRIES)
def test_each_coding_decodes_by_its_definition(entries: int) -> None:
    indices, colours = plane(entries, "smooth"), palette(entries)
    packed = pack(indices, bits_for(entries))
    flat = bytes(indices.ravel().tolist()) if entries <= 256 else packed
    for coding, data in (
        (RAW, packed),
        (DEFLATE, deflate(flat)),
        (CONTEXT, context_index_coder.encode(indices, colours)),
    ):
        assert (decode(coding, data, indices.shape, colours) == indices).all()


@pytest.mark.parametrize(("context_size", "chosen"), [(9, CONTEXT), (10, DEFLATE), (11, DEFLATE)])
def test_smallest_wins_and_the_lowest_id_among_equals(
    monkeypatch: pytest.MonkeyPatch, context_size: int, chosen: int
) -> None:
    monkeypatch.setattr(index_codings, "deflate", lambda data, effort: bytes(10))
    monkeypatch.setattr(context_index_coder, "encode", lambda indices, palette: bytes(context_size))
    assert encode(np.zeros((8, 11), np.uint16), palette(2))[0] == chosen  # 11 bytes raw
    assert encode(np.zeros((8, 10), np.uint16), palette(2))[0] == (CONTEXT if context_size < 10 else RAW)


def test_low_effort_leaves_the_context_coder_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context_index_coder, "encode", lambda indices, palette: b"")
    assert encode(plane(16, "smooth"), palette(16), effort=1)[0] != CONTEXT
    assert encode(plane(16, "smooth"), palette(16), effort=2)[0] == CONTEXT


@pytest.mark.parametrize("bad", [np.full((2, 2), 5, np.uint16), np.zeros(4, np.uint16), np.zeros((0, 2), np.uint16)])
def test_encoder_refuses_indices_that_do_not_fit(bad: Indices) -> None:
    with pytest.raises(ValueError, match="below 5"):
        encode(bad, palette(5))


@pytest.mark.parametrize(
    ("coding", "data", "entries", "error", "text"),
    [
        (RAW, b"\x1f\x00", 3, SdzFormatError, "past the palette"),
        (RAW, b"\x1b\xb0", 3, SdzFormatError, "past the palette"),
        (RAW, b"\x10\x01", 3, SdzFormatError, "not zero"),
        (RAW, b"\x10", 3, SdzFormatError, "1 bytes instead of 2"),
        (RAW, b"\x10\x00\x00", 3, SdzFormatError, "3 bytes instead of 2"),
        (RAW, b"", 3, SdzFormatError, "0 bytes instead of 2"),
        (DEFLATE, deflate(b"\x00\x01\x02\x03\x00\x00"), 3, SdzFormatError, "past the palette"),
        (DEFLATE, deflate(b"\x00\x01\x02\xff\x00\x00"), 3, SdzFormatError, "past the palette"),
        (DEFLATE, deflate(bytes(5)), 3, SdzFormatError, "wrong size"),
        (DEFLATE, deflate(bytes(7)), 3, SdzFormatError, "wrong size"),
        (DEFLATE, deflate(bytes(10**6)), 3, SdzFormatError, "wrong size"),
        (DEFLATE, deflate(bytes(6)) + b"x", 3, SdzFormatError, "after the deflated"),
        (DEFLATE, deflate(bytes(6))[:-1], 3, SdzTruncatedError, "too early"),
        (DEFLATE, b"", 3, SdzTruncatedError, "too early"),
        (DEFLATE, deflate(bytes(6)), 300, SdzFormatError, "wrong size"),  # 300 entries: packed, 7 bytes
        (DEFLATE, deflate(b"\xff" * 6 + b"\xfc"), 300, SdzFormatError, "past the palette"),
        (DEFLATE, deflate(bytes(6) + b"\x01"), 300, SdzFormatError, "not zero"),
        *[(coding, b"\x10\x00", 3, SdzVersionError, "newer") for coding in range(3, 16)],
    ],
)
def test_damaged_planes(coding: int, data: bytes, entries: int, error: type[SdzError], text: str) -> None:
    with pytest.raises(error, match=text) as caught:
        decode(coding, data, (2, 3), palette(entries), field="layer 1, indices")
    assert str(caught.value).startswith("layer 1, indices")


def test_context_decoder_is_not_trusted_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context_index_coder, "decode", lambda data, shape, palette, field: np.full(shape, 3, np.uint16))
    with pytest.raises(SdzFormatError, match="past the palette"):
        decode(CONTEXT, b"", (2, 3), palette(3))
