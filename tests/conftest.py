"""Fixtures shared by all tests: real photos, and a way to run code in a fresh interpreter."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable


os.environ["PILLOW_SDZ_DTYPE"] = "float32"  # also for the processes that tests start: pixels are compared


def _photo(name: str) -> Image.Image:
    import skimage.data

    return Image.fromarray(getattr(skimage.data, name)()).convert("RGB")


@pytest.fixture(scope="session")
def astronaut() -> Image.Image:
    """512x512, a face and a flag."""
    return _photo("astronaut")


@pytest.fixture(scope="session")
def chelsea() -> Image.Image:
    """451x300, a cat."""
    return _photo("chelsea")


@pytest.fixture(scope="session")
def coffee() -> Image.Image:
    """600x400, a cup."""
    return _photo("coffee")


@pytest.fixture
def fresh_python(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a snippet in a fresh interpreter, in a folder of its own, warnings as errors."""

    def run(code: str, *args: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        script = tmp_path / "snippet.py"
        script.write_text(textwrap.dedent(code))
        process = subprocess.run(
            [sys.executable, "-W", "error", str(script), *args],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
        )
        if check and process.returncode:
            raise AssertionError(f"exit {process.returncode}\n{process.stdout}\n{process.stderr}")
        return process

    return run


@pytest.fixture(scope="session")
def pipeline_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline of Stable Diffusion in miniature, see `sd_checkpoints`."""
    import sd_checkpoints

    return sd_checkpoints.write_pipeline(tmp_path_factory.mktemp("pipeline") / "sd")


@pytest.fixture
def pipeline(pipeline_source: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may damage."""
    return Path(shutil.copytree(pipeline_source, tmp_path / "pipeline"))


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that models are added to."""
    monkeypatch.setenv("PILLOW_SDZ_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"
