"""What an installation of the package can do, for check_packages.py:  python -I probe.py FILE.sdz

Prints a line ``can WORD`` or ``cannot WORD: ERROR`` for each of: preview, pixels (a file without a model),
decode, save, command (sdz-convert).
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageChops, ImageStat, __version__

import pillow_sdz

if TYPE_CHECKING:
    from collections.abc import Callable


def colours(image: Image.Image) -> int:
    """How many colours there are; a picture that was not decoded has one."""
    return len(image.convert("RGB").getcolors(image.width * image.height) or ())


def preview(file: Path, _folder: Path) -> None:
    """A thumbnail, without torch."""
    with Image.open(file) as image:
        assert image.format == "SDZ"
        assert image.info["model"] == "tiny-8"
        image.thumbnail((image.width // 8, image.height // 8))
        assert colours(image) > 20
    assert "torch" not in sys.modules


def pixels(_file: Path, folder: Path) -> None:
    """A picture that is stored without a model; without torch."""
    save_and_open(folder / "pixels.sdz", payload="pixels")
    assert "torch" not in sys.modules


def decode(file: Path, _folder: Path) -> None:
    """The whole picture."""
    with Image.open(file) as image:
        image.load()
        assert colours(image) > 1000


def save(_file: Path, folder: Path) -> None:
    """A picture by the default options."""
    save_and_open(folder / "new.sdz")


def save_and_open(path: Path, **options: Any) -> None:
    """Save a picture; what opens must be like it."""
    picture = Image.merge("RGB", [Image.radial_gradient("L"), Image.linear_gradient("L"), Image.linear_gradient("L")])
    picture.save(path, **options)
    with Image.open(path) as image:
        difference = ImageChops.difference(image.convert("RGB"), picture)
    assert max(ImageStat.Stat(difference).mean) < 10


def command(file: Path, folder: Path) -> None:
    """Facts and a PNG by ``sdz-convert``."""
    program = Path(sysconfig.get_path("scripts")) / "sdz-convert"
    subprocess.run([program, "--info", file], check=True, capture_output=True)
    target = folder / "copy.png"
    subprocess.run([program, file, "-o", target], check=True, capture_output=True)
    with Image.open(target) as image:
        assert image.format == "PNG"


def main() -> None:
    """Try everything."""
    file = Path(sys.argv[1])
    package = Path(pillow_sdz.__file__)
    assert Path(sys.prefix) in package.parents, f"{package} is not in this environment"
    print(f"pillow_sdz {pillow_sdz.__version__}, Pillow {__version__}")
    steps: list[Callable[[Path, Path], None]] = [preview, pixels, decode, save, command]
    with tempfile.TemporaryDirectory() as folder:
        for step in steps:
            try:
                step(file, Path(folder))
            except (pillow_sdz.SdzDependencyError, ModuleNotFoundError, subprocess.CalledProcessError) as error:
                print(f"cannot {step.__name__}: {error}")
            else:
                print(f"can {step.__name__}")


if __name__ == "__main__":
    main()
