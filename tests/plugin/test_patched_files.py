"""Files with patches: blended when they are loaded, left out on request, in previews, and where they are missing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from in_memory import assert_pixels, opened, opened_sdz, saved
from PIL import Image, ImageFile
from pixel_samples import CODINGS, HEIGHT, RECTANGLES, WIDTH, base, letters, patched

import pillow_sdz
from pillow_sdz.codec.patching import apply_patches
from pillow_sdz.container.sections import build, parse
from pillow_sdz.errors import SdzFormatError, SdzTruncatedError

if TYPE_CHECKING:
    from pathlib import Path

    from cli_fakes import Run

pytestmark = pytest.mark.usefixtures("toy")


def expected(coding: str = "vp8l") -> np.ndarray:
    rgb, body = base(), patched(coding).patches
    assert body is not None
    apply_patches(rgb, body)
    return rgb


@pytest.mark.parametrize("coding", CODINGS)
def test_patches_are_blended(coding: str) -> None:
    image = opened(build(patched(coding)))
    assert_pixels(image, expected(coding))
    assert image.info["patches"] == len(RECTANGLES)
    assert image.info["patched"] == pytest.approx((24 * 16 + 16 * 32 + 14 * 21) / (WIDTH * HEIGHT))
    if coding == "vp8l":
        np.testing.assert_array_equal(np.asarray(image)[12:20, 12:28], letters()[12:20, 12:28])


def test_patches_can_be_left_out() -> None:
    image = opened_sdz(build(patched()))
    image.patches = False
    assert_pixels(image, base())
    image = opened_sdz(build(patched()))
    pillow_sdz.options.decode.patches = False
    try:
        assert_pixels(image, base())
        image = opened_sdz(build(patched()))
        image.patches = True
        assert_pixels(image, expected())
    finally:
        pillow_sdz.options.decode.patches = None
    assert_pixels(opened(build(patched())), expected())


def test_patches_come_before_the_conversion_to_grey() -> None:
    container = patched()
    grey = replace(container, header=replace(container.header, mode="L"))
    assert_pixels(opened(build(grey)), Image.fromarray(expected()).convert("L"))


def test_previews_leave_patches_out() -> None:
    with_patches, without = opened(build(patched())), opened(build(plain()))
    for image in (with_patches, without):
        image.draft(None, (9, 7))
    assert with_patches.size == (9, 7)
    assert_pixels(with_patches, without)


def plain() -> pillow_sdz.container.sections.Container:
    container = patched()
    return replace(container, header=replace(container.header, patched=False), patches=None)


def test_files_without_patches_say_so() -> None:
    image = opened(build(plain()))
    assert (image.info["patches"], image.info["patched"]) == (0, 0)
    assert parse(saved(opened(build(patched())))).metadata == {}  # facts are not texts


def test_a_file_that_ends_before_its_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    data = build(patched())
    body = patched().patches
    assert body is not None
    start = len(data) - len(body) - 4 - 3
    for cut in (data[:start], data[: start + 1], data[:-1], data[:-1] + bytes([data[-1] ^ 1])):
        with pytest.raises(SdzFormatError, match=r"all layers arrived, .* leaves out the patches") as caught:
            opened(cut)
        assert isinstance(caught.value, SdzTruncatedError) == (len(cut) < len(data))
    with monkeypatch.context() as patch:
        patch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
        for cut in (data[:start], data[: start + 1], data[:-1], data[:-1] + bytes([data[-1] ^ 1])):
            image = opened(cut)
            assert (image.info["missing_layers"], image.info["patches"]) == (0, 0)
            with pytest.warns(UserWarning, match="is truncated or damaged: decoding without its patches"):
                assert_pixels(image, base())
        assert_pixels(opened(data), expected())


def test_verify_decodes_the_sheet() -> None:
    container = patched()
    opened(build(container)).verify()
    assert container.patches is not None
    cut = build(replace(container, patches=container.patches[:-40]))
    assert opened(cut).info["patches"] == len(RECTANGLES)  # its headers are whole
    with pytest.raises(SdzFormatError, match="patches: Pillow cannot decode the vp8l stream"):
        opened(cut).verify()
    with pytest.raises(SdzFormatError, match="patches: Pillow cannot decode the vp8l stream"):
        opened(cut).load()


def test_command_line(tmp_path: Path, run: Run) -> None:
    (tmp_path / "a.sdz").write_bytes(build(patched()))
    path = str(tmp_path / "a.sdz")
    assert run("--info", path) == 0
    assert "patches  3, 32.1% of the picture" in run.out
    assert f", patches {len(patched().patches or b'') + 7:,} bytes" in run.out
    assert run("--info", "--json", path) == 0
    found = json.loads(run.out)
    assert found["patches"] == 3
    assert [part["name"] for part in found["parts"]] == ["header", "preview", "layer", "patches"]
    assert sum(part["bytes"] for part in found["parts"]) == found["bytes"]
    assert run("--test", path) == 0
    container = patched()
    assert container.patches is not None
    (tmp_path / "b.sdz").write_bytes(build(replace(container, patches=container.patches[:-40])))
    assert run("--test", str(tmp_path / "b.sdz")) != 0
