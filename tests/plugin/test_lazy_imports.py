"""What is imported when: each test runs in a fresh interpreter and looks at sys.modules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import PIL.Image
import pytest
import toy_model
from fresh import ONLY_FOR_READING, WITHOUT_TORCH
from toy_files import file_of

import pillow_sdz

if TYPE_CHECKING:
    from fresh import FreshPython
    from PIL import Image


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "cat.sdz"
    alpha = np.full((64, 64), 200, np.uint8)
    path.write_bytes(file_of(toy_model.blocks(64, 64), alpha, "RGBA"))
    return str(path)


def test_import_is_light(fresh_python: FreshPython) -> None:
    fresh_python("""
        import sys
        import PIL.Image, PIL.ImageFile
        before = set(sys.modules)
        import pillow_sdz
        new = {name.partition(".")[0] for name in set(sys.modules) - before}
        heavy = {"torch", "diffusers", "construct", "imagequant", "numpy", "click", "tqdm", "platformdirs", "skimage"}
        assert not new & heavy, new & heavy
        assert not any(name.startswith("pillow_sdz.models") for name in sys.modules)
    """)


def test_headers_need_no_torch(fresh_python: FreshPython, file: str) -> None:
    fresh_python(
        """
        import sys
        import pillow_sdz
        from PIL import Image
        with Image.open(sys.argv[1]) as image:
            assert image.size == (64, 64) and image.mode == "RGBA"
            assert image.info["payload"] == "palette"
            image.verify()
        with Image.open(sys.argv[1]) as image:
            image.thumbnail((8, 8))
            assert image.size == (8, 8)
            assert len(image.tobytes()) == 256
        with Image.open(sys.argv[1]) as image:
            image.draft("RGB", (8, 8))
            image.load()
            assert image.size == (8, 8)
        heavy = {"torch", "diffusers", "safetensors", "imagequant"}
        assert not heavy & set(sys.modules), heavy & set(sys.modules)
        """,
        file,
    )


@pytest.mark.slow
def test_the_default_model_needs_no_diffusers(
    fresh_python: FreshPython, astronaut: Image.Image, tmp_path: Path
) -> None:
    """Its import would take longer than the decoding."""
    photo = tmp_path / "photo.png"
    astronaut.crop((0, 0, 64, 48)).save(photo)
    fresh_python(
        """
        import io, sys
        import pillow_sdz
        from PIL import Image
        file = io.BytesIO()
        Image.open(sys.argv[1]).save(file, "SDZ", denoise_steps=2)
        with Image.open(file) as image:
            image.load()
        slow = {"diffusers", "transformers", "huggingface_hub", "torch._dynamo", "scipy", "sympy"}
        assert not slow & set(sys.modules), slow & set(sys.modules)
        """,
        str(photo),
    )


def test_without_torch_installed(fresh_python: FreshPython, file: str) -> None:
    """All header work is possible; loading and saving say what to install."""
    fresh_python(
        WITHOUT_TORCH
        + """
import io, pickle
import pillow_sdz
from pillow_sdz.errors import SdzError, SdzDependencyError
from PIL import Image, ImageFile

image = Image.open(sys.argv[1])
assert image.size == (64, 64) and image.info["colors"]
image.draft(None, (8, 8))
assert len(image.tobytes()) == 256
image.thumbnail((4, 4))
assert pickle.loads(pickle.dumps(image)).size == (4, 4)
with Image.open(sys.argv[1]) as image:
    image.verify()

image = Image.open(sys.argv[1])
for _ in range(2):
    try:
        image.load()
    except SdzError as error:
        assert "cat.sdz" in str(error), error
    else:
        raise AssertionError("loaded")
image.close()

stream = io.BytesIO()
try:
    Image.new("RGB", (16, 16)).save(stream, "SDZ")
except SdzDependencyError as error:
    assert "pip install" in str(error), error
else:
    raise AssertionError("saved")
