"""Files written once must give the same codes for ever, on every machine; and their pictures must still decode."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import reference_error
from PIL import Image
from reference_patches import blended, read_section, sheet_places

from pillow_sdz.codec.file import read
from pillow_sdz.codec.patching import blend, decode_sheet
from pillow_sdz.errors import SdzModelError
from pillow_sdz.models import registry
from pillow_sdz.options import SaveOptions
from pillow_sdz.payloads.scalar.payload import STEP_UNIT, ScalarPlan
from pillow_sdz.payloads.scalar.rate_control import plan_for_quality

if TYPE_CHECKING:
    from pillow_sdz.payloads.protocol import Description

VECTORS = sorted(path for path in (Path(__file__).parents[1] / "vectors").glob("v*/*") if path.is_dir())

VECTORS_OF_PATCHES = Path(__file__).parents[1] / "vectors" / "v0-tiny-8"

ROUNDING = 2
"""Levels; see `tolerance`."""

# The model of the first golden files was never released, and is gone. Their codes need no weights and stay.
WITHOUT_MODEL = "54d948195e6da15f"


def test_there_are_vectors() -> None:
    payloads = [json.loads((folder / "expected.json").read_text())["payload"] for folder in VECTORS]
    assert {payload: payloads.count(payload) for payload in set(payloads)} == {
        "palette": 13,
        "direct": 5,
        "scalar": 19,
        "pixels": 5,
    }


@pytest.mark.parametrize("folder", VECTORS, ids=lambda folder: f"{folder.parent.name}-{folder.name}")
def test_old_files_decode_to_the_same_codes(folder: Path) -> None:
    file = read((folder / "file.sdz").read_bytes())
    codes, expected = file.codes(), np.load(folder / "codes.npy")
    assert codes.shape == expected.shape
    assert np.abs(codes.astype(int) - expected).max() <= tolerance(file.payload.describe())


def tolerance(description: Description) -> int:
    """Levels by which pixels may differ between decoders of a lossy coding, which convert from YUV; 0 for codes."""
    return ROUNDING if {layer.get("coding") for layer in description.layers} & {"av1", "vp8"} else 0


@pytest.mark.parametrize("name", ["patches", "patches_av1"])
def test_old_patches_are_blended_the_same(name: str) -> None:
    """By the package, and by a reader that knows the specification alone."""
    folder = VECTORS_OF_PATCHES / name
    file = read((folder / "file.sdz").read_bytes())
    assert file.patches is not None
    expected = np.load(folder / "patched.npy")
    grey = np.full(expected.shape, 128, np.uint8)
    slowly = [[tuple(pixel) for pixel in row] for row in grey.tolist()]
    assert file.container.patches is not None
    coding, sheet_width, boxes, stream = read_section(file.container.patches)
    assert (coding, stream) == (file.patches.coding, file.patches.stream)
    assert sheet_places(boxes, sheet_width)[1] * 8 == file.patches.sheet_size()[1]
    sheet = [[tuple(pixel) for pixel in row] for row in decode_sheet(file.patches).tolist()]
    blend(grey, file.patches)
    np.testing.assert_array_equal(grey, np.array(blended(slowly, sheet, boxes, sheet_width), np.uint8))
    assert np.abs(grey.astype(int) - expected).max() <= (ROUNDING if name.endswith("av1") else 0)


@pytest.mark.parametrize("name", ["error", "error_small"])
def test_old_files_say_the_same_of_their_error(name: str) -> None:
    """To the package, and to a reader that knows the specification alone."""
    folder = VECTORS_OF_PATCHES / name
    file = read((folder / "file.sdz").read_bytes())
    expected = json.loads((folder / "expected.json").read_text())
    found = file.error()
    assert found is not None
    assert file.container.error is not None
    figures = reference_error.figures(file.container.error)
    assert reference_error.same(asdict(found), figures)
    said = {key: value for key, value in figures.items() if key != "patched" and value is not None}
    assert reference_error.same(said, {key: expected[key] for key in reference_error.NAMES if key in expected})
    assert (figures["ms_ssim"] is None) == (figures["ssimulacra2"] is None) == (name == "error_small")
    np.testing.assert_array_equal(file.error_map(), np.load(folder / "error_map.npy"))


@pytest.mark.parametrize("folder", VECTORS, ids=lambda folder: f"{folder.parent.name}-{folder.name}")
def test_old_files_open_and_load(folder: Path) -> None:
    expected = json.loads((folder / "expected.json").read_text())
    missing = expected["fingerprint"] == WITHOUT_MODEL
    with Image.open(folder / "file.sdz") as image:
        assert (list(image.size), image.mode) == (expected.pop("size"), expected.pop("mode"))
        if missing:
            assert expected.pop("model") == "tiny-1"
            assert image.info["model"] == WITHOUT_MODEL
            with pytest.raises(SdzModelError, match=WITHOUT_MODEL):
                image.load()
        for key, value in expected.items():
            found = image.info[key]
            assert (list(found) if isinstance(found, tuple) else found) == value, key
        if missing:
            return
        image.load()
        assert np.asarray(image).std() > 0 or image.size == (1, 1)


def test_the_shipped_model_has_vectors_of_every_kind() -> None:
    shipped = registry.find("tiny")
    folders = [folder for folder in VECTORS if folder.parent.name.endswith(f"-{shipped.full_name}")]
    expected = [json.loads((folder / "expected.json").read_text()) for folder in folders]
    assert {each["fingerprint"] for each in expected} == {shipped.fingerprint[:16]}
    assert {each["payload"] for each in expected} == {"palette", "direct", "scalar"}
    assert {each["mode"] for each in expected} == {"L", "LA", "RGB", "RGBA"}
    assert {each["layers"] for each in expected} == {1, 2, 4}


def test_the_vector_of_the_defaults_is_as_the_defaults_are() -> None:
    """``Image.save(path)``: the pixels go through networks, but what the headers say does not depend on them."""
    folder = next(folder for folder in VECTORS if folder.parent.name != "v0" and folder.name == "default")
    expected = json.loads((folder / "expected.json").read_text())
    defaults = SaveOptions()
    assert registry.find(defaults.model).full_name == expected["model"]
    plan = plan_for_quality(defaults.quality)
    assert isinstance(plan, ScalarPlan)
    assert (expected["payload"], expected["step"]) == (plan.kind, plan.step * STEP_UNIT)
