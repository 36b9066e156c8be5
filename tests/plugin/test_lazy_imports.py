"""What is imported when: each test runs in a fresh interpreter and looks at sys.modules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import toy_model
from fresh import WITHOUT_TORCH
from toy_files import file_of

import pillow_sdz

if TYPE_CHECKING:
    from pathlib import Path

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


def test_version_is_the_packages(fresh_python: FreshPython) -> None:
    import tomllib
    from pathlib import Path

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
