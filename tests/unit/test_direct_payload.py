"""Direct payloads: the codes, channel after channel."""

from __future__ import annotations

import numpy as np
import pytest
from sample_files import header
from scalar_samples import PriorOnly

from pillow_sdz.container.sections import Container, build, parse
from pillow_sdz.errors import SdzOptionError
from pillow_sdz.payloads.direct.payload import PAYLOAD, DirectPlan, decode_direct, encode_direct

NO_MODEL = PriorOnly(None)


@pytest.mark.parametrize("shape", [(9, 11, 4), (1, 1, 1), (5, 4, 64)])
def test_round_trip(shape: tuple[int, int, int]) -> None:
    codes = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    height, width, channels = shape
    head = header(
        mode="RGB", payload="direct", layer_count=1, channels=channels,
        height=8 * height, width=8 * width, latent_height=height, latent_width=width,
    )  # fmt: skip
    for effort in (0, 4, 9):
        body = encode_direct(codes, effort)
        assert len(body) <= codes.size + 1
        assert (decode_direct(body, shape) == codes).all()
        whole = parse(build(Container(head, [body])))
        stored = PAYLOAD.read(whole.layers, whole.header.latent_shape, whole.header.noise)
        assert (stored.decode(NO_MODEL) == codes).all()


def test_codes_are_planes_of_channels() -> None:
    assert decode_direct(b"\x00abcdef", (1, 2, 3)).tolist() == [[[97, 99, 101], [98, 100, 102]]]


def test_a_target_size_is_met_or_an_error() -> None:
    assert PAYLOAD.fit_target(100, lambda _: 100, (1, 2, 3)) == DirectPlan()
    with pytest.raises(SdzOptionError, match=r"target_size: .*found 99 bytes, expected at least 100 bytes"):
        PAYLOAD.fit_target(99, lambda _: 100, (1, 2, 3))
