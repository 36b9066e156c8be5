"""The nodes in a real ComfyUI: everything that `tools/comfyui_sdz/check_server.py` checks."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from comfyui_pack import PACK

CHECKOUT, PYTHON = "COMFYUI", "COMFYUI_PYTHON"
"""Environment variables: the folder of ComfyUI, and the interpreter that has its requirements."""


@pytest.mark.slow
def test_everything_in_a_real_server() -> None:
    if CHECKOUT not in os.environ:
        pytest.skip(
            f"this test needs ComfyUI: set {CHECKOUT} to a checkout of it, and {PYTHON} to the python of an environment"
            " with its requirements (without torchvision and torchaudio) and pillow_sdz"
        )
    command = [os.environ.get(PYTHON, sys.executable), str(PACK / "check_server.py"), os.environ[CHECKOUT]]
    process = subprocess.run(command, capture_output=True, text=True, timeout=900)
    print(process.stdout)
    assert process.returncode == 0, process.stdout + process.stderr
    assert "0 checks failed" in process.stdout
