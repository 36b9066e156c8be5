"""Do programs that know nothing of .sdz open it once ``sdz-convert autoload enable`` has run, and is all undone after?

    python tools/programs/check_autoload.py [FOLDER]

Makes a fresh virtual environment in FOLDER (default: a temporary one, removed afterwards), installs torch, a wheel of
this project, and timg, climage, img2pdf and sigal from the package index, some 2 GB and several minutes. Then, in this
order, each step is printed:

1. every module is compiled, so that running programs writes no bytecode, and the state of the environment is taken:
   names, permissions and SHA-256 sums of all files, links and folders, bytecode included;
2. a picture is saved as .sdz there, and decoded to PNG by ``sdz-convert``;
3. each program is asked to open the .sdz, and must fail;
4. ``autoload enable``; each program must open it, and show what it shows of the PNG;
5. ``autoload disable``; each program must fail again;
6. the environment must be as in step 1, to the byte.

The exit code is 1 if any of this is not so.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

ROOT: Final = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # where a script finds the package tools

from tools.programs.folder_state import differences, state  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

TORCH: Final = "torch==2.13.0"
"""As in tools/venv.sh: this version has a CPU-only build."""

PROGRAMS: Final = ("timg", "climage", "img2pdf", "sigal")

LARGEST_DIFFERENCE: Final = 6.0
"""Mean absolute difference, in levels of 255, up to which two pictures count as the same: JPEG files (sigal) and
thumbnails from the preview come close to the decoded picture, not more. Unrelated pictures are 50 and more apart."""

DRAW: Final = """
import sys
from PIL import Image, ImageFilter
bands = [Image.effect_mandelbrot((512, 384), box, 60) for box in ((-2, -1, 1, 1), (-1.6, -0.6, 0, 0.6), (-2, 0, 0, 1))]
Image.merge("RGB", bands).filter(ImageFilter.GaussianBlur(2)).save(sys.argv[1])
"""

COMPARE: Final = """
import io, sys
from PIL import Image, ImageChops, ImageStat
def read(path):
    if path.endswith(".pdf"):
        import pikepdf
        with pikepdf.open(path) as pdf:
            (image,) = pdf.pages[0].Resources.XObject.values()
            return pikepdf.PdfImage(image).as_pil_image().convert("RGB")
    return Image.open(path).convert("RGB")
