"""``sdz-convert compare``: the numbers and the sheet of a report."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from cli_fakes import names_in
from compare_report import HOSTILE, OUTPUTS, RIVALS, STAGES
from PIL import Image

from pillow_sdz import SdzImageFile
from pillow_sdz.evaluation import metrics as measures

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def document(compare_report: Path) -> Any:
    return json.loads((compare_report / "compare.json").read_bytes())


def test_three_files_and_nothing_else(compare_report: Path) -> None:
    assert names_in(compare_report) == OUTPUTS


def test_json_has_every_stage_and_only_numbers(document: Any) -> None:
    assert document["version"] == 1
    assert document["model"]["name"].startswith("tiny-")
    assert re.fullmatch(r"[0-9a-f]{16}", document["model"]["fingerprint"])
    assert document["options"] == {"model": "tiny", "quality": 50, "strength": 0.3}
    metrics = {each["name"]: each["larger_is_better"] for each in document["metrics"]}
    assert metrics == {"SSIMULACRA2": True, "MS-SSIM": True, "SSIM": True, "PSNR": True}
    one, other = document["pictures"]
    assert one["name"].endswith(HOSTILE)
    assert (one["width"], one["height"], other["width"], other["height"]) == (192, 128, 121, 97)
    assert "alpha" in "".join(other["notes"])
    for picture in (one, other):
        pixels = picture["width"] * picture["height"]
        found = [stage["stage"] for stage in picture["stages"]]
        assert found == [key for key in STAGES if key not in picture["left_out"]]
        assert set(picture["left_out"]) <= set(RIVALS)
        for stage in picture["stages"]:
            assert stage["bytes"] == stage["stored"][0]["bytes"] > 0
            for each in [stage, *stage["stored"]]:
                assert each["bpp"] == pytest.approx(8 * each["bytes"] / pixels)
            if stage["stage"] == "original":
                assert stage["metrics"] == {}
                continue
            assert set(stage["metrics"]) == set(metrics)
            assert stage["metrics"]["MS-SSIM"] is None  # both are too small for it
            assert 5 < stage["metrics"]["PSNR"] < 60
            assert stage["metrics"]["SSIM"] < 1


def test_sizes_are_those_of_what_they_name(document: Any, astronaut: Image.Image) -> None:
    picture = document["pictures"][0]
    stages = {stage["stage"]: stage for stage in picture["stages"]}
    values = 24 * 16 * len(picture["channels"])
    assert stages["original"]["bytes"] == 192 * 128 * 3
    assert stages["autoencoder"]["bytes"] == 4 * values
    assert [each["as"] for each in stages["codes"]["stored"]] == ["8-bit codes, raw", "lossless WebP", "deflated"]
    assert stages["codes"]["bytes"] == values
    file = io.BytesIO()
    image = astronaut.crop((120, 0, 312, 128))
    image.save(file, "SDZ")
    assert stages["sdz"]["bytes"] == stages["sdz-without-unet"]["bytes"] == len(file.getvalue())
    for steps, key in ((None, "sdz"), (0, "sdz-without-unet")):
        with Image.open(file) as back:
            assert isinstance(back, SdzImageFile)
            back.denoise_steps = steps
            assert stages[key]["metrics"]["PSNR"] == pytest.approx(measures.psnr(image, back))
    file = io.BytesIO()
    image.save(file, "SDZ", colors=256)
    assert stages["palette"]["bytes"] == len(file.getvalue())


def test_no_rival_is_larger_than_the_sdz(document: Any) -> None:
    for picture in document["pictures"]:
        stages = {stage["stage"]: stage for stage in picture["stages"]}
        rivals = [key for key in RIVALS if key in stages]
        assert "webp" in rivals
        assert "jpeg" in rivals or "no JPEG of at most" in picture["left_out"]["jpeg"]
        for key in rivals:
            assert stages[key]["bytes"] <= stages["sdz"]["bytes"]
        assert stages["img2img-png"]["bytes"] > 10 * stages["sdz"]["bytes"]
        assert stages["img2img-jpeg"]["bytes"] > stages["sdz"]["bytes"]


def test_channels_are_explained(document: Any) -> None:
    for picture in document["pictures"]:
        stages = {stage["stage"]: stage for stage in picture["stages"]}
        assert [channel["number"] for channel in picture["channels"]] == list(range(1, len(picture["channels"]) + 1))
        assert all(channel["sentence"].endswith(".") for channel in picture["channels"])
        assert 0 < sum(channel["bpp"] for channel in picture["channels"]) < stages["sdz"]["bpp"]


def test_the_sheet_is_a_picture_of_everything(compare_report: Path) -> None:
    with Image.open(compare_report / "compare.png") as sheet:
        sheet.load()
        assert sheet.format == "PNG"
        assert min(sheet.size) > 1000
        assert np.asarray(sheet).std() > 20
