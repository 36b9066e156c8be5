"""Willow opens .sdz once `pillow_sdz.integrations.willow.register` was called; Wagtail stores and shows uploads."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import toy_model
from PIL import Image
from programs import PICTURE, PROCESS, InstalledProgram, is_picture
from toy_files import file_of

from pillow_sdz import SdzDependencyError, SdzFormatError
from pillow_sdz.integrations.willow import register

if TYPE_CHECKING:
    from fresh import FreshPython

SITE = Path(__file__).parent / "wagtail_site"


@pytest.fixture
def willow(toy: object) -> Any:
    """Willow with the format. Where Django is installed, Willow asks for its settings as it is imported."""
    from django.conf import settings

    if not settings.configured:
        settings.configure(INSTALLED_APPS=[], USE_TZ=True)
    register()
    register()  # changes nothing
    import willow

    return willow


@pytest.fixture
def data() -> bytes:
    return file_of(toy_model.blocks(64, 40))


def test_willow(willow: Any, data: bytes) -> None:
    image = willow.Image.open(io.BytesIO(data))
    assert (image.format_name, image.mime_type) == ("sdz", "image/x-sdz")
    assert (image.get_size(), image.get_frame_count(), image.has_animation()) == ((64, 40), 1, False)
    assert not image.has_alpha()
    output = io.BytesIO()
    image.auto_orient().crop((0, 0, 40, 40)).resize((20, 20)).save_as_png(output)
    with Image.open(output) as made, Image.open(io.BytesIO(data)) as original:
        expected = original.crop((0, 0, 40, 40)).resize((20, 20), Image.Resampling.LANCZOS)
        assert made.tobytes() == expected.tobytes()


def test_transparency(willow: Any) -> None:
    rgb = toy_model.blocks(64, 40)
    image = willow.Image.open(io.BytesIO(file_of(rgb, rgb[:, :, 0], "RGBA")))
    assert image.has_alpha()


def test_the_size_is_known_without_decoding(willow: Any, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pillow_sdz.codec.decode.decode", None)  # it would fail
    image = willow.Image.open(io.BytesIO(data))
    assert image.get_size() == (64, 40)
    with pytest.raises(TypeError, match="NoneType"):
        image.resize((20, 20))


def test_damaged_files_are_refused_as_they_are_opened(willow: Any, data: bytes) -> None:
    with pytest.raises(SdzFormatError, match="checksum"):
        willow.Image.open(io.BytesIO(data[:-1] + b"?"))
    with pytest.raises(OSError, match="zip"):  # Willow's own error
        willow.Image.open(io.BytesIO(b"PK\3\4" + bytes(60)))


def test_very_many_pixels(willow: Any, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wagtail, which asks for the size first, reports this error to whoever uploads the file."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    image = willow.Image.open(io.BytesIO(data))
    with pytest.raises(Image.DecompressionBombError):
        image.get_size()


def test_without_willow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "willow", None)
    with pytest.raises(SdzDependencyError, match="registering with Willow needs Willow; pip install Willow"):
        register()


def test_importing_the_registration_is_light(fresh_python: FreshPython) -> None:
    code = "import sys, pillow_sdz.integrations.willow; print({'willow', 'numpy', 'torch'} & set(sys.modules))"
    assert fresh_python(code).stdout.strip() == "set()"


@pytest.mark.slow
def test_wagtail(program: InstalledProgram, tmp_path: Path) -> None:
    environment = program("wagtail", megabytes=234)
    damaged = tmp_path / "damaged.sdz"
    damaged.write_bytes(PICTURE.read_bytes()[:-1] + b"?")
    variables = PROCESS | {"DJANGO_SETTINGS_MODULE": "settings", "SITE_FOLDER": str(tmp_path)}
    answers = json.loads(environment.run(SITE / "visit.py", PICTURE, damaged, env=variables).stdout)
    assert answers["uploads"][0] == [302, []]
    status, (problem,) = answers["uploads"][1]
    assert status == 200
    assert "either not an image or a corrupted image" in problem
    assert answers["stored"] == [["Cat", 150, 100, "sdz"]]
    rendition = Path(answers["rendition"])
    with Image.open(rendition) as image:
        assert (image.format, image.size) == ("WEBP", (90, 60))
        assert is_picture(image, tolerance=6)
    assert re.search(r'<img [^>]*src="/media/images/[^"]+\.webp"', answers["listing"])
