"""Fixtures shared by all tests: the toy model, photos, models in miniature, and code in a fresh interpreter."""

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
    import numpy as np
    from cli_fakes import Run
    from fresh import FreshPython
    from numpy.typing import NDArray
    from toy_model import Toy

os.environ["PILLOW_SDZ_DTYPE"] = "float32"  # also for the processes that tests start: pixels are compared

SLOW = Path(__file__).parent / "slow"
"""Tests in this folder have the marker ``slow``."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if SLOW in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Toy:
    """The toy model is the default model."""
    import toy_model

    return toy_model.install(monkeypatch)


@pytest.fixture
def rgb() -> NDArray[np.uint8]:
    """A picture of 40x20 pixels that the toy model keeps exactly."""
    import toy_model

    return toy_model.blocks(40, 20)


@pytest.fixture
def data(rgb: NDArray[np.uint8]) -> bytes:
    """A file of it with a palette."""
    import toy_files

    return toy_files.file_of(rgb)


@pytest.fixture
def path(tmp_path: Path, data: bytes) -> Path:
    """The same as ``cat.sdz``."""
    file = tmp_path / "cat.sdz"
    file.write_bytes(data)
    return file


@pytest.fixture
def run(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Call ``sdz-convert`` with the toy model, in ``tmp_path``."""
    import cli_fakes

    monkeypatch.chdir(tmp_path)
    return cli_fakes.Run(capfdbinary, monkeypatch)


@pytest.fixture
def run_real(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Call ``sdz-convert`` with the models that are installed, in ``tmp_path``."""
    import cli_fakes

    monkeypatch.chdir(tmp_path)
    return cli_fakes.Run(capfdbinary, monkeypatch, real=True)


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


@pytest.fixture(scope="session")
def compare_report(tmp_path_factory: pytest.TempPathFactory, astronaut: Image.Image, chelsea: Image.Image) -> Path:
    """The folder with the report of two photos, see `compare_report`."""
    import compare_report

    return compare_report.make(tmp_path_factory.mktemp("compare"), astronaut, chelsea)


@pytest.fixture
def fresh_python(tmp_path: Path) -> FreshPython:
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
