"""Libraries that give pictures as arrays open and save .sdz, once `pillow_sdz` is imported, or with autoload."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import toy_model
from programs import PICTURE, PROCESS, SIZE
from toy_files import file_of

import pillow_sdz  # noqa: F401

if TYPE_CHECKING:
    from pathlib import Path

    from environments import LightEnvironment
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


def test_scikit_image(file: Path, rgb: NDArray[np.uint8], tmp_path: Path) -> None:
    from skimage.io import imread, imread_collection, imsave

    assert np.array_equal(imread(file), rgb)
    assert np.array_equal(imread_collection(str(file.parent / "*.sdz"))[0], rgb)
    target = tmp_path / "new.sdz"
    imsave(target, rgb)
    assert target.read_bytes().startswith(b"\x89SDZ")
    assert np.array_equal(imread(target), rgb)


@pytest.mark.slow
def test_autoload_in_place_of_the_import(autoload: LightEnvironment) -> None:
    code = """
        import sys
        import imageio.v3, matplotlib.image, skimage.io

        for read in (imageio.v3.imread, matplotlib.image.imread, skimage.io.imread):
            print(*read(sys.argv[1]).shape)
    """
    shape = f"{SIZE[1]} {SIZE[0]} 3"
    assert autoload.code(code, PICTURE, env=PROCESS).stdout.splitlines() == [shape] * 3
