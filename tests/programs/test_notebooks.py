"""Notebooks show a picture that was opened from .sdz: IPython's display, and a notebook that Jupyter runs."""

from __future__ import annotations

import base64
import io
import json
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from programs import PICTURE, PROCESS, InstalledProgram, decoded, difference

if TYPE_CHECKING:
    from pathlib import Path

    from environments import LightEnvironment

CELL = f"""
import pillow_sdz
from PIL import Image
Image.open({str(PICTURE)!r})
"""


@pytest.mark.slow
def test_ipython(environment: LightEnvironment, tmp_path: Path) -> None:
    shown = environment.code(
        """
        import base64, sys
        from IPython.core.interactiveshell import InteractiveShell

        shell = InteractiveShell.instance()
        result = shell.run_cell(sys.argv[1])
        result.raise_error()
        forms, _ = shell.display_formatter.format(result.result)
        print(base64.b64encode(forms["image/png"]).decode())
        """,
        CELL,
        env=PROCESS | {"IPYTHONDIR": str(tmp_path)},
    ).stdout.splitlines()
    with Image.open(io.BytesIO(base64.b64decode(shown[-1]))) as image:
        assert difference(image, decoded()) == 0


@pytest.mark.slow
def test_jupyter(program: InstalledProgram, tmp_path: Path) -> None:
    environment = program("nbconvert", "ipykernel", "Pillow", megabytes=160)
    cell: dict[str, object] = {
        "cell_type": "code",
        "metadata": {},
        "source": CELL,
        "outputs": [],
        "execution_count": None,
        "id": "photo",
    }
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "photo.ipynb").write_text(json.dumps(notebook))
    variables = PROCESS | {"IPYTHONDIR": str(tmp_path), "JUPYTER_PLATFORM_DIRS": "1"}
    command = ["-m", "nbconvert", "--execute", "--to", "notebook", "--output", "run", "photo.ipynb"]
    environment.run(*command, cwd=tmp_path, env=variables)
    (output,) = json.loads((tmp_path / "run.ipynb").read_text())["cells"][0]["outputs"]
    with Image.open(io.BytesIO(base64.b64decode(output["data"]["image/png"]))) as image:
        assert difference(image, decoded()) == 0
