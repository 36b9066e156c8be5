"""What a file says about its own error, in ``image.info``."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from measured_files import measured_file, original
from PIL import Image, ImageFile

from pillow_sdz.container.metadata import Metadata, encode_metadata
from pillow_sdz.container.sections import build, parse
from pillow_sdz.errors import SdzFormatError
from pillow_sdz.plugin.info import ERROR_KEYS, collect

if TYPE_CHECKING:
    from pathlib import Path

    from toy_model import Toy


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def test_info_has_what_was_measured(toy: Toy) -> None:
    info = opened(measured_file(original())).info
    assert {key for key in ERROR_KEYS if key in info} == set(ERROR_KEYS) - {"ssimulacra2"}
    assert 20 < info["psnr"] < 35
    assert 0.5 < info["ms_ssim"] < 1
    assert (info["synthesised"], info["patched"], info["whole"]) == (1.0, 0.0, 0.0)
    small = opened(measured_file(original()[:40, :40])).info
    assert "psnr" in small
    assert "ms_ssim" not in small


def test_files_that_say_nothing(toy: Toy, data: bytes) -> None:
    assert not set(ERROR_KEYS) - {"patched"} & set(opened(data).info)


def test_figures_are_no_texts(toy: Toy) -> None:
    container = parse(measured_file(original()))
    container.metadata = encode_metadata(Metadata(text={"psnr": "a text", "whole": "another", "Title": "cat"}))
    image = opened(build(container))
    assert isinstance(image.info["psnr"], float)
    assert (image.info["text:psnr"], image.info["text:whole"]) == ("a text", "another")
    assert collect({}, image.info).text == {"psnr": "a text", "whole": "another", "Title": "cat"}


def test_a_part_of_a_file_has_no_figures(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are those of the whole file."""
    from toy_files import file_of

    container = parse(file_of(original(), layers=2))
    container.error = parse(measured_file(original())).error
    data = build(container)
    assert "psnr" in opened(data).info
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    part = opened(data[:-100])
    assert part.info["missing_layers"] == 1
    assert "psnr" not in part.info


@pytest.mark.parametrize("field", ["error", "error_map"])
def test_damaged_sections_are_found(toy: Toy, tmp_path: Path, field: str) -> None:
    container = parse(measured_file(original()))
    setattr(container, field, b"\x02damage")
    (tmp_path / "cat.sdz").write_bytes(build(container))
    with pytest.raises(SdzFormatError, match=r"cat\.sdz: error"), Image.open(tmp_path / "cat.sdz") as image:
        image.verify()  # the figures are read before: they are in info
