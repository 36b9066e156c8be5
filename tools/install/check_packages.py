"""Build wheel and sdist, check them, and use them in empty environments:  python tools/install/check_packages.py

What is built is the last commit. It is installed in full, from the wheel and from the sdist, and as the README says for
programs that only read. In each environment a file is opened and a picture saved as far as that installation can, from
a folder outside of this checkout. Sizes are printed at the end. Takes some minutes and 4 GB of disk.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
SAMPLE: Final = ROOT / "tests" / "vectors" / "v0" / "scalar" / "file.sdz"
PROBE: Final = Path(__file__).with_name("probe.py")

SDIST_HOLDS: Final = (
    "spec/sdz.md",
    "tests/conftest.py",
    "tests/vectors/v0/scalar/file.sdz",
    "tools/test.sh",
    "LICENSE",
)
"""Some of the files that those who package or test the project need. All files of the commit are compared besides."""

Sizes = dict[str, int]


def main() -> int:
    """Check everything.

    Returns:
        The exit code: 1 if something is wrong, after what was found is printed.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch", default="torch==2.13.0", help="what is installed before the package (%(default)s)")
    parser.add_argument("--readme", type=Path, default=ROOT / "README.md", help="whose instructions are followed")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="an empty folder for what is built and installed")
    parser.add_argument("--reading-only", action="store_true", help="leave the installations with torch out")
    arguments = parser.parse_args()
    if arguments.keep is not None and arguments.keep.exists() and any(arguments.keep.iterdir()):
        parser.error(f"--keep {arguments.keep}: the folder is not empty")
    with tempfile.TemporaryDirectory(prefix="pillow-sdz-") as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            sizes = check(folder.resolve(), arguments.torch, arguments.readme, reading_only=arguments.reading_only)
        except (AssertionError, subprocess.CalledProcessError) as error:
            print(f"FAILED: {error}", file=sys.stderr)
            return 1
    print("\nsize, MB")
    for name, size in sizes.items():
        print(f"{size / 1e6:8.1f}  {name}")
    return 0


def check(folder: Path, torch: str, readme: Path, *, reading_only: bool) -> Sizes:
    """Build, check and install, all below ``folder``.

    Returns:
        What was made, with its size in bytes.

    Raises:
        AssertionError: a package lacks something or holds too much, or an installation cannot do what it should.
        subprocess.CalledProcessError: a program failed.
    """
    wheel, sdist = build(folder)
    check_contents(wheel, sdist)
    sizes = {f"wheel, {wheel.name}": wheel.stat().st_size, f"sdist, {sdist.name}": sdist.stat().st_size}
    if not reading_only:
        for kind, package in (("wheel", wheel), ("sdist", sdist)):
            environment = Environment(folder / f"full-{kind}")
            environment.pip("install", torch)
            environment.pip("install", package)
            environment.probe("preview", "pixels", "decode", "save", "command")
            sizes[f"everything, from the {kind}, with {torch}"] = environment.size()
    for number, commands in enumerate(reading_instructions(readme.read_text("utf-8"))):
        environment = Environment(folder / f"reading-{number}")
        for command in commands:
            environment.pip(*(wheel if word == "." else word for word in command))
        packages = [word for word in commands[0][1:] if not word.startswith("-")]
        able = ["preview", "pixels"]
        able += ["decode"] if "onnxruntime" in packages else []
        able += ["command"] if "click" in packages else []
        environment.probe(*able)
        sizes[f"for reading, with {', '.join(packages)}"] = environment.size()
    return sizes


def build(folder: Path) -> tuple[Path, Path]:
    """Build the last commit in a clone, so that no other files get in; the wheel and the sdist."""
    tools = Environment(folder / "tools")
    tools.pip("install", "build", "twine", "check-wheel-contents")
    run("git", "clone", "--quiet", "--depth", "1", ROOT.as_uri(), folder / "clone")
    tools.module("build", "--outdir", folder / "dist", folder / "clone", quiet=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    (sdist,) = (folder / "dist").glob("*.tar.gz")
    tools.module("twine", "check", "--strict", wheel, sdist)
    run(tools.python.with_name("check-wheel-contents"), wheel)
    return wheel, sdist


def check_contents(wheel: Path, sdist: Path) -> None:
    """Check that the wheel holds all of the package and nothing else, and the sdist all files of the commit.

    Raises:
        AssertionError: it is not so.
    """
    listing = subprocess.run(["git", "ls-tree", "-r", "--name-only", "HEAD"], cwd=ROOT, capture_output=True, check=True)
    commit = set(listing.stdout.decode().splitlines())
    package = {name for name in commit if name.startswith("pillow_sdz/")}
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == package, f"the wheel lacks {sorted(package - held)} and should not have {sorted(held - package)}"
    with tarfile.open(sdist) as archive:
        held = {member.name.partition("/")[2] for member in archive if member.isfile()}
    assert set(SDIST_HOLDS) <= commit
    assert commit <= held, f"the sdist lacks {sorted(commit - held)}"
    print(f"wheel: the {len(package)} files of pillow_sdz/ and no others; sdist: all {len(commit)} files")


def reading_instructions(readme: str) -> list[list[list[str]]]:
    """What the README says to type for installations that only read.

    Returns:
        For each block of commands with ``--no-deps`` its lines, split at spaces, without ``$ pip``.

    Raises:
        AssertionError: there is none.
    """
    blocks = re.findall(r"^```console\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    found = [
        [shlex.split(line, comments=True)[2:] for line in block.splitlines() if line.startswith("$ pip ")]
        for block in blocks
        if "pip install --no-deps" in block
    ]
    assert found, "the README does not say how to install what reading needs"
    return found


class Environment:
    """A virtual environment.

    Args:
        folder: where to make it.

    Attributes:
        folder: the same.
        python: path of its interpreter.
    """

    def __init__(self, folder: Path) -> None:
        venv.EnvBuilder(with_pip=False, symlinks=os.name != "nt").create(folder)
        self.folder = folder
        self.python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        self._empty = _bytes_below(folder)

    def pip(self, *args: object) -> None:
        """Run pip for the environment; pip itself is not in it."""
        print("$ pip", *args)
        options = ["--python", self.python, "--quiet", "--disable-pip-version-check"]
        run(sys.executable, "-m", "pip", *options, *args, cwd=self.folder)

    def module(self, *args: object, quiet: bool = False) -> None:
        """Run a module."""
        run(self.python, "-m", *args, cwd=self.folder, quiet=quiet)

    def probe(self, *able: str) -> None:
        """Use the package, see `probe`, and check that it can do just that.

        Raises:
            AssertionError: it can do something else.
        """
        process = subprocess.run(
            [self.python, "-I", PROBE, SAMPLE], cwd=self.folder, capture_output=True, text=True, check=False
        )
        print(process.stdout.rstrip())
        assert process.returncode == 0, process.stderr
        found = re.findall(r"^can (\w+)", process.stdout, re.MULTILINE)
        assert found == list(able), f"expected {able}\n{process.stderr}"

    def size(self) -> int:
        """Bytes of all files that were installed, without Python itself."""
        return _bytes_below(self.folder) - self._empty


def _bytes_below(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")


def run(*command: object, cwd: Path | None = None, quiet: bool = False) -> None:
    """Run a program; its output is shown, or with ``quiet`` only if it fails.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    sys.stdout.flush()
    process = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=quiet, check=False)
    if process.returncode:
        if quiet:
            sys.stderr.buffer.write(process.stdout + process.stderr)
        process.check_returncode()


if __name__ == "__main__":
    sys.exit(main())
