"""Files whose end is missing: what ``allow_truncated`` accepts."""

from __future__ import annotations

import dataclasses

import pytest
from sample_files import assemble, example

from pillow_sdz.container.framing import ALPHA, LAYER
from pillow_sdz.container.header import HEADER_BYTES
from pillow_sdz.container.sections import build, parse
from pillow_sdz.errors import SdzError, SdzFormatError
from pillow_sdz.payloads.protocol import Truncation

LAYERS = [(LAYER, body) for body in example().layers]
ALPHA_SECTION = (ALPHA, b"\x01\xff")
TEXT_SECTION = (0x85, b"\x00\x00\x00")
HEAD = build(example())[:HEADER_BYTES]


def test_truncated_files_keep_their_whole_layers() -> None:
    data = build(example())
    first_layer_ends = data.index(LAYERS[0][1]) + len(LAYERS[0][1]) + 4
    for end in range(len(data)):
        if end < first_layer_ends:
            with pytest.raises(SdzFormatError):
                parse(data[:end], allow_truncated=True)
        else:
            parsed = parse(data[:end], allow_truncated=True)
            part = example().layers[1][: max(0, end - first_layer_ends - 2)]
            expected = dataclasses.replace(example(), layers=example().layers[:1], truncation=Truncation(1, part))
            assert parsed == expected
            with pytest.raises(SdzFormatError, match=r"1 of 2 layers arrived.*LOAD_TRUNCATED_IMAGES"):
                parse(data[:end])
    assert parse(data, allow_truncated=True) == example()


def test_truncated_mode_also_drops_damaged_layers_but_nothing_else() -> None:
    data = build(example())
    damaged = bytearray(data)
    damaged[-6] ^= 1
    assert parse(bytes(damaged), allow_truncated=True).truncation == Truncation(1)
    for offset in range(HEADER_BYTES, data.index(LAYERS[0][1]) + len(LAYERS[0][1])):
        damaged = bytearray(data)
        damaged[offset] ^= 1
        with pytest.raises(SdzError):
            parse(bytes(damaged), allow_truncated=True)
    with pytest.raises(SdzFormatError, match="after the last layer"):
        parse(data + b"x", allow_truncated=True)
    with pytest.raises(SdzFormatError, match="only layers"):
        parse(assemble(HEAD, ALPHA_SECTION, LAYERS[0], TEXT_SECTION), allow_truncated=True)
