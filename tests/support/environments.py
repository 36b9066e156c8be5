"""Light Python environments for tests: made in a tenth of a second, and all packages of the running one are there.

environment = LightEnvironment(tmp_path / "env")
environment.convert("autoload", "enable")
environment.run("-m", "some_program", "photo.sdz")
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sysconfig
import textwrap
import venv
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT: Final = Path(__file__).parents[2]
"""The folder with the packages pillow_sdz and tools."""

OURS: Final = ("PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "PYTHONWARNINGS")
"""Environment variables that would change what the environment's Python does."""


class LightEnvironment:
    """A virtual environment without pip, which also finds the packages of the environment that runs the tests.

    Its site-packages are its own, so what is enabled there concerns no other Python. There is no ``sdz-convert`` in it:
    `convert` runs that. Other programs run as modules, or as scripts by their path.

    Args:
        folder: where to make it.
        packages: whether pillow_sdz and the packages of the running environment are to be found.

    Attributes:
        folder: as above.
        python: path of its interpreter.
        site_packages: the folder that pip would install into.
    """

    def __init__(self, folder: Path, *, packages: bool = True) -> None:
        venv.EnvBuilder(with_pip=False, symlinks=os.name != "nt").create(folder)
        self.folder = folder
        variables = {"base": str(folder), "platbase": str(folder)}
        scheme = sysconfig.get_preferred_scheme("prefix") if os.name == "nt" else "venv"
        self.site_packages = Path(sysconfig.get_path("purelib", scheme, variables))
        self.python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        if packages:
            self.borrow_packages()

    def borrow_packages(self) -> None:
        """From now on, let pillow_sdz and the packages of the running environment be found, behind the folder's own."""
        # As folders, whose own start-up files are not read: the hook may be enabled there.
        lines = f"{ROOT}\n{sysconfig.get_path('purelib')}\n"
        (self.site_packages / "other_environment.pth").write_text(lines, "utf-8")

    def run(self, *args: object, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run the environment's Python.

        Args:
            args: its arguments.
            check: raise `AssertionError` with the output if it fails.
            options: further ones of `subprocess.run`; ``env`` is added to the environment variables. It runs in the
                environment's folder if there is no ``cwd``.
        """
        command, variables = self._command(args, options.pop("env", {}))
        options.setdefault("cwd", self.folder)
        process = subprocess.run(command, capture_output=True, text=True, timeout=300, env=variables, **options)
        if check and process.returncode:
            raise AssertionError(f"exit {process.returncode}\n{process.stdout}\n{process.stderr}")
        return process

    def start(self, *args: object, env: dict[str, str] | None = None, **options: Any) -> subprocess.Popen[Any]:
        """Start the environment's Python and do not wait; ``options`` are those of `subprocess.Popen`."""
        command, variables = self._command(args, env or {})
        return subprocess.Popen(command, env=variables, **options)

    def _command(self, args: Iterable[object], env: dict[str, str]) -> tuple[list[str], dict[str, str]]:
        """A command, and the environment variables that it gets."""
        variables = {name: value for name, value in os.environ.items() if name not in OURS}
        return [str(self.python), *map(str, args)], variables | env

    def code(self, code: str, *args: object, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run Python code, indented or not."""
        return self.run("-c", textwrap.dedent(code), *args, **options)

    def convert(self, *args: object, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run ``sdz-convert`` in the environment."""
        return self.run("-m", "pillow_sdz.cli", *args, **options)

    def contents(self) -> dict[str, str]:
        """Every file and folder below `site_packages`, with the SHA-256 of its content."""
        return {
            str(path.relative_to(self.site_packages)): hashlib.sha256(path.read_bytes()).hexdigest()
            if path.is_file()
            else "folder"
            for path in sorted(self.site_packages.rglob("*"))
        }
