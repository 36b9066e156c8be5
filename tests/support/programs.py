"""For the tests in tests/programs: a picture, and the environments that other programs run in."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
import pytest
from environments import ROOT, LightEnvironment
from PIL import Image

import pillow_sdz  # noqa: F401

if TYPE_CHECKING:
    from numpy.typing import NDArray

PICTURE: Final = ROOT / "tests" / "vectors" / "v0" / "scalar" / "file.sdz"
"""150x100 pixels, in a file of the shipped model."""

SIZE: Final = (150, 100)

OPT_IN: Final = "PILLOW_SDZ_PROGRAMS"
"""Environment variable: if set, programs are installed that need environments of their own."""

COMMAND: Final = "bash tools/programs/test_programs.sh"
"""What runs the tests with all programs."""

PROCESS: Final = {"OMP_NUM_THREADS": "1", "PILLOW_SDZ_DTYPE": "float32", "PILLOW_SDZ_RUNTIME": "onnx"}
"""Environment variables of the programs, so that their pixels are those of `decoded`."""


class InstalledProgram(Protocol):
    """The type of the fixture ``program``: make an environment with what pip is asked for, see `installed`."""

    def __call__(self, *requirements: str, megabytes: int) -> LightEnvironment: ...


def decoded() -> Image.Image:
    """The picture as it decodes."""
    with Image.open(PICTURE) as image:
        image.runtime = "onnx"  # type: ignore[attr-defined]  # of SdzImageFile
        return image.convert("RGB")


def difference(image: Image.Image, other: Image.Image) -> float:
    """Mean absolute difference of two pictures' pixels, in levels (of 256); both are taken as RGB."""
    assert image.size == other.size
    return float(np.abs(_pixels(image) - _pixels(other)).mean())


def _pixels(image: Image.Image) -> NDArray[np.int64]:
    return np.asarray(image.convert("RGB")).astype(int)


def is_picture(image: Image.Image, tolerance: float) -> bool:
    """Whether this is the picture of `PICTURE`, perhaps smaller, and coded again.

    Args:
        image: what a program made of it.
        tolerance: mean absolute difference that is allowed, in levels (of 256).
    """
    expected = decoded().resize(image.size, Image.Resampling.LANCZOS)
    return difference(image, expected) <= tolerance


def script(name: str) -> Path:
    """The command of a program that is installed in the environment that runs the tests."""
    for suffix in ("", ".exe"):
        path = Path(sysconfig.get_path("scripts")) / f"{name}{suffix}"
        if path.exists():
            return path
    raise FileNotFoundError(f"{name} is not installed: pip install '.[test]'")


def installed(folder: Path, *requirements: str, megabytes: int) -> LightEnvironment:
    """An environment with a program, behind whose packages those of the running environment are found.

    So the program has the versions that it asks for, of Pillow, too; torch and ONNX Runtime are borrowed. Environments
    are made once, and stay.

    Args:
        folder: where environments are kept.
        requirements: what pip installs.
        megabytes: how large that is, for the reason of a skip.
    """
    if OPT_IN not in os.environ:
        pytest.skip(f"installs {' '.join(requirements)}, {megabytes} MB, into an environment of its own: {COMMAND}")
    key = sha256(" ".join((sys.version, os.environ.get("PYTEST_XDIST_WORKER", ""), *requirements)).encode())
    place = folder / key.hexdigest()[:16]
    complete = place / "complete"
    environment = LightEnvironment(place, packages=False)
    if not complete.exists():
        pip = [sys.executable, "-m", "pip", "--python", str(environment.python), "--disable-pip-version-check"]
        command = [*pip, "install", "--quiet", *requirements]
        process = subprocess.run(command, capture_output=True, text=True, timeout=900)
        if process.returncode:
            pytest.fail(f"{' '.join(requirements)} could not be installed:\n{process.stderr}")
        complete.touch()
    environment.borrow_packages()
    return environment
