"""img2pdf puts .sdz pictures into PDF files: as a library, and as a program with autoload."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import img2pdf
import numpy as np
import pikepdf
import pytest
import toy_model
from programs import PICTURE, PROCESS, decoded, difference, script
from toy_files import file_of

import pillow_sdz  # noqa: F401

if TYPE_CHECKING:
    from pathlib import Path

    from environments import LightEnvironment
    from PIL import Image


def first_picture(pdf: pikepdf.Pdf) -> Image.Image:
    stream: Any
    (stream,) = pdf.pages[0].get_images().values()
    picture: Image.Image = pikepdf.PdfImage(stream).as_pil_image()
    return picture


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_img2pdf(tmp_path: Path, mode: str) -> None:
    rgb = toy_model.blocks(64, 40)
    rgb = rgb[:, :, :1].repeat(3, axis=2) if mode == "L" else rgb
    path = tmp_path / "cat.sdz"
    path.write_bytes(file_of(rgb, None, mode))
    with pikepdf.open(io.BytesIO(img2pdf.convert(str(path)))) as pdf:
        picture = first_picture(pdf)
    assert picture.size == (64, 40)
    assert np.array_equal(np.asarray(picture.convert("RGB")), rgb)


@pytest.mark.slow
def test_img2pdf_program(autoload: LightEnvironment, tmp_path: Path) -> None:
    autoload.run(script("img2pdf"), PICTURE, "--output", "photo.pdf", cwd=tmp_path, env=PROCESS)
    with pikepdf.open(tmp_path / "photo.pdf") as pdf:
        assert difference(first_picture(pdf), decoded()) == 0
