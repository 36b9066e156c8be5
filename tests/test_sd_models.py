"""Models from Stable Diffusion's checkpoints: added, used in a fresh process, and refused with a reason."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import sd_checkpoints as sd
from PIL import Image

from pillow_sdz.cli import main
from pillow_sdz.models import registry
from pillow_sdz.models.adding import add_model

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="session")
def pipeline_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sd.write_pipeline(tmp_path_factory.mktemp("pipeline") / "sd")


@pytest.fixture
def pipeline(pipeline_source: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(pipeline_source, tmp_path / "pipeline"))


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that models are added to."""
    folder = tmp_path / "models"
    monkeypatch.setenv(registry.VARIABLE, str(folder))
    return folder


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main([str(word) for word in words])
        out, err = capsys.readouterr()
        return int(caught.value.code or 0), out, err

    return call


OPEN = """
import sys
from PIL import Image
import pillow_sdz

with Image.open(sys.argv[1]) as image:
    image.load()
    image.save(sys.argv[2])
names = [name for name in sys.modules if name.partition(".")[0] == "transformers"]
assert not names, names
assert "diffusers" in sys.modules
"""


def test_a_pipeline_end_to_end(
    pipeline: Path, models: Path, tmp_path: Path, run: Callable[..., Any], fresh_python: Callable[..., Any],
    astronaut: Image.Image,
) -> None:  # fmt: skip
    code, out, err = run("models", "add", "sd15", pipeline)
    assert code == 0, err
    shutil.rmtree(pipeline)
    manifest = registry.find("sd15")
    assert manifest.short_fingerprint.hex() in out
    assert manifest.folder.parent == models
    file, picture = tmp_path / "a.sdz", astronaut.crop((100, 0, 190, 70))
    picture.save(file, model="sd15")
    with Image.open(file) as image:
        assert image.info["model"] == "sd15-1"
        assert image.info["steps"] == 2
        here = np.asarray(image)
    fresh_python(OPEN, str(file), str(tmp_path / "a.png"))
    there = np.asarray(Image.open(tmp_path / "a.png"))
    assert there.shape == (70, 90, 3)
    assert np.abs(here.astype(int) - there).max() <= 1
