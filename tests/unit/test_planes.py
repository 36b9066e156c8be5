"""Lossless coding of byte planes."""

import numpy as np
import pytest
from numpy.typing import NDArray

from pillow_sdz.coding import planes
from pillow_sdz.coding.deflate import deflate
from pillow_sdz.coding.planes import decode_planes, encode_planes
from pillow_sdz.errors import SdzError, SdzFormatError, SdzTruncatedError, SdzVersionError

Planes = NDArray[np.uint8]


def decode(body: bytes, shape: tuple[int, int, int]) -> Planes:
    return decode_planes(body, shape, field="planes")


def undo_one_by_one(differences: Planes, coding: int) -> Planes:
    """The formulas of the specification, value by value."""
    v = np.zeros_like(differences)

    def at(p: int, y: int, x: int) -> int:
        return int(v[p, y, x]) if y >= 0 and x >= 0 else 0

    for p, y, x in np.ndindex(*v.shape):
        left, up, corner = at(p, y, x - 1), at(p, y - 1, x), at(p, y - 1, x - 1)
        guess = {planes.NONE: 0, planes.LEFT: left, planes.UP: up, planes.GRADIENT: left + up - corner}[coding]
        v[p, y, x] = (int(differences[p, y, x]) + guess) % 256
    return v


@pytest.mark.parametrize("coding", [planes.NONE, planes.LEFT, planes.UP, planes.GRADIENT])
def test_filters_follow_the_specification(coding: int) -> None:
    differences = np.random.default_rng(coding).integers(0, 256, (3, 5, 7), dtype=np.uint8)
    body = bytes([coding]) + deflate(differences.tobytes())
    expected = undo_one_by_one(differences, coding)
    assert (decode(body, (3, 5, 7)) == expected).all()
    assert (planes._filter(expected, coding) == differences).all()


@pytest.mark.parametrize("width", [1, 7, 8, 9, 16])
def test_bilevel_follows_the_specification(width: int) -> None:
    bits = np.random.default_rng(width).integers(0, 2, (2, 6, width))
    rows = [[int("".join(map(str, row)).ljust(-(-width // 8) * 8, "0"), 2) for row in plane] for plane in bits]
    packed = b"".join(
        (row ^ (plane[y - 1] if y else 0)).to_bytes(-(-width // 8), "big")
        for plane in rows
        for y, row in enumerate(plane)
    )
    expected = (bits * 255).astype(np.uint8)
    assert (decode(bytes([planes.BILEVEL]) + deflate(packed), expected.shape) == expected).all()
    assert planes._filter(expected, planes.BILEVEL).tobytes() == packed


def pictures() -> dict[int, Planes]:
    """For each coding, planes that it should be the smallest for."""
    rng = np.random.default_rng(5)
    noise = rng.integers(0, 256, (2, 40, 50), dtype=np.uint8)
    walk = rng.choice(np.array([0, 1, 255], np.uint8), (1, 80, 90))
    few = rng.choice(np.array([3, 97, 200], np.uint8), (1, 80, 90), p=[0.9, 0.05, 0.05])
    return {
        planes.RAW: noise,
        planes.CONSTANT: np.full((3, 40, 50), 9, np.uint8),
        planes.NONE: few,
        planes.LEFT: np.cumsum(walk, axis=2, dtype=np.uint8),
        planes.UP: np.cumsum(walk, axis=1, dtype=np.uint8),
        planes.GRADIENT: np.cumsum(np.cumsum(walk, axis=1, dtype=np.uint8), axis=2, dtype=np.uint8),
        planes.BILEVEL: rng.choice(np.array([0, 255], np.uint8), (2, 80, 91)),
    }


@pytest.mark.parametrize("coding", pictures())
@pytest.mark.parametrize("effort", [0, 4, 9])
def test_each_coding_is_chosen_and_round_trips(coding: int, effort: int) -> None:
    picture = pictures()[coding]
    before = picture.copy()
    body = encode_planes(picture, effort)
    assert body[0] == coding
    assert len(body) <= picture.size + 1
    decoded = decode(body, picture.shape)
    assert decoded.dtype == np.uint8
    assert decoded.flags.writeable
    assert (decoded == before).all()
    assert (picture == before).all()


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 9), (1, 9, 1), (64, 1, 1), (3, 2, 1), (1, 300, 2), (2, 2, 300)])
def test_odd_shapes(shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(1)
    for picture in (rng.integers(0, 256, shape, dtype=np.uint8), rng.integers(0, 2, shape).astype(np.uint8) * 255):
        assert (decode(encode_planes(picture.astype(np.uint8)), shape) == picture).all()


def test_large_planes_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planes, "_SAMPLE_VALUES", 2000)
    picture = pictures()[planes.GRADIENT]
    body = encode_planes(picture)
    assert body[0] == planes.GRADIENT
    assert (decode(body, picture.shape) == picture).all()


def test_determinism() -> None:
    picture = pictures()[planes.LEFT]
    assert encode_planes(picture) == encode_planes(picture.copy())


@pytest.mark.parametrize(
    "bad", [np.zeros((3, 3), np.uint8), np.zeros((1, 3, 3), np.int16), np.zeros((1, 0, 3), np.uint8)]
)
def test_encoder_refuses_other_arrays(bad: Planes) -> None:
    with pytest.raises(ValueError, match="planes must be"):
        encode_planes(bad)


@pytest.mark.parametrize(
    ("body", "error", "text"),
    [
        (b"", SdzTruncatedError, "too early"),
        (b"\x00" + bytes(11), SdzFormatError, "wrong length"),
        (b"\x00" + bytes(13), SdzFormatError, "wrong length"),
        (b"\x01", SdzFormatError, "wrong length"),
        (b"\x01ab", SdzFormatError, "wrong length"),
        (b"\x07" + bytes(12), SdzVersionError, "newer"),
        (b"\xff" + bytes(12), SdzVersionError, "newer"),
        (b"\x02" + bytes(12), SdzFormatError, "invalid"),
        (b"\x02", SdzTruncatedError, "too early"),
        (b"\x03" + deflate(bytes(11)), SdzFormatError, "wrong size"),
        (b"\x03" + deflate(bytes(13)), SdzFormatError, "wrong size"),
        (b"\x04" + deflate(bytes(12))[:-1], SdzTruncatedError, "too early"),
        (b"\x05" + deflate(bytes(12)) + b"x", SdzFormatError, "after the deflated"),
        (b"\x06" + deflate(bytes(12)), SdzFormatError, "wrong size"),
        (b"\x06" + deflate(b"\xf0\xf8\x80"), SdzFormatError, "after the end of a row"),
    ],
)
def test_damaged_bodies(body: bytes, error: type[SdzError], text: str) -> None:
    with pytest.raises(error, match=text) as caught:
        decode(body, (1, 3, 4))
    assert "planes" in str(caught.value.field)
