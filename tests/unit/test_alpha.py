"""The alpha section."""

from __future__ import annotations

import numpy as np
import pytest

from pillow_sdz.coding.planes import decode_alpha, encode_alpha
from pillow_sdz.errors import SdzFormatError


@pytest.mark.parametrize("effort", range(10))
def test_round_trip(effort: int) -> None:
    y, x = np.mgrid[:61, :47]
    soft = np.clip(255 * (25 - np.hypot(x - 20, y - 30)) / 8, 0, 255).astype(np.uint8)
    body = encode_alpha(soft, effort)
    assert len(body) < soft.size / 3
    decoded = decode_alpha(body, 47, 61)
    assert decoded.shape == (61, 47)
    assert (decoded == soft).all()


def test_cut_outs_are_small() -> None:
    y, x = np.mgrid[:512, :512]
    disc = (np.hypot(x - 250, y - 260) < 200) * np.uint8(255)
    assert len(encode_alpha(disc)) < 1200


def test_opaque_takes_two_bytes() -> None:
    assert encode_alpha(np.full((100, 100), 255, np.uint8)) == b"\x01\xff"
    assert (decode_alpha(b"\x01\x07", 3, 2) == 7).all()


def test_views_can_be_encoded() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (8, 9, 4), dtype=np.uint8)
    alpha = picture[::-1, :, 3]
    assert (decode_alpha(encode_alpha(alpha), 9, 8) == alpha).all()


def test_size_must_fit() -> None:
    body = encode_alpha(np.random.default_rng(0).integers(0, 256, (8, 9), dtype=np.uint8))
    with pytest.raises(SdzFormatError, match=r"^alpha: "):
        decode_alpha(body, 9, 9)
