"""vignette makes the thumbnails that file managers share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PIL import Image
from programs import PICTURE, PROCESS, SIZE, is_picture

if TYPE_CHECKING:
    from pathlib import Path

    from environments import LightEnvironment


@pytest.mark.slow
def test_vignette(environment: LightEnvironment, tmp_path: Path) -> None:
    """libmagic, which vignette asks first, does not know the format; the second line lets Pillow decide."""
    path = environment.code(
        """
        import sys
        import pillow_sdz, vignette
        vignette.FILTER_MIMETYPES = False
        print(vignette.get_thumbnail(sys.argv[1], "normal"))
        """,
        PICTURE,
        env=PROCESS | {"XDG_CACHE_HOME": str(tmp_path)},
    ).stdout.strip()
    with Image.open(path) as image:
        assert image.info["Thumb::URI"] == PICTURE.as_uri()
        assert (image.info["Thumb::Image::Width"], image.info["Thumb::Image::Height"]) == tuple(map(str, SIZE))
        assert max(image.size) == 128
        assert is_picture(image, tolerance=2)
