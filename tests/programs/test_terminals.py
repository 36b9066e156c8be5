"""Pictures in a terminal: timg and climage with autoload, rich-pixels and textual-image with an import."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
import toy_model
from PIL import Image
from programs import PICTURE, PROCESS, decoded, script
from toy_files import file_of

import pillow_sdz  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from environments import LightEnvironment


def check_program(environment: LightEnvironment, folder: Path, name: str, options: Sequence[str]) -> None:
    """What a program prints of the .sdz file is what it prints of the same pixels in a PNG."""
    decoded().save(folder / "photo.png")
    seen = environment.run(script(name), *options, PICTURE, env=PROCESS).stdout
    assert "\x1b" in seen
    assert len(seen) > 1000
    assert seen == environment.run(script(name), *options, folder / "photo.png").stdout


@pytest.mark.slow
@pytest.mark.parametrize("options", [("--size", "40"), ("--method", "sixel")])
def test_timg(autoload: LightEnvironment, tmp_path: Path, options: Sequence[str]) -> None:
    check_program(autoload, tmp_path, "timg", options)


@pytest.mark.slow
def test_climage(autoload: LightEnvironment, tmp_path: Path) -> None:
    check_program(autoload, tmp_path, "climage", ["--cols", "40", "--truecolor"])


@pytest.mark.slow
def test_timg_without_autoload(environment: LightEnvironment) -> None:
    process = environment.run(script("timg"), PICTURE, check=False)
    assert "UnidentifiedImageError" in process.stderr


def printed(renderable: Any) -> str:
    """What a terminal of 60 columns in true colour gets."""
    from rich.console import Console

    stream = io.StringIO()
    Console(file=stream, force_terminal=True, color_system="truecolor", width=60).print(renderable)
    return stream.getvalue()


@pytest.fixture
def files(tmp_path: Path, toy: object) -> tuple[str, str]:
    """The same picture as .sdz and as PNG."""
    rgb = toy_model.blocks(64, 40)
    (tmp_path / "cat.sdz").write_bytes(file_of(rgb))
    Image.fromarray(rgb).save(tmp_path / "cat.png")
    return str(tmp_path / "cat.sdz"), str(tmp_path / "cat.png")


def test_rich_pixels(files: tuple[str, str]) -> None:
    from rich_pixels import Pixels

    sdz, png = (printed(Pixels.from_image_path(file, resize=(40, 30))) for file in files)
    assert len(sdz) > 1000
    assert sdz == png


@pytest.mark.filterwarnings("ignore:Image.Image.getdata is deprecated")  # by textual-image 0.12
def test_textual_image(files: tuple[str, str]) -> None:
    from textual_image.renderable import HalfcellImage

    sdz, png = (printed(HalfcellImage(file, width=40)) for file in files)
    assert len(sdz) > 1000
    assert sdz == png
