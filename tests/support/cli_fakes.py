"""For tests of the command line: the toy codec in the place of the real one, pictures, and ways to run the program."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import toy_codec
from PIL import Image

import pillow_sdz


def fake_modules() -> dict[str, types.ModuleType]:
    """Modules for the places of `pillow_sdz.codec.encode` and `pillow_sdz.codec.decode`, by name."""
    modules = {}
    for name, function in (("encoder", toy_codec.encode), ("decoder", toy_codec.decode)):
        modules[name] = types.ModuleType(f"pillow_sdz.{name}")
        setattr(modules[name], function.__name__, function)
    return modules


def install() -> None:
    """Put the fakes in place for the rest of the process."""
    for name, module in fake_modules().items():
        sys.modules[module.__name__] = module
        setattr(pillow_sdz, name, module)


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
    """Run Python code in a fresh interpreter that finds this package and these fakes."""
    return subprocess.run(
        [sys.executable, "-c", code, *args], env=environment(), capture_output=True, timeout=60, **keywords
    )


def environment() -> dict[str, str]:
    root = Path(__file__).parent
    return os.environ | {
        "PYTHONPATH": os.pathsep.join([str(root), str(root.parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    }


FAKED = "import cli_fakes; cli_fakes.install(); from pillow_sdz.cli import main\n"
"""Start of a subprocess's code: fakes in place."""


class Run:
    """Call the program in this process, with the fakes in place unless ``real`` is asked for.

    ``run(...)`` gives the exit code; ``out``, ``raw`` (the same as bytes) and ``err`` are what was printed.
    """

    def __init__(self, capture: Any, monkeypatch: Any, *, real: bool = False) -> None:
        self._capture, self._monkeypatch = capture, monkeypatch
        for name, module in ({} if real else fake_modules()).items():
            monkeypatch.setitem(sys.modules, module.__name__, module)
            monkeypatch.setattr(pillow_sdz, name, module, raising=False)
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
