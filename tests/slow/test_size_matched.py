"""Other codecs at a given number of bytes: the best quality that fits, and smaller pictures where none does."""

from __future__ import annotations

import pytest
from PIL import Image

from pillow_sdz.evaluation import codecs, metrics


class Numbered(codecs.Codec):
    """A codec of which a file takes a byte for every pixel and quality."""

    def encode(self, image: Image.Image, quality: int) -> bytes:
        return bytes(image.width * image.height // 64 * max(1, quality))


@pytest.mark.parametrize(
    ("size", "stored", "quality"), [(10_000, 256, 9), (1024, 256, 1), (1023, 192, 1), (1, None, None)]
)
def test_pictures_are_reduced_only_where_no_quality_fits(
    size: int, stored: int | None, quality: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codecs, "decoded", lambda data: Image.new("RGB", (1, 1)))
    found = codecs.at_equal_or_fewer_bytes(Numbered("n", "N", "N", ()), Image.new("RGB", (256, 256)), size)
    if stored is None:
        assert found is None
    else:
        assert found is not None
        assert found.size <= size
        assert (found.stored, found.quality) == ((stored, stored), quality)


@pytest.mark.parametrize("name", ["jpeg", "webp"])
def test_a_file_is_of_at_most_that_size(name: str, chelsea: Image.Image) -> None:
    image = chelsea.crop((100, 60, 229, 157))
    codec = next(codec for codec in codecs.CODECS if codec.name == name)
    for size in (900, 2500):
        found = codecs.at_equal_or_fewer_bytes(codec, image, size)
        assert found is not None
        assert 0.3 * size < found.size <= size
        assert found.picture.size == image.size
        assert metrics.psnr(image, found.picture) > 15