assert stream.getvalue() == b""
assert "torch" not in sys.modules
""",
        file,
    )


def test_pixels_without_torch_or_anything_else_but_onnxruntime(fresh_python: FreshPython, tmp_path: Path) -> None:
    """All golden files of the shipped model, and the errors of what needs more packages."""
    folders = sorted((Path(__file__).parents[1] / "vectors" / "v0-tiny-8").iterdir())
    fresh_python(
        ONLY_FOR_READING
        + """
import io
import numpy as np
import pillow_sdz
from PIL import Image
from pillow_sdz.errors import SdzDependencyError, SdzModelError
from pillow_sdz.models import registry

for path in sys.argv[2:]:
    with Image.open(path + "/file.sdz") as image:
        assert image.info["model"] == "tiny-8"
        np.save(f"{sys.argv[1]}/{path.rpartition('/')[2]}", np.asarray(image))
with Image.open(path + "/file.sdz") as image:
    image.denoise_steps, image.strength, image.tile_size = 3, 0.1, 64
    image.load()
assert [model.full_name for model in pillow_sdz.installed_models()] == ["tiny-8"]
missing = {"torch", "diffusers", "safetensors", "click", "tqdm", "platformdirs", "imagequant"}
assert not missing & set(sys.modules)

try:
    registry.find("other")
except SdzModelError as error:
    assert "into a folder named by PILLOW_SDZ_MODELS" in str(error), error
else:
    raise AssertionError("found")
for action, package in (
    (lambda: Image.new("RGB", (16, 16)).save(io.BytesIO(), "SDZ"), "torch"),
    (registry.writable_folder, "platformdirs"),
):
    try:
        action()
    except SdzDependencyError as error:
        assert f"pip install {package}" in str(error), error
    else:
        raise AssertionError(package)
image = Image.open(path + "/file.sdz")
image.runtime = "torch"
try:
    image.load()
except SdzDependencyError as error:
    assert "pip install torch" in str(error), error
else:
    raise AssertionError("loaded")
""",
        str(tmp_path),
        *map(str, folders),
    )
    for folder in folders:
        with PIL.Image.open(folder / "file.sdz") as image:
            image.runtime = "torch"  # type: ignore[attr-defined]
            expected = np.array(image).astype(int)
        assert np.abs(np.load(tmp_path / f"{folder.name}.npy") - expected).max() <= 1, folder.name


def test_the_first_pictures_import_no_torch(fresh_python: FreshPython) -> None:
    """Where both are installed; after some pixels torch is imported."""
    vector = Path(__file__).parents[1] / "vectors" / "v0-tiny-8" / "default" / "file.sdz"
    fresh_python(
        """
        import os, sys
        import pillow_sdz
        from PIL import Image
        os.environ.pop("PILLOW_SDZ_RUNTIME", None)
        for _ in range(3):
            first = Image.open(sys.argv[1]).tobytes()
        slow = {"torch", "diffusers", "safetensors", "platformdirs", "click", "tqdm", "imagequant", "scipy"}
        assert not slow & set(sys.modules), slow & set(sys.modules)
        from pillow_sdz.models import choice
        choice._decoded = choice.FIRST_PIXELS
        later = Image.open(sys.argv[1]).tobytes()
        assert "torch" in sys.modules
        assert max(abs(a - b) for a, b in zip(first, later)) <= 1
        """,
        str(vector),
    )


def test_version_is_the_packages(fresh_python: FreshPython) -> None:
    import tomllib

    project = Path(__file__).parents[2] / "pyproject.toml"
    assert tomllib.loads(project.read_text("utf-8"))["project"]["version"] == pillow_sdz.__version__


def test_the_registration_order_of_imports_does_not_matter(fresh_python: FreshPython, file: str) -> None:
    fresh_python(
        """
        import sys
        from PIL import Image
        Image.init()
        import pillow_sdz
        with Image.open(sys.argv[1]) as image:
            assert image.format == "SDZ"
        with Image.open(sys.argv[1], formats=["sdz"]) as image:
            assert image.format == "SDZ"
        import mimetypes
        assert mimetypes.guess_extension("image/x-sdz") == ".sdz"
        """,
        file,
    )
