"""Files whose last layers are missing: refused, or shown with ``LOAD_TRUNCATED_IMAGES``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from in_memory import assert_pixels, opened
from PIL import ImageFile
from toy_files import file_of

from pillow_sdz import errors
from pillow_sdz.errors import SdzError

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = pytest.mark.usefixtures("toy")


def layered(rgb: NDArray[np.uint8]) -> tuple[bytes, bytes]:
    """A file of two layers, and the same cut within the second."""
    data = file_of(rgb, layers=2)
    return data, data[:-10]


def test_layers(rgb: NDArray[np.uint8]) -> None:
    data, cut = layered(rgb)
    image = opened(data)
    assert image.info["layers"] == 2
    assert_pixels(image, rgb)
    with pytest.raises(errors.SdzTruncatedError):
        opened(cut)


def test_truncated_files_on_request(rgb: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch) -> None:
    _, cut = layered(rgb)
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    image = opened(cut)
    assert image.info["layers"] == 1
    assert len(image.info["colors"]) == 1
    with pytest.warns(UserWarning, match="1 of 2 layers"):
        assert_pixels(image, rgb & np.uint8(0xC0) | np.uint8(0x20))
    image = opened(cut)
    with pytest.raises(errors.SdzTruncatedError):
        image.verify()
    with pytest.raises(SdzError):  # not a single layer
        opened(file_of(rgb)[:-10])


def test_parser_of_a_truncated_file_on_request(rgb: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch) -> None:
    data, cut = layered(rgb)
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with ImageFile.Parser() as parser:  # whole: no warning, though half of it once looked truncated
        for start in range(0, len(data), 20):
            parser.feed(data[start : start + 20])
    assert_pixels(parser.close(), rgb)
    parser = ImageFile.Parser()
    parser.feed(cut)
    with pytest.warns(UserWarning, match="1 of 2 layers"):
        parser.close()
