"""A model's preview networks: in the manifest, on the disk, and not in the fingerprint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from model_folders import FINGERPRINT, edit_manifest, write_model_folder
from preview_samples import SHAPE, preview_file, put_preview

from pillow_sdz.errors import SdzModelError
from pillow_sdz.models import model_data, registry
from pillow_sdz.models.manifest import read_manifest
from pillow_sdz.models.preview_file import PreviewFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SHORT = bytes.fromhex(FINGERPRINT)[:8]
SIZE = len(preview_file())


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv(registry.MODELS_VARIABLE, str(tmp_path / "models"))
    monkeypatch.setattr(model_data, "_preview_networks", {})
    folder = write_model_folder(tmp_path / "models" / "toy")
    edit_manifest(folder, lambda fields: fields.update(preview=put_preview(folder)))
    return folder


def test_the_networks_are_found_and_kept(folder: Path) -> None:
    listed = read_manifest(folder).preview
    assert listed is not None
    assert listed.networks == SHAPE.networks
    assert model_data.has_preview_networks(SHORT)
    found = model_data.preview_networks(SHORT)
    assert found is not None
    assert model_data.preview_networks(SHORT) is found


def test_the_entry_is_what_the_manifest_holds() -> None:
    listed = PreviewFile(SHAPE.networks, "0" * 64)
    assert listed.fields()["networks"][1] == [[1, 2], [3, 5], [1, 3]]
    assert listed.fields()["sha256"] == "0" * 64


@pytest.mark.parametrize("absent", [True, False])
def test_models_without_networks(folder: Path, absent: bool) -> None:
    edit_manifest(folder, lambda fields: fields.pop("preview") if absent else fields.update(preview=None))
    assert read_manifest(folder).preview is None
    assert read_manifest(folder).preview_networks() is None
    assert not model_data.has_preview_networks(SHORT)
    assert model_data.preview_networks(SHORT) is None


def test_models_that_are_not_installed(folder: Path) -> None:
    assert not model_data.has_preview_networks(bytes(8))
    assert model_data.preview_networks(bytes(8)) is None


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "cannot read the preview file of model toy-1.*install the model again"),
        (lambda path: path.write_bytes(preview_file()[:-1]), f"size: .*found {SIZE - 1} bytes, expected {SIZE} bytes"),
        (lambda path: path.write_bytes(preview_file() * 9), f"size: .*found more, expected {SIZE} bytes"),
        (lambda path: path.write_bytes(preview_file(1)), "SHA-256: the preview file differs from the model's manifest"),
    ],
)
def test_damaged_files(folder: Path, damage: Callable[[Path], object], message: str) -> None:
    damage(folder / "preview.i32")
    for _ in range(2):
        with pytest.raises(SdzModelError, match=rf"(?s)preview\.i32.*{message}"):
            model_data.preview_networks(SHORT)


@pytest.mark.parametrize(
    "networks",
    [
        None, {}, [], [[[1, 3]]] * 3, [[[1, 3]]] * 5, [[]] * 4, [[[1, 3]]] * 3 + [None], [[[1, 4]]] * 4,
        [[[2, 3]]] * 4, [[[5, 3]]] * 4, [[[1, 3, 1]]] * 4, [[[1]]] * 4, [[3]] * 4, [[[1, 257], [1, 3]]] * 4,
        [[[1, 0], [1, 3]]] * 4, [[[True, 3]]] * 4, [[[1.0, 3]]] * 4, [[[1, 3]] * 9] * 4,
    ],
)  # fmt: skip
def test_wrong_networks(folder: Path, networks: object) -> None:
    edit_manifest(folder, lambda fields: fields["preview"].update(networks=networks))
    with pytest.raises(SdzModelError, match=r"model\.json: preview: wrong field"):
        read_manifest(folder)


@pytest.mark.parametrize("entry", [[], "preview.i32", 1, False, {}, {"networks": [[[1, 3]]] * 4, "sha256": "00"}])
def test_wrong_entries(folder: Path, entry: object) -> None:
    edit_manifest(folder, lambda fields: fields.update(preview=entry))
    with pytest.raises(SdzModelError, match=r"model\.json: preview: wrong field"):
        read_manifest(folder)


def test_the_fingerprint_of_the_shipped_model_does_not_depend_on_them(copy: Path) -> None:
    edit_manifest(copy, lambda fields: fields.pop("preview", None))
    registry.load(registry.find("tiny"), "cpu", "float32")  # checks the fingerprint
