"""Codecs: which are available, and searches for the best file within a size."""

from __future__ import annotations

import io
import sys

import pytest
from bench_samples import CODEC, picture
from PIL import Image, features

from pillow_sdz.evaluation import codecs
from pillow_sdz.evaluation.codecs import Codec
from tools.bench import plots


@pytest.fixture
def no_avif(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Pillow without AVIF."""
    check = features.check
    monkeypatch.setattr(features, "check", lambda name: name != "avif" and check(name))


SIZES = [10, 20, 30, 30, 50, 49, 70, 80]
"""Bytes of the files of `Steps` by quality."""


class Steps(Codec):
    """A codec whose files have known sizes."""

    def encode(self, image: Image.Image, quality: int) -> bytes:
        """As many bytes as `SIZES` says."""
        return bytes(SIZES[quality])


@pytest.mark.parametrize(("size", "quality"), [(9, 0), (10, 0), (29, 1), (30, 3), (49, 3), (50, 5), (70, 6), (1000, 7)])
def test_the_largest_file_not_above_a_size(size: int, quality: int) -> None:
    found = codecs.largest_not_above(Steps("s", "S", "S", (), 0, 7), picture(), size)
    assert (found.quality, len(found.data)) == (quality, SIZES[quality])
    assert len(found.data) <= size or quality == 0


def test_the_search_on_a_real_format() -> None:
    image, webp = picture(), CODEC["webp"]
    size = len(webp.encode(image, 40)) + 1
    found = codecs.largest_not_above(webp, image, size)
    assert len(found.data) <= size
    assert found.quality >= 40
    assert found.data == webp.encode(image, found.quality)


def test_what_is_missing_is_skipped_with_a_way_to_install_it(monkeypatch: pytest.MonkeyPatch, no_avif: None) -> None:
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    found, skipped = codecs.available(["avif", "jxl", "jpeg"], {"model": "tiny"})
    assert [codec.name for codec in found] == ["sdz", "jpeg"]
    assert found[0].options == {"model": "tiny"}
    assert len(skipped) == 2
    assert "AVIF is not measured" in skipped[0]
    assert "pip install pillow-jxl-plugin" in skipped[1]
    with pytest.raises(ValueError, match="gif"):
        codecs.available(["gif"])


def test_every_format_can_be_drawn() -> None:
    assert plots.STYLES.keys() == CODEC.keys()
    assert len({(s["color"]) for s in plots.STYLES.values()}) == len({s["marker"] for s in plots.STYLES.values()}) == 5


def test_decoded_is_always_rgb() -> None:
    buffer = io.BytesIO()
    Image.new("L", (3, 2), 7).save(buffer, "PNG")
    assert codecs.decoded(buffer.getvalue()).mode == "RGB"
