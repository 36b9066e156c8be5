"""Django's forms accept .sdz; easy-thumbnails, sorl-thumbnail and django-imagekit make thumbnails of uploads."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import toy_model
from PIL import Image
from programs import PICTURE, PROCESS, is_picture
from toy_files import file_of

import pillow_sdz  # noqa: F401

if TYPE_CHECKING:
    from environments import LightEnvironment

SITE = Path(__file__).parent / "django_site"


@pytest.fixture
def file(tmp_path: Path, toy: object) -> Path:
    path = tmp_path / "cat.sdz"
    path.write_bytes(file_of(toy_model.blocks(64, 40)))
    return path


@pytest.fixture(scope="module")
def django() -> None:
    import django as package
    from django.conf import settings

    if not settings.configured:
        settings.configure(INSTALLED_APPS=[], USE_TZ=True)
        package.setup()


def test_django_image_field(file: Path, django: None) -> None:
    from django.core.exceptions import ValidationError
    from django.core.files.uploadedfile import SimpleUploadedFile
    from django.forms import ImageField

    field = ImageField()
    upload = field.clean(SimpleUploadedFile("cat.sdz", file.read_bytes(), "application/octet-stream"))
    assert upload.image.size == (64, 40)
    assert upload.content_type == "image/x-sdz"
    damaged = file.read_bytes()[:-1] + b"?"
    with pytest.raises(ValidationError, match="corrupted"):
        field.clean(SimpleUploadedFile("cat.sdz", damaged))


def test_django_dimensions(file: Path, django: None) -> None:
    from django.core.files.images import get_image_dimensions

    assert get_image_dimensions(str(file)) == (64, 40)
    with file.open("rb") as stream:
        assert get_image_dimensions(stream) == (64, 40)


@pytest.fixture(scope="module")
def answers(environment: LightEnvironment, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the site says to three uploads: the picture, a damaged one, and a ZIP archive of the same suffix."""
    folder = tmp_path_factory.mktemp("site")
    damaged, archive = folder / "damaged.sdz", folder / "map.sdz"
    damaged.write_bytes(PICTURE.read_bytes()[:-1] + b"?")
    archive.write_bytes(b"PK\5\6" + bytes(18))
    variables = PROCESS | {"DJANGO_SETTINGS_MODULE": "settings", "SITE_FOLDER": str(folder)}
    process = environment.run(SITE / "visit.py", PICTURE, damaged, archive, env=variables)
    return json.loads(process.stdout)


@pytest.mark.slow
def test_an_upload_form(answers: Any) -> None:
    statuses = [status for status, _ in answers["posts"]]
    assert statuses == [302, 200, 200]  # stored, and twice shown again
    assert all("either not an image or a corrupted image" in page for _, page in answers["posts"][1:])
    assert "Cat, 150 x 100" in answers["page"]


@pytest.mark.slow
@pytest.mark.parametrize("library", ["easy", "sorl", "imagekit"])
def test_thumbnails_of_an_upload(answers: Any, library: str) -> None:
    status, media_type, content = answers["thumbnails"][library]
    assert (status, media_type) == (200, "image/jpeg")
    with Image.open(io.BytesIO(bytes.fromhex(content))) as image:
        assert (image.format, image.size) == ("JPEG", (90, 60))
        assert is_picture(image, tolerance=6)
