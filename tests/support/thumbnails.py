"""For tests of the thumbnailer: calling it in this process, golden files, and the system's own Python."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from pillow_sdz.integrations.desktop import thumbnailer

GOLDEN = sorted((Path(__file__).parents[1] / "vectors").glob("*/*/file.sdz"))
"""Files of every sort: all payloads, modes and codings."""


def name_of(golden: Path) -> str:
    """Of a golden file: ``v0-pixels/av1``."""
    return "/".join(golden.parts[-3:-1])


def golden(name: str) -> Path:
    """The golden file of a name."""
    return next(each for each in GOLDEN if name_of(each) == name)


@dataclass
class Thumbnailer:
    """Call the program in this process; gives the exit code, and keeps what it printed in ``err``."""

    capture: pytest.CaptureFixture[str]
    err: str = ""

    def __call__(self, *args: object, with_models: bool = False) -> int:
        self.capture.readouterr()
        with pytest.raises(SystemExit) as end:
            thumbnailer.main([str(each) for each in args], with_models=with_models)
        self.err = self.capture.readouterr().err
        assert isinstance(end.value.code, int)
        return end.value.code


@cache
def lacking_in_system_python() -> str | None:
    """Why the system's own Python cannot run the program; None if it can."""
    try:
        code = "import sys, numpy; sys.exit(sys.version_info < (3, 11))"
        done = subprocess.run(["/usr/bin/python3", "-I", "-c", code], capture_output=True, text=True, timeout=60)
    except OSError as error:
        return f"there is no /usr/bin/python3: {error}"
    if done.returncode:
        return "the system's Python has no numpy (on Debian: apt install python3-numpy), or is older than 3.11"
    return None
