"""The report's drawings of patches and of the local error."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from measured_files import SIDE, measured_file, original
from PIL import Image
from toy_model import Toy, blocks

from pillow_sdz.codec.file import read
from pillow_sdz.codec.patching import encode_patches
from pillow_sdz.container.patches import Rectangle
from pillow_sdz.container.sections import build, parse
from pillow_sdz.container.stored_error import build_error_map
from pillow_sdz.evaluation.report import differences


def test_the_map_is_that_of_the_file_or_measured(toy: Toy) -> None:
    rgb = original()
    picture = Image.fromarray(blocks(SIDE, SIDE))
    for has_map, words in ((True, "as the file says"), (False, "measured")):
        file = read(measured_file(rgb, error_map=has_map))
        (drawing,) = differences.drawings(file, rgb, picture)
        assert words in drawing.caption
        assert "cells of 32 pixels" in drawing.caption
        assert drawing.image.size == (6, 6)
        assert np.asarray(drawing.image).sum(2).min() > 100  # the noise is in all cells
        assert set(differences.details(file)) == {"stored_error"}
    container = parse(measured_file(rgb))
    container.error_map = build_error_map(np.zeros((6, 6), np.uint8))
    (drawing,) = differences.drawings(read(build(container)), rgb, picture)
    assert np.asarray(drawing.image).max() < 5


def test_patches_stand_out(toy: Toy) -> None:
    rgb = original()
    container = parse(measured_file(rgb))
    rectangles = [Rectangle(2, 3, 4, 5), Rectangle(20, 20, 2, 2)]
    container.patches = encode_patches(rgb, rectangles, "vp8", 80)
    container.header = replace(container.header, patched=True)
    file = read(build(container))
    white = Image.new("RGB", (SIDE, SIDE), "white")
    drawing, _ = differences.drawings(file, rgb, white)
    assert drawing.title == "Patches"
    assert drawing.caption.startswith("2 rectangles, 5.0% of the picture")
    drawn = np.asarray(drawing.image)
    inside = (drawn == 255).all(2)
    assert inside.sum() == (32 - 2) * (40 - 2) + (16 - 2) ** 2
    assert inside[25:63, 17:47].all()
    assert (drawn[24, 16:48] == differences.OUTLINE).all()
    assert (drawn[0] == 85).all()
    assert differences.details(file)["patches"] == 2
