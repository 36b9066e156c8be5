"""sigal makes a gallery of .sdz photos, which a browser shows."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from chromium import launched
from PIL import Image
from programs import PICTURE, PROCESS, difference, is_picture, script

import pillow_sdz

if TYPE_CHECKING:
    from pathlib import Path

    from environments import LightEnvironment

pytestmark = pytest.mark.slow

TRANSPARENT = PICTURE.parents[1] / "scalar_coarse" / "file.sdz"
SHOWN = ("astronaut", "opaque", "transparent")

SETTINGS = """
source = "photos"
destination = "site"
theme = "colorbox"
title = "Photos"
img_extensions = [".sdz", ".jpg", ".jpeg", ".png"]
img_format = "JPEG"
"""

WITH_IMPORT = f'__import__("pillow_sdz")\n{SETTINGS}'
"""An import statement would not do: sigal passes all names of this file to other processes, and modules cannot be."""


def build(environment: LightEnvironment, folder: Path, settings: str) -> Path:
    """Run sigal with two processes over ``folder``/photos; the folder with its pages."""
    (folder / "sigal.conf.py").write_text(settings)
    environment.run(script("sigal"), "build", "--ncpu", "2", cwd=folder, env=PROCESS)
    return folder / "site"


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory, astronaut: Image.Image, autoload: LightEnvironment) -> Path:
    """The pages of three .sdz files and a JPEG, by sigal with autoload."""
    folder = tmp_path_factory.mktemp("gallery")
    photos = folder / "photos"
    photos.mkdir()
    pillow_sdz.write(astronaut.resize((320, 320)), photos / "astronaut.sdz", effort=0)
    (photos / "opaque.sdz").write_bytes(PICTURE.read_bytes())
    (photos / "transparent.sdz").write_bytes(TRANSPARENT.read_bytes())
    astronaut.resize((320, 320)).save(photos / "other.jpg")
    return build(autoload, folder, SETTINGS)


def test_sigal_with_autoload(gallery: Path) -> None:
    for name in ("astronaut", "opaque"):
        photo = gallery.parent / "photos" / f"{name}.sdz"
        with Image.open(photo) as expected, Image.open(gallery / f"{name}.jpg") as image:
            assert image.format == "JPEG"
            assert difference(image, expected) < 5
    assert {path.stem for path in (gallery / "thumbnails").iterdir()} == {*SHOWN, "other"}


def test_sigal_with_a_line_in_its_settings(environment: LightEnvironment, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "opaque.sdz").write_bytes(PICTURE.read_bytes())
    site = build(environment, tmp_path, WITH_IMPORT)
    with Image.open(site / "opaque.jpg") as image:
        assert is_picture(image, tolerance=5)


def test_a_browser_shows_the_gallery(gallery: Path, tmp_path: Path) -> None:
    """To look at it: ``pytest --basetemp FOLDER``, and there gallery.png and photo.png."""
    with launched() as browser:
        page = browser.new_context(viewport={"width": 900, "height": 640}, offline=True).new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto((gallery / "index.html").as_uri())
        widths = "all => all.map(each => [each.getAttribute('alt'), each.complete && each.naturalWidth])"
        shown: dict[str, int] = dict(page.eval_on_selector_all("#gallery img", widths))
        page.screenshot(path=tmp_path / "gallery.png", animations="disabled")
        page.locator("img[alt='astronaut.jpg']").click()
        photo = page.locator("img.cboxPhoto")
        photo.wait_for()
        page.wait_for_function("document.querySelector('#cboxContent').getAnimations().length == 0")
        large = photo.screenshot(path=tmp_path / "photo.png", animations="disabled")
    assert shown.keys() == {f"{name}.jpg" for name in (*SHOWN, "other")}
    assert all(shown.values())
    assert problems == []
    with Image.open(io.BytesIO(large)) as image, Image.open(gallery.parent / "photos" / "astronaut.sdz") as expected:
        assert difference(image.resize(expected.size), expected) < 8