one, other = (read(path) for path in sys.argv[1:])
assert one.width * other.height == one.height * other.width, (one.size, other.size)
difference = ImageStat.Stat(ImageChops.difference(one, other.resize(one.size))).mean
print(one.size, max(difference))
"""
"""Prints the size of the first picture, and the mean absolute difference of the channel that differs most."""

SIGAL: Final = """
source = "pictures"
destination = "built"
img_extensions = [".sdz"]
img_format = "JPEG"
"""
"""sigal.conf.py: it says which suffixes are pictures, and that a gallery has JPEG files, which browsers show."""


class Check:
    """The environment, and what was found wrong.

    Args:
        folder: where the environment and all pictures are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = folder / "environment"
        self.binaries = self.environment / ("Scripts" if os.name == "nt" else "bin")
        self.photo, self.sdz, self.png = (folder / name for name in ("photo.png", "photo.sdz", "decoded.png"))
        self.failures: list[str] = []

    def run(self, program: str, *args: object, **options: object) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment, in `folder`, as a user would."""
        options = {"cwd": self.folder, **options}
        command = [str(self.binaries / program), *map(str, args)]
        variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return subprocess.run(command, capture_output=True, text=True, env=variables, **options)  # type: ignore[call-overload, no-any-return]

    def must(self, program: str, *args: object) -> str:
        """Run a program that must not fail; its output."""
        process = self.run(program, *args)
        if process.returncode:
            raise click.ClickException(f"{program} {' '.join(map(str, args))}\n{process.stdout}{process.stderr}")
        return process.stdout

    def expect(self, right: bool, said: str) -> None:
        """Print what was seen, and remember it if it is wrong."""
        click.echo(f"  {'ok ' if right else 'BAD'} {said}")
        if not right:
            self.failures.append(said)

    def install(self) -> None:
        """Make the environment."""
        click.echo(f"a fresh environment in {self.environment}")
        venv.EnvBuilder(with_pip=True, symlinks=os.name != "nt").create(self.environment)
        pip = ("-m", "pip", "--disable-pip-version-check", "--quiet")
        self.must("python", *pip, "install", TORCH)
        self.must("python", *pip, "wheel", "--no-deps", "--wheel-dir", self.folder, ROOT)
        (wheel,) = self.folder.glob("pillow_sdz-*.whl")
        self.must("python", *pip, "install", wheel)
        self.must("python", *pip, "install", *PROGRAMS)
        versions = self.must("python", *pip, "freeze").splitlines()
        wanted = ("pillow", "torch", *PROGRAMS)
        click.echo("  " + ", ".join(line for line in versions if re.split("[=@ ]", line)[0] in wanted))

    def make_pictures(self) -> None:
        """The picture, the same as .sdz, and what `sdz-convert` decodes from that."""
        self.must("python", "-c", DRAW, self.photo)
        self.must("sdz-convert", self.photo, "-o", self.sdz, "--payload", "scalar")  # by a model, not as pixels
        self.must("sdz-convert", self.sdz, "-o", self.png)
        click.echo(f"a picture of 512x384 pixels as .sdz: {self.sdz.stat().st_size:,} bytes")

    def difference(self, one: Path, other: Path) -> tuple[str, float]:
        """Size of a picture, and mean absolute difference from another one, in levels."""
        size, _, levels = self.must("python", "-c", COMPARE, one, other).strip().rpartition(" ")
        return size, float(levels)

    def terminal(self, program: str, *args: object) -> None:
        """A program that prints a picture in colours: the colours of the .sdz are those of the PNG."""
        shown = [self.run(program, *args, path) for path in (self.sdz, self.png)]
        if any(process.returncode for process in shown):
            self.expect(False, f"{program}: {shown[0].stderr.strip().splitlines()[-1:]}")
            return
        sdz, png = ([int(number) for number in re.findall(r"\d+", process.stdout)] for process in shown)
        same = len(sdz) == len(png) and len(sdz) > 1000
        levels = sum(abs(a - b) for a, b in zip(sdz, png, strict=True)) / len(sdz) if same else 255.0
        lines = len(shown[0].stdout.splitlines())
        self.expect(
            same and levels <= LARGEST_DIFFERENCE, f"{program}: {lines} lines, {levels:.2f} levels from the PNG's"
        )

    def pdf(self) -> None:
        """img2pdf keeps pixels exactly."""
        target = self.folder / "photo.pdf"
        process = self.run("img2pdf", self.sdz, "-o", target)
        if process.returncode:
            self.expect(False, f"img2pdf: {process.stderr.strip()}")
            return
        size, levels = self.difference(target, self.png)
        self.expect(levels == 0, f"img2pdf: a page with {size} pixels, {levels:.2f} levels from the PNG")

    def gallery(self) -> None:
        """A page with JPEG files."""
        process = self.run("sigal", "build", "--force", cwd=self.prepare_gallery())
        made = [self.folder / "gallery/built/album" / name for name in ("photo.jpg", "thumbnails/photo.jpg")]
        if process.returncode or not all(path.exists() for path in made):
            self.expect(False, f"sigal: no picture in the gallery; {process.stdout}{process.stderr}".strip())
            return
        page = (self.folder / "gallery/built/album/index.html").read_text("utf-8")
        size, levels = self.difference(made[0], self.png)
        self.expect(
            levels <= LARGEST_DIFFERENCE and "photo.jpg" in page,
            f"sigal: a gallery, its picture has {size} pixels, {levels:.2f} levels from the PNG",
        )

    def prepare_gallery(self) -> Path:
        """The folder of the gallery, with one album."""
        gallery = self.folder / "gallery"
        (gallery / "pictures" / "album").mkdir(parents=True, exist_ok=True)
        (gallery / "sigal.conf.py").write_text(SIGAL, "utf-8")
        (gallery / "pictures" / "album" / "photo.sdz").write_bytes(self.sdz.read_bytes())
        return gallery

    def programs_open_it(self) -> None:
        """All four."""
        self.terminal("timg", "-s", 60)
        self.terminal("climage", "--truecolor", "--cols", 60)
        self.pdf()
        self.gallery()

    def programs_fail(self) -> None:
        """None of the four opens the file; sigal leaves it out and says nothing."""
        runs: dict[str, Callable[[], subprocess.CompletedProcess[str]]] = {
            "timg": lambda: self.run("timg", self.sdz),
            "climage": lambda: self.run("climage", self.sdz),
            "img2pdf": lambda: self.run("img2pdf", self.sdz, "-o", self.folder / "none.pdf"),
        }
        for name, run in runs.items():
            process = run()
            said = (process.stderr.strip().splitlines() or [""])[-1]
            self.expect(process.returncode != 0, f"{name} fails: {said[:100]}")
        self.run("sigal", "build", "--force", "pictures", "without", cwd=self.prepare_gallery())
        made = list((self.folder / "gallery" / "without").rglob("photo.jpg"))
        self.expect(not made, "sigal makes no picture of it")


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, help=__doc__)
@click.argument("folder", required=False, type=click.Path(path_type=Path))
def main(folder: Path | None) -> None:
    """The command; its help is the module's docstring."""
    if folder is not None:
        folder.mkdir(parents=True)
        sys.exit(check(folder.resolve()))
    with tempfile.TemporaryDirectory() as temporary:
        sys.exit(check(Path(temporary).resolve()))


def check(folder: Path) -> int:
    """All steps; 1 if something was not as it should be."""
    checks = Check(folder)
    checks.install()
    checks.run("python", "-m", "compileall", "-q", checks.environment)  # what cannot be compiled is never imported
    before = state(checks.environment)
    click.echo(f"the environment has {len(before):,} files, links and folders")
    checks.make_pictures()
    click.echo("without autoload:")
    checks.programs_fail()
    click.echo("sdz-convert autoload enable:")
    click.echo("  " + checks.must("sdz-convert", "autoload", "enable").strip().replace("\n", "\n  "))
    click.echo("  since the beginning: " + ", ".join(differences(before, state(checks.environment))))
    checks.programs_open_it()
    click.echo("sdz-convert autoload disable:")
    click.echo("  " + checks.must("sdz-convert", "autoload", "disable").strip().replace("\n", "\n  "))
    checks.programs_fail()
    left = differences(before, state(checks.environment))
    checks.expect(not left, f"the environment is as before: {len(before):,} entries, {len(left)} differences {left}")
    click.echo(f"{len(checks.failures)} of these checks failed" if checks.failures else "all as it should be")
    return 1 if checks.failures else 0


if __name__ == "__main__":
    main()
