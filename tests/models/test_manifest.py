"""A model's manifest: wrong fields are named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from model_folders import edit_manifest, write_model_folder

from pillow_sdz.errors import SdzModelError
from pillow_sdz.models import registry
from pillow_sdz.models.manifest import read_manifest

if TYPE_CHECKING:
    from pathlib import Path


GRAPH = {"sha256": "0" * 64, "layout": "0" * 64}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format", "zip"), ("name", "../up"), ("version", 0), ("version", True), ("fingerprint", "12"),
        ("latent_scaling", 0), ("steps", 256), ("preview_matrix", [[1, 2, 3]]),
        ("preview_matrix", None), ("codes", []), ("context", None), ("training_data", None), ("training_data", 7),
        ("empty_prompt", int("1" * 64)), ("preview_matrix", [[0, 0, 0]] * 8 + [[0, 0, 128]]),
        ("graphs", []), ("graphs", {"unet/unet.onnx": "0" * 64}), ("graphs", {"../up": GRAPH}),
        ("graphs", {"unet/unet.onnx": {"sha256": "0" * 64}}), ("graphs", {"unet/unet.onnx": GRAPH | {"layout": 7}}),
    ],
)  # fmt: skip
def test_wrong_manifest_fields_are_named(copy: Path, field: str, value: object) -> None:
    edit_manifest(copy, lambda fields: fields.update({field: value}))
    with pytest.raises(SdzModelError, match=f"model.json: .*{field}"):
        registry.find("tiny")


@pytest.mark.parametrize(("prior", "kind"), [(True, "scalar"), (False, "palette")])
def test_the_default_payload_is_what_the_model_was_made_for(tmp_path: Path, prior: bool, kind: str) -> None:
    folder = write_model_folder(tmp_path / "toy")
    if not prior:
        edit_manifest(folder, lambda fields: fields["codes"].pop("prior"))
    assert read_manifest(folder).default_payload == kind


@pytest.mark.parametrize("text", ["", "{", "[]", "nul", "[" * 100_000])
def test_manifests_that_are_not_json_objects(copy: Path, text: str) -> None:
    (copy / "model.json").write_text(text)
    with pytest.raises(SdzModelError, match=r"model\.json"):
        registry.find("tiny")
