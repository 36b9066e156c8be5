"""Lossless coding of byte planes, for the alpha plane and for direct codes: a filter, then DEFLATE.

A filter replaces each value by its difference, modulo 256, from a prediction: the value on the left, the one above, or
left + above - above left (gradient). All of them are undone by cumulative sums along rows and columns, so decoding
needs no loop over values. On natural and synthetic alpha planes the gradient filter beat a median predictor akin to
PNG's Paeth filter, which is not linear and cannot be undone that way. `spec/sdz.md` lists the codings (Plane coding).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pillow_sdz.coding.boxes import CODED_HEAD, build_box, parse_box
from pillow_sdz.coding.deflate import deflate, inflate
from pillow_sdz.errors import NEEDS_NEWER_VERSION, SdzFormatError, SdzVersionError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


RAW: Final = 0
"""Codings 0, 1, ..: the first byte of what `encode_planes` returns. `NONE` to `BILEVEL` are deflated."""

CONSTANT: Final = 1
NONE: Final = 2
LEFT: Final = 3
UP: Final = 4
GRADIENT: Final = 5
BILEVEL: Final = 6

_FILTERS: Final = (NONE, LEFT, UP, GRADIENT)
_SAMPLE_VALUES: Final = 1 << 20
"""About how many values the filters are compared on: enough to find the best one, few enough to try them all."""

_BANDS: Final = 8
"""How many bands of successive rows these values come from."""


def encode_planes(planes: NDArray[np.uint8], effort: int = 4) -> bytes:
    """Code byte planes without loss: the smallest result of the codings that can hold them.

    Args:
        planes: shape (P, H, W), uint8; P, H and W are at least 1.
        effort: 0 (fast) to 9 (small); below 7 the filter is chosen on a sample.

    Returns:
        One byte that names the coding, then the coded bytes.

    Raises:
        ValueError: another shape or type, or no values.
    """
    if planes.ndim != 3 or planes.dtype != np.uint8 or planes.size == 0:
        raise ValueError(f"planes must be uint8 of shape (P, H, W), not {planes.dtype} of {planes.shape}")
    first = planes[:, :1, :1]
    if (planes == first).all():
        candidates = [(CONSTANT, first.tobytes())]
    else:
        filters: Iterable[int] = _FILTERS if effort >= 7 else (_best_filter(planes),)
        candidates = [(RAW, planes.tobytes())]
        candidates += [(coding, deflate(_filter(planes, coding).tobytes(), effort)) for coding in filters]
        if (planes == (planes >> 7) * np.uint8(255)).all():
            candidates.append((BILEVEL, deflate(_filter(planes, BILEVEL).tobytes(), effort)))
    coding, coded = min(candidates, key=lambda candidate: (len(candidate[1]), candidate[0]))
    return build_box(CODED_HEAD, coding=coding) + coded


def decode_planes(body: bytes, shape: tuple[int, int, int], *, field: str) -> NDArray[np.uint8]:
    """Undo `encode_planes`.

    Args:
        body: the coding byte and the coded bytes.
        shape: (P, H, W), from the checked header.
        field: the section or layer that errors name.

    Returns:
        uint8 array of that shape, writable.

    Raises:
        SdzFormatError: the bytes do not give exactly these planes.
        SdzVersionError: the coding is unknown.
    """
    coding = parse_box(CODED_HEAD, body, 0, field=field).coding
    count, height, width = shape
    coded = memoryview(body)[CODED_HEAD.sizeof() :]
    if coding in (RAW, CONSTANT):
        size = count * height * width if coding == RAW else count
        if len(coded) != size:
            raise SdzFormatError(
                "has the wrong length", field=field, found=f"{len(coded)} bytes", expected=f"{size} bytes"
            )
        values = np.frombuffer(coded, np.uint8)
        return values.reshape(shape).copy() if coding == RAW else np.broadcast_to(values[:, None, None], shape).copy()
    if coding == BILEVEL:
        row_bytes = -(-width // 8)
        packed = _writable(inflate(coded, count * height * row_bytes, field=field), (count, height, row_bytes))
        np.bitwise_xor.accumulate(packed, axis=1, out=packed)
        if width % 8 and (packed[:, :, -1] & (0xFF >> width % 8)).any():
            raise SdzFormatError("the bits after the end of a row are not zero", field=field)
        return np.unpackbits(packed, axis=2, count=width) * np.uint8(255)
    if coding not in _FILTERS:
        raise SdzVersionError(NEEDS_NEWER_VERSION, field=f"{field} coding", found=coding)
    planes = _writable(inflate(coded, count * height * width, field=field), shape)
    if coding in (UP, GRADIENT):
        np.add.accumulate(planes, axis=1, out=planes)
    if coding in (LEFT, GRADIENT):
        np.add.accumulate(planes, axis=2, out=planes)
    return planes


def _writable(data: bytes, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Bytes as an array that may be changed in place."""
    return np.frombuffer(bytearray(data), np.uint8).reshape(shape)


def _filter(planes: NDArray[np.uint8], coding: int) -> NDArray[np.uint8]:
    """What a coding deflates: differences along rows, columns or both (outside the plane values are 0), or bits."""
    if coding == BILEVEL:
        packed = np.packbits(planes >> 7, axis=2)
        packed[:, 1:] ^= packed[:, :-1].copy()
        return packed
    out = planes.copy()
    if coding in (UP, GRADIENT):
        out[:, 1:] -= planes[:, :-1]
    if coding in (LEFT, GRADIENT):
        out[:, :, 1:] -= out[:, :, :-1].copy()
    return out


def _best_filter(planes: NDArray[np.uint8]) -> int:
    """The filter whose output deflates to the fewest bytes on bands of rows, spread evenly over the planes."""
    count, height, width = planes.shape
    rows = max(2, _SAMPLE_VALUES // (count * width * _BANDS))
    if rows * _BANDS >= height:
        sample = planes
    else:
        starts = np.linspace(0, height - rows, _BANDS).astype(int)
        sample = np.concatenate([planes[:, start : start + rows] for start in starts], axis=1)
    return min(_FILTERS, key=lambda coding: len(deflate(_filter(sample, coding).tobytes(), 1)))


def encode_alpha(alpha: NDArray[np.uint8], effort: int = 4) -> bytes:
    """Code an alpha plane without loss.

    Args:
        alpha: shape (H, W), 0 (transparent) to 255 (opaque).
        effort: 0 (fast) to 9 (small).

    Returns:
        The body of the alpha section.

    >>> import numpy as np
    >>> encode_alpha(np.full((3000, 4000), 255, np.uint8))
    b'\\x01\\xff'
    """
    return encode_planes(alpha[None], effort)


def decode_alpha(body: bytes, width: int, height: int) -> NDArray[np.uint8]:
    """Decode the body of the alpha section.

    Args:
        body: the body.
        width: picture width in pixels, from the checked header.
        height: picture height in pixels, from the checked header.

    Returns:
        Shape (height, width), 0 to 255.

    Raises:
        SdzFormatError: the body does not give exactly one plane of this size.
        SdzVersionError: the coding is unknown.
    """
    plane: NDArray[np.uint8] = decode_planes(body, (1, height, width), field="alpha")[0]
    return plane
