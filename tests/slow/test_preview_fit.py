"""Fitting preview networks, and that the shipped ones are close to true thumbnails."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from in_memory import opened, psnr, saved

from pillow_sdz.codec.file import read
from pillow_sdz.codec.preview import decode_preview
from pillow_sdz.models import registry
from pillow_sdz.models.manifest import read_manifest

if TYPE_CHECKING:
    from PIL import Image

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee"])
def test_previews_are_close_to_thumbnails(name: str, request: pytest.FixtureRequest) -> None:
    """These photos are not among those that the networks were fitted on."""
    photo: Image.Image = request.getfixturevalue(name)
    file = read(saved(photo, effort=3))
    for stride, least in ((1, 28), (2, 30), (4, 31), (8, 31)):
        assert psnr(decode_preview(file, stride).rgb, photo.reduce(8 * stride)) > least


def test_thumbnails_are_close_to_those_of_the_original(astronaut: Image.Image) -> None:
    thumbnail, expected = opened(saved(astronaut, effort=3)), astronaut.copy()
    for image in (thumbnail, expected):
        image.thumbnail((50, 50))
    assert psnr(thumbnail, expected) > 28


def test_networks_are_fitted_and_written(tmp_path: Path, astronaut: Image.Image, chelsea: Image.Image) -> None:
    folder, photos = tmp_path / "model", tmp_path / "photos"
    shutil.copytree(registry.find("tiny").folder, folder)
    before = json.loads((folder / "model.json").read_text())
    photos.mkdir()
    for number, photo in enumerate((astronaut, chelsea)):
        for part in range(2):
            photo.crop((200 * part, 40, 200 * part + 200, 280)).save(photos / f"{number}{part}.png")
    config = tmp_path / "config.toml"
    config.write_text('[data]\nheld_out = ["01.png"]\nexclude = ["11"]\n')
    command = [sys.executable, str(ROOT / "tools" / "train" / "preview.py"), str(folder), "--photos", str(photos)]
    command += ["--config", str(config), "--cache", str(tmp_path / "cache"), "--refined", "1", "--steps", "60"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    assert "stride 8: " in done.stdout
    assert sorted(path.name for path in (tmp_path / "cache").rglob("*.npz")) == ["00.npz", "01.npz", "10.npz"]
    manifest = read_manifest(folder)
    networks = manifest.preview_networks()
    assert networks is not None
    codes = np.full((9, 9, manifest.codes.channels), 128, np.uint8)
    assert networks.preview(codes, 1).shape == (9, 9, 3)
    after = json.loads((folder / "model.json").read_text())
    assert before.pop("preview") != after.pop("preview")
    assert before == after
