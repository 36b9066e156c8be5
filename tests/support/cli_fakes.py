"""For tests of the command line: the program with the toy model, in this process and in others, and pictures."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import toy_model
from PIL import Image

if TYPE_CHECKING:
    import pytest


def photo(path: Path, size: tuple[int, int] = (40, 24), mode: str = "RGB", **keywords: Any) -> Path:
    """A small picture file."""
    y, x = np.mgrid[: size[1], : size[0]]
    pixels = np.stack([x * 5, y * 9, (x + y) * 3, 255 - x], -1).astype(np.uint8)
    Image.fromarray(pixels, "RGBA").convert(mode).save(path, **keywords)
    return path


def names_in(folder: Path) -> list[str]:
    """Names of what is in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir())


def python(code: str, *args: str, **keywords: Any) -> subprocess.CompletedProcess[Any]:
    """Run Python code in a fresh interpreter that finds the package and the modules of this folder."""
    return subprocess.run(
        [sys.executable, "-c", code, *args], env=environment(), capture_output=True, timeout=60, **keywords
    )


def environment() -> dict[str, str]:
    """Environment variables of a process that finds the package and the modules of this folder."""
    root = Path(__file__).parent
    return os.environ | {
        "PYTHONPATH": os.pathsep.join([str(root), str(root.parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    }


FAKED = "import toy_model; toy = toy_model.install(); from pillow_sdz.cli import main\n"
"""First lines of a subprocess's code: they install the toy model."""


class Run:
    """Call the program in this process, with the toy model unless ``real`` is asked for.

    ``run(...)`` gives the exit code.

    Attributes:
        toy: the installed toy models, which record what they are asked for; not installed with ``real``.
        out, err: what was printed.
        raw: ``out`` as bytes.
    """

    def __init__(
        self, capture: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch, *, real: bool = False
    ) -> None:
        self._capture, self._monkeypatch = capture, monkeypatch
        self.toy = toy_model.Toy() if real else toy_model.install(monkeypatch)
        self.out = self.err = ""
        self.raw = b""

    def __call__(self, *args: object, stdin: bytes | None = None) -> int:
        from pillow_sdz.cli import main

        if stdin is not None:
            self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        self._capture.readouterr()
        try:
            main([str(arg) for arg in args])
        except SystemExit as end:
            self.raw, err = self._capture.readouterr()
            self.out, self.err = self.raw.decode("utf-8", "replace"), err.decode()
            return int(end.code or 0)
        raise AssertionError("main returned")
