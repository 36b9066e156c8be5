"""Programs that know nothing of the format open and save it, once `pillow_sdz` is imported."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import toy_model
from PIL import Image
from toy_files import file_of

import pillow_sdz  # noqa: F401

if TYPE_CHECKING:
    from numpy.typing import NDArray


pytestmark = pytest.mark.usefixtures("toy")


@pytest.fixture
def rgb() -> NDArray[np.uint8]:
    return toy_model.blocks(64, 40)


@pytest.fixture
def file(tmp_path: Path, rgb: NDArray[np.uint8]) -> Path:
    path = tmp_path / "cat.sdz"
    path.write_bytes(file_of(rgb))
    return path


def test_matplotlib(file: Path, rgb: NDArray[np.uint8], tmp_path: Path) -> None:
    import matplotlib.image

    assert np.array_equal(matplotlib.image.imread(file), rgb)
    target = tmp_path / "new.sdz"
    with pytest.warns(UserWarning, match="dpi"):  # matplotlib always passes it
        matplotlib.image.imsave(target, rgb)
    assert np.array_equal(matplotlib.image.imread(target)[:, :, :3], rgb)


def test_imageio(file: Path, rgb: NDArray[np.uint8], tmp_path: Path) -> None:
    import imageio.v3

    assert np.array_equal(imageio.v3.imread(file), rgb)
    assert np.array_equal(imageio.v3.imread(file.read_bytes(), extension=".sdz"), rgb)
    assert imageio.v3.improps(file).shape == (40, 64, 3)
    assert imageio.v3.immeta(file)["payload"] == "palette"
    target = tmp_path / "new.sdz"
    imageio.v3.imwrite(target, rgb, quality=60)
    assert target.read_bytes().startswith(b"\x89SDZ")
    assert np.array_equal(imageio.v3.imread(target), rgb)


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


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_img2pdf(tmp_path: Path, mode: str) -> None:
    import img2pdf
    import pikepdf

    rgb = toy_model.blocks(64, 40)
    rgb = rgb[:, :, :1].repeat(3, axis=2) if mode == "L" else rgb
    path = tmp_path / "cat.sdz"
    path.write_bytes(file_of(rgb, None, mode))
    with pikepdf.open(io.BytesIO(img2pdf.convert(str(path)))) as pdf:
        stream: Any
        (stream,) = pdf.pages[0].get_images().values()
        picture = pikepdf.PdfImage(stream).as_pil_image()
    assert picture.size == (64, 40)
    assert np.array_equal(np.asarray(picture.convert("RGB")), rgb)


def test_pillows_own_modules(file: Path, tmp_path: Path) -> None:
    """ImageOps, ImageSequence and saving in another format go through the plugin."""
    from PIL import ImageOps, ImageSequence

    with Image.open(file) as image:
        assert [frame.size for frame in ImageSequence.Iterator(image)] == [(64, 40)]
    with Image.open(file) as image:
        assert ImageOps.fit(image, (20, 20)).size == (20, 20)
    with Image.open(file) as image:
        image.save(tmp_path / "cat.png")
    assert Path(tmp_path / "cat.png").stat().st_size
